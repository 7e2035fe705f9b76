package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/programs"
)

// install runs make install with variables.
func install(t *testing.T, variables ...string) string {
	t.Helper()
	cmd := exec.Command("make", append([]string{"--no-print-directory", "install"}, variables...)...)
	cmd.Dir = programs.Root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// TestInstall: make install puts everything below DESTDIR, for a package, and keeps the configuration that is there.
func TestInstall(t *testing.T) {
	dest := t.TempDir()
	install(t, "DESTDIR="+dest, "PREFIX=/usr")
	mode := func(name string) os.FileMode {
		t.Helper()
		info, err := os.Stat(filepath.Join(dest, name))
		if err != nil {
			t.Error(err)
			return 0
		}
		return info.Mode()
	}
	for _, p := range []string{"pumphouse", "pump", "drainer", "reparo", "arbiter", "binlogctl"} {
		if m := mode("usr/bin/" + p); m != 0o755 {
			t.Errorf("%s has the mode %v", p, m)
		}
		mode("usr/share/bash-completion/completions/" + p)
		mode("usr/share/man/man1/" + p + ".1")
	}
	for _, c := range []string{"pumphouse", "pump", "drainer", "arbiter"} {
		mode("usr/share/man/man5/" + c + ".toml.5")
		if m := mode("etc/pumphouse/" + c + ".toml"); m != 0o640 {
			t.Errorf("%s.toml, which may hold passwords, has the mode %v", c, m)
		}
		unit, err := os.ReadFile(filepath.Join(dest, "usr/lib/systemd/system", c+".service"))
		if err != nil || !strings.Contains(string(unit), "\nExecStart=/usr/bin/") || !strings.Contains(string(unit), " -config /etc/pumphouse/"+c+".toml\n") {
			t.Errorf("%s.service: %v\n%s", c, err, unit)
		}
	}
	for _, f := range []string{"pumphouse.rules.yml", "scrape.yml", "pumphouse.json"} {
		mode("usr/share/pumphouse/" + f)
	}
	own := filepath.Join(dest, "etc/pumphouse/pump.toml")
	if err := os.WriteFile(own, []byte("gc = 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	install(t, "DESTDIR="+dest, "PREFIX=/usr")
	if text, err := os.ReadFile(own); err != nil || string(text) != "gc = 3\n" {
		t.Errorf("the second install has changed a configuration: %q, %v", text, err)
	}
	usersAndDirectories(t, dest)
}

// usersAndDirectories has systemd make the user and the directories below dest.
func usersAndDirectories(t *testing.T, dest string) {
	for _, tool := range []string{"systemd-sysusers", "systemd-tmpfiles"} {
		if _, err := exec.LookPath(tool); err != nil || os.Getuid() != 0 {
			form.Missing(t, "%s as root: it makes the user and the directories of the units (package systemd)", tool)
		}
	}
	for _, cmd := range [][]string{{"systemd-sysusers", "--root=" + dest}, {"systemd-tmpfiles", "--create", "--root=" + dest, "--prefix=/etc/pumphouse", "--prefix=/var", "--prefix=/run/pumphouse"}} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil || strings.Contains(string(out), "pumphouse.conf") {
			t.Errorf("%s: %v\n%s", strings.Join(cmd, " "), err, out)
		}
	}
	if users, err := os.ReadFile(filepath.Join(dest, "etc/passwd")); err != nil || !strings.Contains(string(users), "pumphouse:x:") {
		t.Errorf("the user: %v\n%s", err, users)
	}
	for dir, want := range map[string]os.FileMode{"var/lib/pumphouse": 0o750, "var/log/pumphouse": 0o750, "run/pumphouse": 0o755, "etc/pumphouse": 0o750} {
		if info, err := os.Stat(filepath.Join(dest, dir)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", dir, info, err, want)
		}
	}
}

// TestUnitsAreGood: systemd takes the units as they are installed, without a word.
func TestUnitsAreGood(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		form.Missing(t, "systemd-analyze: it checks the units (package systemd)")
	}
	at := t.TempDir()
	out := install(t, "PREFIX="+at+"/usr", "SYSCONFDIR="+at+"/etc")
	if !strings.Contains(out, "systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload") {
		t.Errorf("what to do next is not said:\n%s", out)
	}
	units, err := filepath.Glob(at + "/usr/lib/systemd/system/*.service")
	if err != nil || len(units) != 4 {
		t.Fatal(units, err)
	}
	cmd := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, units...)...)
	said, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, at) || strings.Contains(line, "pumphouse") { // others may have faults of their own
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
	if err != nil {
		t.Errorf("%s: %v\n%s", cmd, err, said)
	}
}
