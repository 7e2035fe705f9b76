package storage_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// undecided is a resolver that notes who is asked about, and has no answer.
type undecided struct {
	mu    sync.Mutex
	asked map[nodes.TSO]int
	ages  map[nodes.TSO]time.Duration
}

func (p *undecided) Resolve(_ context.Context, q storage.Question) (storage.Verdict, nodes.TSO, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[q.StartTS]++
	p.ages[q.StartTS] = q.Age
	return storage.Locked, 0, nil
}

// await waits for that many questions in all.
func (p *undecided) await(t *testing.T, questions int) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		got := 0
		p.mu.Lock()
		for _, n := range p.asked {
			got += n
		}
		p.mu.Unlock()
		if got >= questions {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d questions, want %d", got, questions)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestManyOrphans: of very many unresolved transactions the oldest are asked about, which hold back
// the others, each with the age of its prewrite and not more often than its pause allows.
func TestManyOrphans(t *testing.T) {
	const many, window = 5000, 4096
	var now atomic.Int64
	r := &undecided{asked: make(map[nodes.TSO]int), ages: make(map[nodes.TSO]time.Duration)}
	s := open(t, storage.Options{
		Dir: t.TempDir(), Resolver: r, ResolveAfter: 20 * time.Millisecond,
		Now: func() time.Time { return time.Unix(0, now.Load()) },
	})
	for i := range nodes.TSO(many) {
		put(t, s, pre(1+i, 10))
	}
	now.Store(int64(20 * time.Millisecond))
	r.await(t, window)
	now.Store(int64(time.Second))
	r.await(t, 2*window)
	r.mu.Lock()
	defer r.mu.Unlock()
	for start := range nodes.TSO(many) {
		want := fmt.Sprint(2, time.Second)
		if start+1 > window {
			want = fmt.Sprint(0, time.Duration(0))
		}
		if got := fmt.Sprint(r.asked[start+1], r.ages[start+1]); got != want {
			t.Fatalf("start TS %d: asked and age %s, want %s", start+1, got, want)
		}
	}
}

// unreachable is a resolver that cannot be asked until it is back.
type unreachable struct {
	undecided
	back atomic.Bool
}

func (u *unreachable) Resolve(ctx context.Context, q storage.Question) (storage.Verdict, nodes.TSO, error) {
	v, ts, err := u.undecided.Resolve(ctx, q)
	if !u.back.Load() {
		err = errors.New("connection refused")
	}
	return v, ts, err
}

// TestAskedSoonAfterAnError: while TiKV cannot be asked, the oldest transaction is asked about every 2 s however old it
// is, so that the problem is gone soon after its cure; the others, and the oldest from then on, as seldom as their age says.
func TestAskedSoonAfterAnError(t *testing.T) {
	var now atomic.Int64
	r := &unreachable{undecided: undecided{asked: make(map[nodes.TSO]int), ages: make(map[nodes.TSO]time.Duration)}}
	s := open(t, storage.Options{Dir: t.TempDir(), Resolver: r, ResolveAfter: 3 * time.Second, Now: func() time.Time { return time.Unix(0, now.Load()) }})
	put(t, s, pre(1, 10))
	put(t, s, pre(2, 10))
	at := 10 * time.Minute
	for round := range 4 {
		r.back.Store(round == 3)
		now.Store(int64(at))
		r.await(t, 2+round) // both, then the oldest alone
		at += 2*time.Second + time.Millisecond
	}
	now.Store(int64(10*time.Minute + 31*time.Second))
	r.await(t, 6) // the other one is due
	now.Store(int64(at + 30*time.Second))
	r.await(t, 7)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked[1] != 5 || r.asked[2] != 2 {
		t.Errorf("asked %v times", r.asked)
	}
}
