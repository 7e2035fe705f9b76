package storage_test

import (
	"math/rand/v2"
	"testing"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/form"
)

// TestOldestUnresolved: the smallest start TS is known after every prewrite, commit and
// rollback, in whatever order transactions prewrite, and after a restart.
func TestOldestUnresolved(t *testing.T) {
	dir := t.TempDir()
	s := open(t, storage.Options{Dir: dir, SegmentBytes: 8192})
	r := rand.New(rand.NewPCG(form.Seed(t), 7))
	live := make(map[nodes.TSO]bool)
	smallest := func() (least nodes.TSO) {
		for ts := range live {
			if least == 0 || ts < least {
				least = ts
			}
		}
		return least
	}
	commit := nodes.TSO(1 << 20)
	for range 2000 {
		start := nodes.TSO(1 + r.IntN(1<<16))
		commit++
		switch known := live[start]; {
		case !known && len(live) < 40:
			put(t, s, pre(start, 10))
			live[start] = true
		case r.IntN(2) == 0:
			for ts := range live { // any
				put(t, s, rol(ts))
				delete(live, ts)
				break
			}
		default: // the smallest goes
			ts := smallest()
			put(t, s, com(ts, commit))
			delete(live, ts)
		}
		if r.IntN(3) == 0 { // not after every step: what came in between counts too
			continue
		}
		if got, want := s.OldestUnresolved(), smallest(); got != want {
			t.Fatalf("smallest of %v is %d, want %d", live, got, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := open(t, storage.Options{Dir: dir}).OldestUnresolved(), smallest(); got != want {
		t.Errorf("after a restart the smallest is %d, want %d", got, want)
	}
}
