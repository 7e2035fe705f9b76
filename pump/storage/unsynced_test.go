package storage_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/form"
)

// TestUnsyncedCrashAtEveryWrite cuts the power at each change of the file system in turn, with sync-log =
// false. The store must open: nothing on disk may build on what is not. What it had synced is there, and
// whatever is there is delivered once and in order.
func TestUnsyncedCrashAtEveryWrite(t *testing.T) {
	for _, seed := range []uint64{0, 1, form.Seed(t)} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			at, kept := 0, 0
			for {
				n, off := unsyncedCrash(t, seed, at)
				if !off {
					break
				}
				kept += n
				at++
			}
			if kept == 0 {
				t.Error("nothing was ever synced")
			}
			t.Logf("%d changes, %d transactions kept", at, kept)
		})
	}
}

// unsyncedCrash returns how many transactions the store had to keep, and whether the power was cut before
// the work was done.
func unsyncedCrash(t *testing.T, seed uint64, at int) (kept int, off bool) {
	rnd := rand.New(rand.NewPCG(seed, uint64(at)))
	u, disk := newUpstream(), faultfs.New()
	opts := small(disk, u)
	opts.SyncLog = false
	ops, segments := 0, map[string]bool{}
	var synced map[*txn]bool // their prewrites were acknowledged before the log's last sync
	disk.Inject(func(op faultfs.Op) faultfs.Fault {
		if ops++; ops > at {
			off = true
			return faultfs.Fault{Err: errPower, Short: rnd.IntN(5000)}
		}
		switch name := strings.TrimSuffix(op.Name, ".tmp"); { // a file has the name that it was opened with
		case op.Kind == "rename":
			segments[op.Name] = true
		case op.Kind == "sync" && strings.HasPrefix(name, "log-") && segments[name]:
			synced = u.stored()
		}
		return faultfs.Fault{}
	})
	purged := nodes.TSO(0)
	if s, err := storage.Open(opts); err == nil {
		purged = work(u, s, rand.New(rand.NewPCG(seed, 0)))
		_ = s.Close() // fails when the power is off
	}
	disk.Inject(nil)
	if off {
		u.keepOnly(synced)
	}
	u.rollbackRest()
	opts.FS = disk.Crash(rnd)
	if !off { // closed in good order
		opts.FS = disk.Crash(nil)
	}
	for range 2 {
		s, err := storage.Open(opts)
		if err != nil {
			t.Fatalf("seed %d, power cut at change %d: %v", seed, at, err)
		}
		if p := s.Stats().PurgedTS; p > purged {
			t.Fatalf("purged up to %s, GC was allowed to go to %s", p, purged)
		}
		kept = len(u.committed(0))
		u.check(t, 0, purged, pullAll(t, u, s, purged))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return kept, off
}

// stored is the transactions whose prewrite a pump has acknowledged.
func (u *upstream) stored() map[*txn]bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	set := make(map[*txn]bool)
	for _, t := range u.txns {
		if len(t.acked) > 0 {
			set[t] = true
		}
	}
	return set
}

// keepOnly takes back what was acknowledged of all transactions but those given.
func (u *upstream) keepOnly(these map[*txn]bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, t := range u.txns {
		if !these[t] {
			t.acked = nil
		}
	}
}
