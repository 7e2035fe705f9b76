package testsuite

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
)

// result is how a program ended.
type result struct {
	code        int
	out, stderr string
}

// runToEnd runs a program of ours to its end. env is added to the environment.
func runToEnd(t testing.TB, stdin string, env []string, name string, args ...string) result {
	t.Helper()
	return runCommand(t, stdin, env, program(name), args...)
}

// runCommand runs any program, for a minute at most.
func runCommand(t testing.TB, stdin string, env []string, path string, args ...string) result {
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
	return result{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// expect fails the test unless the program ended with the code, and printed to stdout and
// stderr what is wanted ("" = nothing at all).
func (r result) expect(t testing.TB, what string, code int, out, stderr string) {
	t.Helper()
	holds := func(got, want string) bool { return strings.Contains(got, want) && (want != "" || got == "") }
	if r.code != code || !holds(r.out, out) || !holds(r.stderr, stderr) {
		t.Errorf("%s: exit code %d, want %d\nstdout: %s\n  want: %s\nstderr: %s\n  want: %s", what, r.code, code, r.out, out, r.stderr, stderr)
	}
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
