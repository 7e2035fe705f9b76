// Package form says how this run of the tests goes: in the short or the long form, from which
// seed, and what this machine lacks. Every test asks here, so that nothing is skipped silently:
// what is missing is printed with its reason, counted at the end of `make test`, and a failure
// with STRICT=1 in the environment.
package form

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Long reports whether the long forms are wanted: PUMPHOUSE_SOAK is set, as `make soak` does.
func Long() bool { return os.Getenv("PUMPHOUSE_SOAK") != "" }

// LongOnly ends a test that is part of the long form only, unless that is wanted. It is not a
// skipped check: the short form does not promise it.
func LongOnly(t testing.TB, why string) {
	t.Helper()
	if !Long() {
		t.Skipf("long form only (PUMPHOUSE_SOAK=1 runs it): %s", why)
	}
}

// Missing ends a check that cannot be run here: what says what is missing and what to do about it.
// It is printed and added to the list that `make test` counts (the file PUMPHOUSE_SKIPS); with
// STRICT=1 the test fails.
func Missing(t testing.TB, what string, args ...any) {
	t.Helper()
	what = strings.Join(strings.Fields(fmt.Sprintf(what, args...)), " ")
	if os.Getenv("STRICT") == "1" {
		t.Fatalf("STRICT=1, and this check cannot be run: %s", what)
	}
	line := fmt.Sprintf("%s: %s\n", t.Name(), what)
	fmt.Fprint(os.Stderr, "SKIPPED ", line)
	if list := os.Getenv("PUMPHOUSE_SKIPS"); list != "" {
		f, err := os.OpenFile(list, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		// One write of one line, so that those of several processes do not mix.
		if _, err := f.WriteString(line); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Skip(what)
}

// Root is the checkout that this test runs in.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "testsuite", "deps.sh")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("testsuite/deps.sh is in no directory above this one")
		}
		dir = parent
	}
}

// Clients gives the directory in which testsuite/clients/install.sh has installed the clients of a
// language; root is the repository. Where it could not, the check is Missing.
func Clients(t testing.TB, root, language string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(root, ".cache", language))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".done")); err != nil {
		why := "run testsuite/clients/install.sh " + language
		if text, err := os.ReadFile(dir + ".missing"); err == nil {
			why = string(text)
		}
		Missing(t, "%s", why)
	}
	return dir
}

// Seed gives the seed of a random test: PUMPHOUSE_SEED, or a new one each time, below 1,000,000.
// The test's log has it, which `go test` prints when the test fails.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64N(1_000_000)
	if given := os.Getenv("PUMPHOUSE_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("PUMPHOUSE_SEED: %v", err)
		}
	}
	t.Logf("PUMPHOUSE_SEED=%d", seed)
	return seed
}
