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
func (*lent) Fatal(args ...any)          { panic(failure{errors.New(strings.TrimSpace(fmt.Sprintln(args...)))}) }
func (*lent) Fatalf(f string, args ...any) {
	panic(failure{fmt.Errorf(f, args...)})
}

func (l *lent) Errorf(f string, args ...any) {
	l.failed = true
	l.Logf(f, args...)
}

// withMariaDB runs do with a fresh MariaDB.
func withMariaDB(do func(*mariadbtest.Server) error) (err error) {
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
	return do(mariadbtest.Start(l))
}
