package tidbtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// binary is the path of a program that a script of this repository builds, building it
// first when that is needed: minutes the first time, milliseconds afterwards.
func binary(t testing.TB, script string, args ...string) string {
	t.Helper()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(filepath.Join(root, script), args...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", script, strings.Join(args, " "), err, said.Bytes())
	}
	return strings.TrimSpace(string(out))
}

// Dumpling is the path of TiDB's dump program, built when that is needed.
func Dumpling(t testing.TB) string {
	t.Helper()
	return binary(t, "testsuite/tidb/dumpling.sh")
}

// repository finds the root of this repository above the directory of the test.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(mod, []byte("module pumphouse\n")) {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find the repository: no go.mod of the module pumphouse above the working directory")
		}
		dir = up
	}
}
