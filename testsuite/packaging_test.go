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

// TestUnitsBoundTheirPrograms: no unit leaves memory or open files to the machine's defaults.
func TestUnitsBoundTheirPrograms(t *testing.T) {
	units, err := filepath.Glob(filepath.Join(root, "packaging", "systemd", "*.service"))
	if err != nil || len(units) != 3 {
		t.Fatal(units, err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"\nMemoryMax=", "\nLimitNOFILE=", "\nTimeoutStopSec=", "\nRestart=on-failure"} {
			if key == "\nTimeoutStopSec=" && strings.HasSuffix(unit, "pumphouse.service") {
				continue // it has nothing that takes long
			}
			if !bytes.Contains(text, []byte(key)) {
				t.Errorf("%s has no %s", unit, strings.TrimSpace(key))
			}
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

// TestSampleConfigurations: the samples have no key that the programs do not know; with one
// more, the programs complain of that.
func TestSampleConfigurations(t *testing.T) {
	for program, args := range map[string][]string{
		"pump":      {"-L", "nonsense", "-config"},
		"drainer":   {"-L", "nonsense", "-config"},
		"pumphouse": {"serve", "-log-level", "nonsense", "-config"},
	} {
		sample, err := os.ReadFile(filepath.Join(root, "packaging", "etc", program+".toml"))
		if err != nil {
			t.Fatal(err)
		}
		for text, want := range map[string]string{
			string(sample):                       "nonsense",
			"no-such-key = 1\n" + string(sample): "no-such-key",
		} {
			file := filepath.Join(t.TempDir(), "config.toml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(filepath.Join("bin", program), append(args, file)...)
			cmd.Dir = root
			said, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(said), want) {
				t.Errorf("%s: want an error about %s alone, got %v\n%s", strings.Join(cmd.Args, " "), want, err, said)
			}
			if want != "nonsense" && strings.Contains(string(said), "nonsense") {
				t.Errorf("%s: the log level hides an unknown key:\n%s", strings.Join(cmd.Args, " "), said)
			}
		}
	}
}
