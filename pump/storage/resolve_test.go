package storage_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// resolver is a function that is asked.
type resolver func(storage.Question) (storage.Verdict, nodes.TSO, error)

func (r resolver) Resolve(_ context.Context, q storage.Question) (storage.Verdict, nodes.TSO, error) {
	return r(q)
}

// undecided is a resolver that notes who is asked about, and has no answer; away: it cannot be asked.
type undecided struct {
	mu    sync.Mutex
	asked map[nodes.TSO]int
	ages  map[nodes.TSO]time.Duration
	away  bool
}

func newUndecided() *undecided {
	return &undecided{asked: make(map[nodes.TSO]int), ages: make(map[nodes.TSO]time.Duration)}
}

func (p *undecided) Resolve(_ context.Context, q storage.Question) (storage.Verdict, nodes.TSO, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[q.StartTS]++
	p.ages[q.StartTS] = q.Age
	if p.away {
		return storage.Unknown, 0, errors.New("connection refused")
	}
	return storage.Locked, 0, nil
}

// after lets time pass in a bubble, with TiKV away or not, and gives how often was asked about whom.
func (p *undecided) after(d time.Duration, away bool) map[nodes.TSO]int {
	p.mu.Lock()
	p.away = away
	clear(p.asked)
	p.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.asked)
}

// TestManyOrphans: of very many unresolved transactions the oldest are asked about, which hold back
// the others, each with the age of its prewrite and not more often than its pause allows.
func TestManyOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many, window = 5000, 4096
		r := newUndecided()
		s := open(t, storage.Options{Dir: t.TempDir(), Resolver: r, ResolveAfter: 4 * time.Second}) // it is looked once a second
		for i := range nodes.TSO(many) {
			put(t, s, pre(1+i, 10))
		}
		for _, round := range []struct{ pass, age time.Duration }{{4500 * time.Millisecond, 4 * time.Second}, {2 * time.Second, 6 * time.Second}} {
			asked := r.after(round.pass, false)
			for start := range nodes.TSO(many) {
				want := fmt.Sprint(1, round.age)
				if start+1 > window {
					want = fmt.Sprint(0, time.Duration(0))
				}
				if got := fmt.Sprint(asked[start+1], r.ages[start+1]); got != want {
					t.Fatalf("start TS %d: asked and age %s, want %s", start+1, got, want)
				}
			}
		}
	})
}

// TestAskedSoonAfterAnError: while TiKV cannot be asked, the oldest transaction is asked about every 2 s however old it
// is, so that the problem is gone soon after its cure; the others, and the oldest from then on, as seldom as their age says.
func TestAskedSoonAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newUndecided()
		s := open(t, storage.Options{Dir: t.TempDir(), Resolver: r, ResolveAfter: 4 * time.Second})
		put(t, s, pre(1, 10))
		put(t, s, pre(2, 10))
		r.after(10*time.Minute, true)
		if asked := r.after(2*time.Minute, true); asked[1] != 60 || asked[2] != 4 {
			t.Errorf("in 2 minutes without TiKV asked %v times", asked)
		}
		if asked := r.after(3*time.Second, false); asked[1] == 0 {
			t.Error("not asked within 3 s of TiKV's return")
		}
		if asked := r.after(2*time.Minute, false); asked[1] != 4 || asked[2] != 4 {
			t.Errorf("in 2 minutes with TiKV asked %v times", asked)
		}
	})
}

// TestUnknownIsNoOutcome: a transaction that TiKV knows nothing of is asked about again; that it is rolled back must be said.
func TestUnknownIsNoOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := resolver(func(storage.Question) (storage.Verdict, nodes.TSO, error) { return storage.Unknown, 0, nil })
		s := open(t, storage.Options{Dir: t.TempDir(), Resolver: r, ResolveAfter: 4 * time.Second})
		put(t, s, pre(1, 10))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if said, attempts := s.Said(1); attempts < 2 || said != "TiKV knows nothing of the transaction" {
			t.Errorf("asked %d times, and was told %q", attempts, said)
		}
		put(t, s, com(1, 2))
		if got := delivered(t, s, 0); !equal(got, 2) {
			t.Errorf("delivered %v", got)
		}
	})
}
