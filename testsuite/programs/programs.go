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

// Main is the TestMain of a package whose tests run programs: it builds them first.
func Main(m *testing.M) {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, "build the programs:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Path gives the absolute path of a program: pumphouse, pump, drainer or binlogctl.
func Path(name string) string { return filepath.Join(bin(), name) }

// bin is where the programs are built. PUMPHOUSE_BIN is another place, for programs that are not those of
// the tree (testsuite/mutations).
func bin() string {
	dir := os.Getenv("PUMPHOUSE_BIN")
	if dir == "" {
		dir = filepath.Join(Root, "bin")
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
	install := exec.Command("go", "install", "-trimpath", "./cmd/...")
	install.Dir, install.Stdout, install.Stderr = Root, os.Stderr, os.Stderr
	install.Env = append(os.Environ(), "CGO_ENABLED=0", "GOBIN="+bin())
	return install.Run()
}
