package merge

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// txn is a transaction whose start TS is one less than its commit TS.
func txn(commit int64) binlogpb.Delivery {
	return binlogpb.Delivery{StartTS: commit - 1, CommitTS: commit, Payload: []byte("payload")}
}

func fake(ts int64) binlogpb.Delivery { return binlogpb.Delivery{StartTS: ts, CommitTS: ts} }

func add(t *testing.T, m *Merger, pump string, from nodes.TSO) *Source {
	t.Helper()
	s, err := m.Add(pump, from)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func push(t *testing.T, s *Source, ds ...binlogpb.Delivery) {
	t.Helper()
	for _, d := range ds {
		if err := s.Push(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}

// next takes what can come out without waiting, and how far the merge has passed.
func next(t *testing.T, m *Merger) (commits []int64, passed nodes.TSO) {
	t.Helper()
	passed = m.Stats().Passed
	for {
		hold, err := m.fill()
		if err != nil {
			t.Fatal(err)
		}
		b, ok := m.cut()
		if !ok {
			if hold == nil && m.Stats().Pumps > 0 {
				t.Fatal("the merge waits for nobody, although there are pumps")
			}
			return commits, passed
		}
		for _, it := range b.Items {
			commits = append(commits, it.CommitTS)
		}
		passed = b.Passed
		m.Release(b.Bytes)
	}
}

func TestOrder(t *testing.T) {
	m := New(Options{From: 100})
	p1, p2 := add(t, m, "p1", 100), add(t, m, "p2", 100)
	steps := []struct {
		name   string
		do     func()
		want   []int64
		passed nodes.TSO
	}{
		{"nothing before both have spoken", func() { push(t, p1, txn(110), txn(120), txn(150)) }, nil, 100},
		{"what both have passed", func() { push(t, p2, txn(115)) }, []int64{110, 115}, 115},
		{"a fake binlog is a clock", func() { push(t, p2, fake(130)) }, []int64{120}, 130},
		{"and is not delivered", func() { push(t, p2, fake(140)) }, nil, 140},
		{"a third pump holds from its first appearance", func() {
			add(t, m, "p3", 100)
			push(t, p2, fake(200))
		}, nil, 140},
		{"until it has passed", func() { push(t, m.pumps["p3"], txn(145), fake(160)) }, []int64{145, 150}, 150},
		{"one that ends is waited for no more", func() { p1.End(); push(t, p2, txn(210)); push(t, m.pumps["p3"], fake(205)) }, nil, 205},
		{"nor the last but one", func() { m.pumps["p3"].End() }, []int64{210}, 210},
	}
	for _, s := range steps {
		s.do()
		if got, passed := next(t, m); !slices.Equal(got, s.want) || passed != s.passed {
			t.Errorf("%s: got %v, passed %d, want %v, %d", s.name, got, passed, s.want, s.passed)
		}
	}
	if n := m.Stats().Pumps; n != 1 {
		t.Errorf("%d pumps take part, want p2 alone", n)
	}
}

func TestSecondCopyIsDropped(t *testing.T) {
	m := New(Options{})
	p1, p2 := add(t, m, "p1", 0), add(t, m, "p2", 0)
	push(t, p1, txn(10), txn(20), txn(30))
	push(t, p2, txn(20), fake(25))
	got, _ := next(t, m)
	push(t, p2, txn(30), txn(40))
	push(t, p1, fake(50))
	more, _ := next(t, m)
	if got = append(got, more...); !slices.Equal(got, []int64{10, 20, 30, 40}) {
		t.Errorf("got %v", got)
	}
	st := m.Stats()
	if st.Duplicates != 2 || st.Transactions != 4 || st.QueuedBytes != 0 || st.TakenBytes != 0 {
		t.Errorf("%+v: want 2 duplicates and nothing held", st)
	}
}

func TestDisorder(t *testing.T) {
	m := New(Options{})
	p1 := add(t, m, "p1", 0)
	push(t, p1, txn(10), txn(20))
	next(t, m)
	var d *DisorderError
	if err := p1.Push(t.Context(), txn(15)); !errors.As(err, &d) || d.Pump != "p1" || d.CommitTS != 15 || d.After != 20 {
		t.Errorf("a pump that goes back: %v", err)
	}
	if err := p1.Push(t.Context(), txn(20)); !errors.As(err, &d) || d.Pump != "p1" || d.CommitTS != 20 || d.After != 20 {
		t.Errorf("a pump that repeats itself: %v", err)
	}

	// A pump that was set to offline comes back with what nobody waited for.
	p2 := add(t, m, "p2", 0)
	push(t, p2, txn(12), txn(30))
	push(t, p1, fake(40))
	_, err := m.fill()
	if !errors.As(err, &d) || d.Pump != "p2" || d.CommitTS != 12 || d.StartTS != 11 || d.After != 20 {
		t.Errorf("a pump that comes back with old transactions: %v", err)
	}
	// Another transaction with the TS of the last one is no second copy.
	push(t, add(t, m, "p3", 0), binlogpb.Delivery{StartTS: 3, CommitTS: 20, Payload: []byte("x")}, fake(40))
	if _, err := m.fill(); !errors.As(err, &d) || d.Pump != "p3" || d.After != 20 {
		t.Errorf("two transactions with one commit TS: %v", err)
	}
	push(t, p2, fake(40))
	if got, passed := next(t, m); !slices.Equal(got, []int64{30}) || passed != 40 {
		t.Errorf("the merge does not go on: %v, passed %d", got, passed)
	}
	if st := m.Stats(); st.Disorders != 4 || st.QueuedBytes != 0 {
		t.Errorf("%+v: want 4 disorders counted and nothing held", st)
	}
}

// A pump whose end Next has seen, and that joins again before Next forgets it, takes part.
func TestRevivedIsNotForgotten(t *testing.T) {
	m := New(Options{})
	p1 := add(t, m, "p1", 7)
	p1.End()
	p1.take()
	if again := add(t, m, "p1", 0); again != p1 {
		t.Fatal("it is another one")
	}
	m.drop(p1)
	if m.pumps["p1"] != p1 {
		t.Error("it is forgotten")
	}
}

func TestAddTwice(t *testing.T) {
	m := New(Options{})
	p1 := add(t, m, "p1", 7)
	if _, err := m.Add("p1", 7); !errors.Is(err, ErrJoined) {
		t.Errorf("the second Add: %v", err)
	}
	add(t, m, "p2", 7)
	push(t, p1, txn(10))
	next(t, m) // p2 holds
	p1.End()
	again := add(t, m, "p1", 0)
	if again.Position() != 10 {
		t.Errorf("it goes on at %d, want 10", again.Position())
	}
	push(t, again, txn(12))
	push(t, m.pumps["p2"], fake(20))
	if got, _ := next(t, m); !slices.Equal(got, []int64{10, 12}) {
		t.Errorf("got %v", got)
	}
	again.End()
	next(t, m)
	if m.Stats().Pumps != 1 {
		t.Error("p1 has not gone")
	}
}

// What a source delivers after Next has looked at it, and before Next sleeps for it, is not slept through: neither a
// transaction nor a time nor the end.
func TestNewsBeforeSleep(t *testing.T) {
	for what, news := range map[string]func(*Source){
		"a transaction": func(s *Source) { push(t, s, txn(20)) },
		"a time":        func(s *Source) { push(t, s, fake(20)) },
		"the end":       func(s *Source) { s.End() },
	} {
		m := New(Options{})
		s := add(t, m, "p1", 7)
		s.take()
		news(s)
		if s.want() {
			t.Errorf("%s came, and the merge would sleep", what)
		}
		s.take()
		if what != "the end" && !s.want() {
			t.Errorf("after %s nothing more came, and the merge would not sleep", what)
		}
	}
}

func TestHolder(t *testing.T) {
	now := time.Unix(1000, 0)
	m := New(Options{Now: func() time.Time { return now }})
	asleep := func(pump string, at nodes.TSO) Holder {
		t.Helper()
		for {
			if h, ok := m.Holder(); ok && h.Pump == pump && h.At == at {
				return h
			}
			if t.Context().Err() != nil {
				t.Fatal("the merge does not wait for " + pump)
			}
			time.Sleep(time.Millisecond)
		}
	}
	if _, ok := m.Holder(); ok {
		t.Error("somebody holds a merge without pumps")
	}
	p1, p2 := add(t, m, "p1", 0), add(t, m, "p2", 0)
	push(t, p1, txn(10))
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := errors.New("ended")
	done := make(chan error)
	go func() {
		for {
			b, err := m.Next(ctx)
			if err != nil {
				done <- err
				return
			}
			m.Release(b.Bytes)
		}
	}()
	if h := asleep("p2", 0); !h.Since.Equal(now) {
		t.Errorf("held since %v", h.Since)
	}
	push(t, p2, fake(5))
	asleep("p2", 5)
	push(t, p2, fake(50))
	asleep("p1", 10)
	cancel(ended)
	if err := <-done; !errors.Is(err, ended) {
		t.Errorf("Next ends with %v", err)
	}
}

// The queues are full of young transactions of one pump while the merge waits for the
// other: its transaction must get in nevertheless.
func TestFullQueuesDoNotKeepOutTheHolder(t *testing.T) {
	m := New(Options{BufferBytes: 2 << 10, BatchItems: 4})
	p1, p2 := add(t, m, "p1", 0), add(t, m, "p2", 0)
	const n = 200
	big := make([]byte, 300)
	feed := func(s *Source, first, step int64) {
		for i := range int64(n) {
			d := binlogpb.Delivery{StartTS: 1, CommitTS: first + i*step, Payload: big}
			if err := s.Push(t.Context(), d); err != nil {
				t.Error(err)
				return
			}
		}
		if err := s.Push(t.Context(), fake(1<<40)); err != nil {
			t.Error(err)
		}
	}
	go feed(p1, 1_000_000, 1)
	go feed(p2, 2, 1)
	last, count := int64(0), 0
	for count < 2*n {
		b, err := m.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range b.Items {
			if it.CommitTS <= last {
				t.Fatalf("%d after %d", it.CommitTS, last)
			}
			last = it.CommitTS
			count++
		}
		if st := m.Stats(); st.QueuedBytes > 1<<10+2*364 {
			t.Fatalf("%d bytes are queued", st.QueuedBytes)
		}
		m.Release(b.Bytes)
	}
}

func TestBufferHoldsBack(t *testing.T) {
	m := New(Options{BufferBytes: 1000, BatchItems: 1})
	p := add(t, m, "p1", 0)
	big := binlogpb.Delivery{StartTS: 1, CommitTS: 2, Payload: make([]byte, 5000)}
	push(t, p, big) // larger than the buffer: alone
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := p.Push(short, txn(10)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a second one got in beside it: %v", err)
	}
	b, err := m.Next(t.Context())
	if err != nil || len(b.Items) != 1 {
		t.Fatal(b, err)
	}
	push(t, p, txn(10)) // the queue is empty again
	if _, err := m.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("more comes out although nothing was released: %v", err)
	}
	m.Release(b.Bytes)
	if b, err = m.Next(t.Context()); err != nil || b.Passed != 10 {
		t.Fatal(b, err)
	}
}
