package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRowLimit(t *testing.T) {
	x := &Executor{Env: newEnv(), Limits: Limits{Rows: 10}}
	_, err := x.Select(context.Background(), parseQuery(t, "SELECT 1 FROM t x, t y, t z"))
	var my *Error
	if !errors.As(err, &my) || my.Code != 1038 || !strings.Contains(my.Message, "10 rows") {
		t.Errorf("27 rows with a limit of 10: %v", err)
	}
	if _, err := x.Select(context.Background(), parseQuery(t, "SELECT COUNT(*) FROM t")); err != nil {
		t.Errorf("rows that are only counted: %v", err)
	}
}

func TestMemoryLimit(t *testing.T) {
	x := &Executor{Env: newEnv(), Limits: Limits{Memory: 1 << 20}}
	for _, sql := range []string{
		"SELECT REPEAT('x', 2000000)",
		"SELECT REPEAT('x', 400000) FROM t",
		"SELECT LENGTH(REPEAT('x', 800000)), LENGTH(REPEAT('y', 800000))",
	} {
		_, err := x.Select(context.Background(), parseQuery(t, sql))
		var my *Error
		if !errors.As(err, &my) || my.Code != 1038 {
			t.Errorf("%s with 1 MiB: %v", sql, err)
		}
	}
}

// TestScanStops asks that LIMIT reads no more of a table than it gives.
func TestScanStops(t *testing.T) {
	env := newEnv()
	if _, err := (&Executor{Env: env}).Select(context.Background(), parseQuery(t, "SELECT a FROM t LIMIT 1")); err != nil {
		t.Fatal(err)
	}
	if env.scanned != 1 {
		t.Errorf("%d rows read for LIMIT 1", env.scanned)
	}
}

func TestContextEndsStatement(t *testing.T) {
	for _, sql := range []string{
		"SELECT SLEEP(30)",
		"SELECT COUNT(*) FROM t a,t b,t c,t d,t e,t f,t g,t h,t i,t j,t k,t l,t m,t n,t o,t p,t q,t r",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		begin := time.Now()
		_, err := (&Executor{Env: newEnv()}).Select(ctx, parseQuery(t, sql))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", sql, err)
		}
		if spent := time.Since(begin); spent > 30*time.Second {
			t.Errorf("%s went on for %v", sql, spent)
		}
	}
}

// TestDeepNesting asks for an error, not for a stack overflow.
func TestDeepNesting(t *testing.T) {
	const n = 100000
	for name, sql := range map[string]string{
		"parentheses": "SELECT " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n),
		"sum":         "SELECT 1" + strings.Repeat("+1", n),
		"not":         "SELECT " + strings.Repeat("NOT ", n) + "1",
		"subqueries":  "SELECT " + strings.Repeat("(SELECT ", 5000) + "1" + strings.Repeat(")", 5000),
	} {
		x := &Executor{Env: newEnv(), Params: []Value{Int(1)}}
		_, err := x.Select(context.Background(), parseQuery(t, sql))
		var my *Error
		if !errors.As(err, &my) || my.Code != 1436 {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := (&Executor{Env: newEnv()}).Select(context.Background(), parseQuery(t, "SELECT 1"+strings.Repeat(" AND 1", 20000)))
	if err != nil || show(r) != "1" {
		t.Errorf("a long chain of AND: %v", err)
	}
}
