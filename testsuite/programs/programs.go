// Package programs builds the product's programs for the tests that run them. The programs are what is
// tested: they are built from the tree in which the tests stand, once for all packages of tests.
package programs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Root is the repository, from the directory of a package of tests: testsuite/NAME.
const Root = "../.."

// Main is the TestMain of a package whose tests run programs: it builds them first. With PUMPHOUSE_RACE=1
// they are built with the race detector, and a race that one of them reports fails the package.
func Main(m *testing.M) {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, "build the programs:", err)
		os.Exit(1)
	}
	if !race() {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "races-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv("GORACE", "log_path="+filepath.Join(dir, "of"))
	code := m.Run()
	found, _ := filepath.Glob(filepath.Join(dir, "*")) // the pattern is a good one
	for _, name := range found {
		text, _ := os.ReadFile(name)
		fmt.Fprintf(os.Stderr, "%s\n", text)
		code = 1
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// race reports whether the race detector is to watch the programs.
func race() bool { return os.Getenv("PUMPHOUSE_RACE") != "" }

// Path gives the absolute path of a program: pumphouse, pump, drainer or binlogctl.
func Path(name string) string { return filepath.Join(bin(), name) }

// bin is where the programs are built. PUMPHOUSE_BIN is another place, for programs that are not those of
// the tree (testsuite/mutations).
func bin() string {
	dir := os.Getenv("PUMPHOUSE_BIN")
	if dir == "" {
		dir = filepath.Join(Root, "bin")
		if race() {
			dir = filepath.Join(dir, "race")
		}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		panic(err) // there is no working directory
	}
	return abs
}

// build makes programs that are out of date. Packages are tested at the same time, and a program that one
// of them runs must not be replaced by another: a lock is held meanwhile, and "go install", other than
// "go build -o", leaves alone what is up to date.
func build() error {
	if err := os.MkdirAll(bin(), 0o755); err != nil {
		return err
	}
	lock, err := os.Open(bin())
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", bin(), err)
	}
	install := exec.Command("go", "install", "-trimpath")
	install.Dir, install.Stdout, install.Stderr = Root, os.Stderr, os.Stderr
	install.Env = append(os.Environ(), "CGO_ENABLED=0", "GOBIN="+bin())
	if race() {
		install.Args, install.Env = append(install.Args, "-race"), append(install.Env, "CGO_ENABLED=1")
	}
	install.Args = append(install.Args, "./cmd/...")
	return install.Run()
}
