package rig

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pumphouse/testsuite/programs"
)

// Result is how a program ended.
type Result struct {
	Code        int
	Out, Stderr string
}

// RunToEnd runs a program of ours to its end. env is added to the environment.
func RunToEnd(t testing.TB, stdin string, env []string, name string, args ...string) Result {
	t.Helper()
	return RunCommand(t, stdin, env, programs.Path(name), args...)
}

// RunCommand runs any program, for a minute at most.
func RunCommand(t testing.TB, stdin string, env []string, path string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &stderr
	cmd.Env = append(append(os.Environ(), "TZ=UTC"), env...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s %s: %v (make deps installs what is missing)\n%s", path, strings.Join(args, " "), err, stderr.String())
	}
	return Result{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// Expect fails the test unless the program ended with the code, and printed to stdout and
// stderr what is wanted ("" = nothing at all).
func (r Result) Expect(t testing.TB, what string, code int, out, stderr string) {
	t.Helper()
	holds := func(got, want string) bool { return strings.Contains(got, want) && (want != "" || got == "") }
	if r.Code != code || !holds(r.Out, out) || !holds(r.Stderr, stderr) {
		t.Errorf("%s: exit code %d, want %d\nstdout: %s\n  want: %s\nstderr: %s\n  want: %s", what, r.Code, code, r.Out, out, r.Stderr, stderr)
	}
}

func WriteFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
