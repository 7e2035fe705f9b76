package storage_test

import (
	"context"
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
