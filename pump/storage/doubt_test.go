package storage_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// tiKV is a resolver that knows what was committed; everything else is rolled back.
type tiKV struct {
	committed map[nodes.TSO]nodes.TSO

	mu    sync.Mutex
	asked []storage.Question
}

func (k *tiKV) Resolve(_ context.Context, q storage.Question) (storage.Verdict, nodes.TSO, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, q)
	if ts := k.committed[q.StartTS]; ts > 0 {
		return storage.Committed, ts, nil
	}
	if !q.Reported {
		return storage.Locked, 0, nil
	}
	return storage.RolledBack, 0, nil
}

// TestRollbackIsDoubted: a Rollback that comes when its prewrite is old, or was stored before the store was opened, is
// not believed before TiKV was asked: TiDB sends one also when it does not know the outcome. One that comes soon is.
func TestRollbackIsDoubted(t *testing.T) { synctest.Test(t, rollbackIsDoubted) }

func rollbackIsDoubted(t *testing.T) {
	kv := &tiKV{committed: map[nodes.TSO]nodes.TSO{10: 20, 11: 21, 13: 23}}
	opts := storage.Options{Dir: t.TempDir(), Resolver: kv, ResolveAfter: time.Second}
	s := open(t, opts)
	time.Sleep(time.Nanosecond) // the next came after the store was opened
	for _, start := range []nodes.TSO{10, 11, 12} {
		put(t, s, pre(start, 9))
	}
	put(t, s, rol(11)) // at once: not TiDB's error 8501
	if n := s.Stats().Unresolved; n != 2 {
		t.Fatalf("%d unresolved after a Rollback that came soon, want 2", n)
	}
	time.Sleep(time.Second)
	put(t, s, rol(10), rol(12))
	settled(t, s)
	if got := pulled(t, s, 0, 20); !slices.Equal(got, []nodes.TSO{20}) {
		t.Errorf("delivered is %v, want 20 alone", got)
	}

	put(t, s, pre(13, 21))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, opts)
	put(t, s, rol(13))
	if n := s.Stats().Unresolved; n != 1 {
		t.Fatalf("%d unresolved: a Rollback that has waited for the pump is believed", n)
	}
	time.Sleep(time.Second)
	settled(t, s)
	if got := pulled(t, s, 0, 23); !slices.Equal(got, []nodes.TSO{20, 23}) {
		t.Errorf("delivered is %v, want 20 and 23", got)
	}
	kv.mu.Lock()
	defer kv.mu.Unlock()
	for _, q := range kv.asked {
		if q.StartTS == 11 {
			t.Errorf("asked %+v", q)
		}
	}
}

// settled waits until nothing is unresolved.
func settled(t *testing.T, s *storage.Store) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); s.Stats().Unresolved > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a transaction stays unresolved")
		}
	}
}
