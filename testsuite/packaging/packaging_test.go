package packaging

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

// TestManPagesAndCompletions: what is committed is what the programs say of themselves, man
// renders it without a complaint, and the shell completes with it.
func TestManPagesAndCompletions(t *testing.T) {
	out := t.TempDir()
	gen := exec.Command("go", "run", "./packaging/gen", "bin", out)
	gen.Dir = programs.Root
	if text, err := gen.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	n := 0
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(out, path)
		if err != nil {
			return err
		}
		fresh, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		kept, err := os.ReadFile(filepath.Join(programs.Root, name))
		if err != nil || !bytes.Equal(fresh, kept) {
			t.Errorf("%s is not what the program says (%v): run make docs", name, err)
		}
		n++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 17 {
		t.Errorf("only %d files were made", n)
	}
	for words, want := range map[string]string{
		"binlogctl -cmd pause":      "pause-drainer pause-pump",
		"pumphouse serve -log-l":    "-log-level",
		"pumphouse de":              "demo",
		"drainer -dest-db-type kaf": "kafka",
		"drainer -pri":              "-print",
		"pump -heart":               "-heartbeat-interval",
	} {
		if got := complete(t, words); got != want {
			t.Errorf("%s<TAB>: %q, want %q", words, got, want)
		}
	}
}

// TestUnitsBoundTheirPrograms: no unit leaves memory or open files to the machine's defaults.
func TestUnitsBoundTheirPrograms(t *testing.T) {
	units, err := filepath.Glob(filepath.Join(programs.Root, "packaging", "systemd", "*.service"))
	if err != nil || len(units) != 4 {
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

// TestUnitsAreValid: systemd has nothing to say against the units, and would have.
func TestUnitsAreValid(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		form.Missing(t, "no systemd-analyze (Debian's package systemd)")
	}
	units, err := filepath.Glob(filepath.Join(programs.Root, "packaging", "systemd", "*.service"))
	if err != nil {
		t.Fatal(err)
	}
	bin, err := filepath.Abs(filepath.Join(programs.Root, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	verify := func(change ...string) string {
		dir := t.TempDir()
		args := []string{"verify", "--man=no"}
		for _, unit := range units {
			text, err := os.ReadFile(unit)
			if err != nil {
				t.Fatal(err)
			}
			edits := strings.NewReplacer(append(change, "ExecStart=/usr/local/bin/", "ExecStart="+bin+"/")...)
			path := filepath.Join(dir, filepath.Base(unit))
			if err := os.WriteFile(path, []byte(edits.Replace(string(text))), 0o644); err != nil {
				t.Fatal(err)
			}
			args = append(args, path)
		}
		r := rig.RunCommand(t, "", nil, "systemd-analyze", args...) // 0 although it found something
		return r.Out + r.Stderr
	}
	if said := verify(); said != "" {
		t.Errorf("systemd-analyze verify: %s", said)
	}
	if said := verify("Restart=on-failure", "Restart=sometimes"); !strings.Contains(said, "pump.service") {
		t.Errorf("a unit with Restart=sometimes is valid: %q", said)
	}
}

// TestAlertsFire: each packaged alert fires on recorded series when it should, and not before.
func TestAlertsFire(t *testing.T) {
	dir := filepath.Join(programs.Root, "packaging", "prometheus")
	rig.RunCommand(t, "", nil, "promtool", "test", "rules", filepath.Join(dir, "pumphouse.rules_test.yml")).
		Expect(t, "promtool test rules", 0, "SUCCESS", "")
	rules, err := os.ReadFile(filepath.Join(dir, "pumphouse.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(filepath.Join(dir, "pumphouse.rules_test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllSubmatch(rules, -1)
	if len(alerts) < 20 {
		t.Fatalf("only %d alerts", len(alerts))
	}
	for _, alert := range alerts {
		if fires := fmt.Sprintf(`{labels: '{alertname="%s"}', value: 1}`, alert[1]); !bytes.Contains(tests, []byte(fires)) {
			t.Errorf("no test in which %s fires", alert[1])
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
	cmd.Dir = programs.Root
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", words, err, text)
	}
	return strings.TrimSpace(string(text))
}

// samples are the sample configurations with the programs that take them.
func samples() map[string][]string {
	return map[string][]string{"pump": {"pump"}, "drainer": {"drainer"}, "reparo": {"reparo"}, "arbiter": {"arbiter"}, "pumphouse": {"pumphouse", "serve"}}
}

// TestSampleConfigurations: the samples are good as they are; with every key set they have none that
// the program does not know, and no value of a wrong type. What is wrong is said, and nothing else is.
func TestSampleConfigurations(t *testing.T) {
	for name, command := range samples() {
		sample, err := os.ReadFile(filepath.Join(programs.Root, "packaging", "etc", name+".toml"))
		if err != nil {
			t.Fatal(err)
		}
		check := func(text string) rig.Result {
			return rig.RunToEnd(t, "", nil, command[0], append(slices.Clone(command[1:]), "-check-config", "-config", rig.WriteFile(t, name+".toml", text))...)
		}
		check(string(sample)).Expect(t, name, 0, "ok\n", "")
		bad := check("no-such-key = 1\n" + string(sample))
		bad.Expect(t, name+" with an unknown key", 2, "", "unknown key no-such-key (line 1)")
		var all strings.Builder
		keys := 0
		for line := range strings.Lines(string(sample)) {
			if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
				keys, line = keys+1, line[1:]
			}
			all.WriteString(line)
		}
		said := check(all.String()).Stderr
		if keys < 20 || strings.Contains(said, "unknown key") || regexp.MustCompile(`must be .*, line \d+ has`).MatchString(said) {
			t.Errorf("%s with every key (%d):\n%s", name, keys, said)
		}
	}
}
