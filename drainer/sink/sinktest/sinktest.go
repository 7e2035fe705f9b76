// Package sinktest tests that a sink keeps the contract of sink.Sink. A sink's own tests
// call [Run] with its [Downstream]. It also makes tables, values and transactions for such
// tests.
package sinktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// Downstream is where the sink under test writes to. It begins empty, but for the table
// `sinktest`.`t` where tables must exist ([CreateTable]).
type Downstream interface {
	// Open opens the sink, from the drainer's checkpoint. It may be called again when the
	// sink before has been closed.
	Open(t testing.TB, from nodes.TSO) sink.Sink
	// IDs gives the column id of every row of the table, in the order they were written if
	// the downstream has one, else ascending. [Insert] makes it the transaction's commit TS.
	IDs(t testing.TB) []int64
}

// Run tests the contract; open makes a new downstream.
func Run(t *testing.T, open func(t *testing.T) Downstream) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, d Downstream)
	}{
		{"applies in order, and Flush makes it final", testOrder},
		{"Applied moves without transactions", testPassed},
		{"Applied is never ahead of the downstream, and never goes back", testApplied},
		{"what was applied before a restart makes no difference", testRestart},
		{"what does not follow is refused", testDisorder},
		{"early statements and rows are one unit", testEarly},
		{"rows of a large transaction are those of any other", testLarge},
		{"is closed once and for all", testClose},
		{"obeys its context", testContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func apply(t *testing.T, s sink.Sink, passed nodes.TSO, commits ...nodes.TSO) {
	t.Helper()
	b := sink.Batch{Passed: passed}
	for _, ts := range commits {
		b.Txns = append(b.Txns, Insert(ts))
	}
	if err := s.Apply(t.Context(), b); err != nil {
		t.Fatalf("apply %v: %v", commits, err)
	}
}

func flush(t *testing.T, s sink.Sink) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

func closeSink(t *testing.T, s sink.Sink) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func wantIDs(t *testing.T, d Downstream, want []int64) {
	t.Helper()
	if got := d.IDs(t); !slices.Equal(got, want) {
		t.Errorf("downstream: %d rows %.200s, want %d rows %.200s", len(got), fmt.Sprint(got), len(want), fmt.Sprint(want))
	}
}

func wantApplied(t *testing.T, s sink.Sink, want nodes.TSO) {
	t.Helper()
	if got := s.Applied(); got != want {
		t.Errorf("Applied: %d, want %d", got, want)
	}
}

func testLarge(t *testing.T, d Downstream) {
	s := d.Open(t, 0)
	defer s.Close()
	apply(t, s, 10, 10)
	want := []int64{10}
	var ids []int64
	for id := int64(11); id < 12_000; id++ { // more than one statement, piece or buffer of any sink
		ids = append(ids, id)
	}
	if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{Large(20, ids...)}, Passed: 25}); err != nil {
		t.Fatal(err)
	}
	apply(t, s, 20_000, 20_000)
	flush(t, s)
	wantIDs(t, d, append(append(want, ids...), 20_000))
	wantApplied(t, s, 20_000)
}

func testOrder(t *testing.T, d Downstream) {
	s := d.Open(t, 0)
	defer s.Close()
	var want []int64
	for ts := nodes.TSO(10); ts < 2000; ts += 30 {
		apply(t, s, ts+25, ts, ts+10, ts+20)
		want = append(want, int64(ts), int64(ts+10), int64(ts+20))
	}
	flush(t, s)
	wantApplied(t, s, nodes.TSO(want[len(want)-1]+5))
	wantIDs(t, d, want)
	flush(t, s) // nothing new
	wantApplied(t, s, nodes.TSO(want[len(want)-1]+5))
}

func testPassed(t *testing.T, d Downstream) {
	s := d.Open(t, 5)
	defer s.Close()
	wantApplied(t, s, 5)
	apply(t, s, 100)
	flush(t, s)
	wantApplied(t, s, 100)
	empty := &sink.Txn{StartTS: 109, CommitTS: 110} // everything was filtered out
	if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{empty}, Passed: 120}); err != nil {
		t.Fatal(err)
	}
	// Without a Flush, it comes by itself.
	for deadline := time.Now().Add(20 * time.Second); s.Applied() != 120; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Applied stays at %d, want 120", s.Applied())
		}
	}
	wantIDs(t, d, nil)
}

func testApplied(t *testing.T, d Downstream) {
	s := d.Open(t, 0)
	defer s.Close()
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for last := nodes.TSO(0); ; {
			applied := s.Applied()
			if applied < last {
				t.Errorf("Applied went back from %d to %d", last, applied)
			}
			last = applied
			ids := d.IDs(t)
			if n := len(ids); applied > 0 && (n == 0 || nodes.TSO(ids[n-1]) < applied) {
				t.Errorf("Applied is %d and the downstream has %d rows up to %v", applied, n, ids[max(0, n-1):])
			}
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	for ts := nodes.TSO(1); ts <= 400; ts++ {
		apply(t, s, ts, ts)
		if ts%100 == 0 {
			flush(t, s)
			wantApplied(t, s, ts)
		}
	}
	close(done)
	watch.Wait()
}

func testRestart(t *testing.T, d Downstream) {
	s := d.Open(t, 0)
	apply(t, s, 30, 10, 20, 30)
	flush(t, s)
	apply(t, s, 50, 40, 50) // not flushed: there or not
	closeSink(t, s)

	s = d.Open(t, 15) // the checkpoint is before what is applied
	if s.Applied() < 15 {
		t.Errorf("Applied: %d, want 15 at least", s.Applied())
	}
	apply(t, s, 30, 20, 30)
	apply(t, s, 60, 40, 50, 60)
	flush(t, s)
	wantApplied(t, s, 60)
	closeSink(t, s)
	wantIDs(t, d, []int64{10, 20, 30, 40, 50, 60})
}

// testEarly: a statement that rows need is there before them; the transaction before may have the
// commit TS in front of theirs.
func testEarly(t *testing.T, d Downstream) {
	early := func(n int) *sink.Txn {
		x := Insert(nodes.TSO(10 * n))
		x.Early = []sink.Statement{{
			Query: fmt.Sprintf("ALTER TABLE `t` ADD COLUMN `c%d` BIGINT DEFAULT 0", n),
			DDL:   &schema.DDL{Schema: "sinktest", Table: "t", Job: &schema.Job{ID: int64(n), Type: schema.ActionAddColumn}},
		}}
		return x
	}
	needs := func(x *sink.Txn, columns ...int) *sink.Txn {
		c := *x.Changes[0]
		wide := *c.Table
		wide.Columns = slices.Clone(wide.Columns)
		for _, n := range columns {
			col := Column(fmt.Sprintf("c%d", n), mysql.TypeLonglong, 0)
			wide.Columns = append(wide.Columns, col)
			c.New = append(c.New, Value(col, "7"))
		}
		c.Table = &wide
		x.Changes = []*txn.Change{&c}
		return x
	}
	several := needs(early(3), 2, 3, 4)
	several.Early = append(several.Early, early(4).Early...)
	alone := early(6)
	alone.Changes = nil

	s := d.Open(t, 0)
	list := []*sink.Txn{Insert(19), needs(early(2), 2), Insert(29), several, Insert(40), alone}
	if err := s.Apply(t.Context(), sink.Batch{Txns: list, Passed: 60}); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	wantApplied(t, s, 60)
	closeSink(t, s)
	s = d.Open(t, 19)
	if err := s.Apply(t.Context(), sink.Batch{Txns: append(list[1:], needs(Insert(70), 2, 3, 4, 6)), Passed: 70}); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	wantApplied(t, s, 70)
	closeSink(t, s)
	wantIDs(t, d, []int64{19, 20, 29, 30, 40, 70})
}

func testDisorder(t *testing.T, d Downstream) {
	s := d.Open(t, 5)
	defer s.Close()
	apply(t, s, 30, 10, 20)
	for name, b := range map[string]sink.Batch{
		"at the checkpoint":        {Txns: []*sink.Txn{Insert(5)}, Passed: 40},
		"below what was passed":    {Txns: []*sink.Txn{Insert(25)}, Passed: 40},
		"at what was passed":       {Txns: []*sink.Txn{Insert(30)}, Passed: 40},
		"descending":               {Txns: []*sink.Txn{Insert(36), Insert(35)}, Passed: 40},
		"twice":                    {Txns: []*sink.Txn{Insert(36), Insert(36)}, Passed: 40},
		"Passed below what was":    {Passed: 29},
		"Passed below what is new": {Txns: []*sink.Txn{Insert(36)}, Passed: 35},
	} {
		var order *sink.OrderError
		if err := s.Apply(t.Context(), b); !errors.As(err, &order) {
			t.Errorf("%s: %v", name, err)
		}
	}
	flush(t, s) // a refused batch is none of the downstream's business
	wantApplied(t, s, 30)
	wantIDs(t, d, []int64{10, 20})
}

func testClose(t *testing.T, d Downstream) {
	s := d.Open(t, 0)
	apply(t, s, 10, 10)
	flush(t, s)
	closeSink(t, s)
	closeSink(t, s)
	if err := s.Apply(t.Context(), sink.Batch{Passed: 20}); !errors.Is(err, sink.ErrClosed) {
		t.Errorf("Apply after Close: %v", err)
	}
	if err := s.Flush(t.Context()); !errors.Is(err, sink.ErrClosed) {
		t.Errorf("Flush after Close: %v", err)
	}
	wantApplied(t, s, 10)
	wantIDs(t, d, []int64{10})
}

func testContext(t *testing.T, d Downstream) {
	s := d.Open(t, 0)
	why := errors.New("the drainer pauses")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := s.Flush(ctx); !errors.Is(err, why) {
		t.Errorf("Flush: %v", err)
	}
	flush(t, s)
	if err := s.Apply(ctx, sink.Batch{Txns: []*sink.Txn{Insert(10)}, Passed: 10}); !errors.Is(err, why) {
		t.Errorf("Apply: %v", err)
	}
	closeSink(t, s)
}
