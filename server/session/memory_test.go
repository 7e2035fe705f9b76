package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pumphouse/server/engine"
	"pumphouse/server/governor"
	"pumphouse/server/session/privilege"
)

func wantCode(t *testing.T, err error, code uint16, text string) {
	t.Helper()
	var e *engine.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) {
		t.Errorf("%.300v, want error %d with %q", err, code, text)
	}
}

func numbered(text string, n int) string { return strings.ReplaceAll(text, "#", fmt.Sprint(n)) }

// TestWhatASessionKeepsIsCounted: of each kind a session can keep only so much, what takes its place or
// is dropped is given back, and a reset gives back everything.
func TestWhatASessionKeepsIsCounted(t *testing.T) {
	for name, statements := range map[string][2]string{ // one that keeps, one that drops; # counts
		"user variables":                 {"SET @a# = repeat('x', 3000000)", "SET @a# = NULL"},
		"user variables within a SELECT": {"SELECT length(@a# := repeat('x', 3000000))", "SET @a# = NULL"},
		"one user variable":              {"SET @a = repeat('x', 3000000), @b# = repeat('y', 100)", "SET @a = 1, @b# = NULL"},
		"savepoints":                     {"SAVEPOINT `" + strings.Repeat("s", 1<<20) + "#`", "ROLLBACK TO SAVEPOINT first"},
		"PREPARE":                        {"PREPARE p# FROM 'select 1" + strings.Repeat("+1", 1000) + "'", "DEALLOCATE PREPARE p#"},
	} {
		t.Run(name, func(t *testing.T) {
			g := governor.New(governor.Limits{})
			share, err := g.Enter("u", false)
			if err != nil {
				t.Fatal(err)
			}
			start := g.Usage().Bytes
			opts := testOptions()
			opts.Share = share
			s := New(opts, 7, monitor)
			run := func(text string) error {
				_, err := outcomes(s, text)
				return err
			}
			mustRun(t, s, "BEGIN")
			mustRun(t, s, "SAVEPOINT first")
			kept := 0
			for err = nil; err == nil && kept < 200; kept++ {
				err = run(numbered(statements[0], kept))
			}
			if name == "one user variable" {
				if err != nil {
					t.Errorf("a value that takes the place of another: %v", err)
				}
			} else {
				wantCode(t, err, 1038, "max-")
			}
			for i := range kept {
				if err := run(numbered(statements[1], i)); err != nil && name != "PREPARE" {
					t.Fatal(err)
				}
			}
			if held := g.Usage().Bytes - start; held > 256<<10 {
				t.Errorf("%d bytes are held after all was dropped", held)
			}
			_ = run(numbered(statements[0], 0))
			s.Reset()
			if held := g.Usage().Bytes - start; held != 0 {
				t.Errorf("%d bytes are held after a reset", held)
			}
		})
	}
}

// TestMonitorsCannotLiftTheTimeLimit: they may lower it; admins may do as they like.
func TestMonitorsCannotLiftTheTimeLimit(t *testing.T) {
	for acc, want := range map[privilege.Account][3]string{monitor: {"5000", "5000", "20"}, admin: {"0", "60000", "20"}} {
		opts := testOptions()
		opts.Statement = 5 * time.Second
		s := newSession(t, opts, acc)
		for i, ms := range []int{0, 60000, 20} {
			mustRun(t, s, fmt.Sprintf("SET max_execution_time = %d", ms))
			cut := want[i] != fmt.Sprint(ms)
			if got := s.Warnings(); (got == 1) != cut {
				t.Errorf("%s sets %d: %d warnings", acc.Name, ms, got)
			}
			if got := cells(t, s, "SELECT @@max_execution_time")[0][0]; got != want[i] {
				t.Errorf("%s sets %d and gets %s, want %s", acc.Name, ms, got, want[i])
			}
		}
		if e := codeOf(t, s, "SELECT sleep(30)"); e.Code != 3024 {
			t.Errorf("%s: %v", acc.Name, e)
		}
	}
}

// TestExpensiveStatementsTakeTurns: with one place for expensive statements, that of one user goes on
// beside one of another that never ends, and beside one that sleeps.
func TestExpensiveStatementsTakeTurns(t *testing.T) {
	g := governor.New(governor.Limits{Running: 1})
	session := func(user string) *Session {
		share, err := g.Enter(user, false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(share.Leave)
		opts := testOptions()
		opts.Share = share
		return New(opts, 7, monitor)
	}
	const join = " FROM information_schema.collations a, information_schema.collations b"
	for name, other := range map[string]string{
		"never ends": "SELECT count(*)" + join + ", information_schema.collations c, information_schema.collations d, information_schema.collations e",
		"sleeps":     "SELECT count(*), sleep(60)" + join,
	} {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		s := session("first " + name)
		go func() { ended <- s.Query(ctx, other, func(*Outcome, bool) error { return nil }) }()
		short := session("second " + name)
		for range 20 {
			mustRun(t, short, "SELECT count(*)"+join)
		}
		select {
		case err := <-ended:
			t.Errorf("%s: %v", name, err)
		default:
		}
		stop()
		<-ended
	}
}
