package testsuite

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestManPagesAndCompletions: what is committed is what the programs say of themselves, man
// renders it without a complaint, and the shell completes with it.
func TestManPagesAndCompletions(t *testing.T) {
	out := t.TempDir()
	gen := exec.Command("go", "run", "./packaging/gen", "bin", out)
	gen.Dir = root
	if text, err := gen.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	n := 0
	for _, kind := range []string{"man", "completion"} {
		entries, err := os.ReadDir(filepath.Join(out, kind))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			fresh, err := os.ReadFile(filepath.Join(out, kind, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			kept, err := os.ReadFile(filepath.Join(root, "packaging", kind, e.Name()))
			if err != nil || !bytes.Equal(fresh, kept) {
				t.Errorf("packaging/%s/%s is not what the program says (%v): run make docs", kind, e.Name(), err)
			}
			n++
		}
	}
	if n < 10 {
		t.Errorf("only %d files were made", n)
	}
	for words, want := range map[string]string{
		"binlogctl -cmd pause":      "pause-drainer pause-pump",
		"pumphouse serve -log-l":    "-log-level",
		"pumphouse de":              "demo",
		"drainer -dest-db-type kaf": "kafka",
		"pump -heart":               "-heartbeat-interval",
	} {
		if got := complete(t, words); got != want {
			t.Errorf("%s<TAB>: %q, want %q", words, got, want)
		}
	}
}

// complete is what bash offers for the last word.
func complete(t *testing.T, words string) string {
	t.Helper()
	program, _, _ := strings.Cut(words, " ")
	script := `source packaging/completion/` + program + `
COMP_WORDS=(` + words + `); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _` + program + `; echo "${COMPREPLY[*]}"`
	cmd := exec.Command("bash", "-euc", script)
	cmd.Dir = root
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", words, err, text)
	}
	return strings.TrimSpace(string(text))
}

// TestSampleConfigurations: the samples have no key that the programs do not know.
func TestSampleConfigurations(t *testing.T) {
	for program, args := range map[string][]string{
		"pump":      {"-config", "packaging/etc/pump.toml", "-L", "nonsense"},
		"drainer":   {"-config", "packaging/etc/drainer.toml", "-L", "nonsense"},
		"pumphouse": {"serve", "-config", "packaging/etc/pumphouse.toml", "-log-level", "nonsense"},
	} {
		cmd := exec.Command(filepath.Join("bin", program), args...)
		cmd.Dir = root
		text, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(text), "nonsense") {
			t.Errorf("%s %s: want an error about the log level alone, got %v\n%s", program, strings.Join(args, " "), err, text)
		}
	}
}
