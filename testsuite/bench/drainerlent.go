package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pumphouse/testsuite/mariadbtest"
)

// lent is what test helpers need of a test, outside of one.
type lent struct {
	testing.TB // of which nothing else is called
	cleanups   []func()
	failed     bool
}

// failure is how lent leaves a helper that fails.
type failure struct{ err error }

func (*lent) Helper()                    {}
func (*lent) Context() context.Context   { return context.Background() }
func (l *lent) Failed() bool             { return l.failed }
func (l *lent) Cleanup(f func())         { l.cleanups = append(l.cleanups, f) }
func (*lent) Logf(f string, args ...any) { fmt.Fprintf(os.Stderr, f+"\n", args...) }
func (l *lent) Log(args ...any)          { l.Logf("%s", fmt.Sprintln(args...)) }
func (*lent) Fatal(args ...any)          { panic(failure{errors.New(strings.TrimSpace(fmt.Sprintln(args...)))}) }
func (*lent) Fatalf(f string, args ...any) {
	panic(failure{fmt.Errorf(f, args...)})
}

func (l *lent) Errorf(f string, args ...any) {
	l.failed = true
	l.Logf(f, args...)
}

// TempDir is a directory for as long as the helpers' servers run.
func (l *lent) TempDir() string {
	dir, err := os.MkdirTemp("", "pumphouse-bench-")
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// withMariaDB runs do with a fresh MariaDB.
func withMariaDB(do func(*mariadbtest.Server) error) error {
	return withHelpers(func(t testing.TB) error { return do(mariadbtest.Start(t)) })
}

// withHelpers runs do with what test helpers ask for, and then ends what they have started.
func withHelpers(do func(testing.TB) error) (err error) {
	l := &lent{}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			err = f.err
		}
		l.failed = l.failed || err != nil
		for _, f := range slices.Backward(l.cleanups) {
			f()
		}
	}()
	return do(l)
}
