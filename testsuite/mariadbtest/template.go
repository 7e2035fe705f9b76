package mariadbtest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"pumphouse/testsuite/form"
)

// template is a data directory in which no server has run, of which each server gets a copy. It is made once for
// all tests of a checkout, in .cache: mariadb-install-db takes seconds of computing.
func (s *Server) template() string {
	s.t.Helper()
	version, err := exec.Command(s.find("mariadbd"), "--no-defaults", "--version").Output()
	if err != nil {
		s.t.Fatalf("ask mariadbd for its version: %v", err)
	}
	cache := filepath.Join(form.Root(s.t), ".cache", "mariadb")
	dir := filepath.Join(cache, fmt.Sprintf("%.8x", sha256.Sum256(append(version, s.user()...))))
	if err := os.MkdirAll(cache, 0o755); err != nil {
		s.t.Fatal(err)
	}
	lock, err := os.Open(cache)
	if err != nil {
		s.t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil { // packages are tested at the same time
		s.t.Fatalf("lock %s: %v", cache, err)
	}
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	made := dir + ".new" // what is left of one that was not finished goes
	if err := os.RemoveAll(made); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(s.find("mariadb-install-db"), "--no-defaults", "--tmpdir="+s.Dir, "--user="+s.user(), "--datadir="+made,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=8M")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("make MariaDB's data directory: %v\n%s", err, out)
	}
	if err := os.Rename(made, dir); err != nil {
		s.t.Fatal(err)
	}
	return dir
}
