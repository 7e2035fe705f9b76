package storage_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/form"
)

// failBatch opens a store, stores start TS 1 and 2, and then has an operation fail, of
// the kind given, on one write with all the prewrites from start TS 3 on.
func failBatch(t *testing.T, prewrites int, kind string, fault faultfs.Fault) (disk *faultfs.FS, s *storage.Store) {
	t.Helper()
	disk = faultfs.New()
	s = open(t, storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1 << 16})
	put(t, s, pre(1, 20))
	isHeld, held := false, make(chan struct{})
	disk.Inject(func(op faultfs.Op) faultfs.Fault {
		if isHeld && op.Kind == kind {
			return fault
		}
		if isHeld || op.Kind != "sync" {
			return faultfs.Fault{}
		}
		isHeld = true
		// The first write is held up here until all others wait for the next.
		close(held)
		for s.Waiting() < prewrites {
			runtime.Gosched()
		}
		return faultfs.Fault{}
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Append(context.Background(), pre(2, 20)); err != nil {
			t.Error(err)
		}
	})
	<-held
	for i := range prewrites {
		wg.Go(func() {
			if err := s.Append(context.Background(), pre(nodes.TSO(3+i), 600)); !errors.Is(err, fault.Err) {
				t.Errorf("start TS %d: %v", 3+i, err)
			}
		})
	}
	wg.Wait()
	disk.Inject(nil)
	return disk, s
}

// TestTornBatch: a crash may take any part of a write of many records, and that is not
// taken for damage, whichever of them are whole.
func TestTornBatch(t *testing.T) {
	disk, _ := failBatch(t, 8, "sync", faultfs.Fault{Err: errPower})
	seen := map[int]bool{}
	fresh := form.Seed(t)
	for seed := fresh; seed < fresh+200; seed++ {
		after := unsyncedPartly(disk, rand.New(rand.NewPCG(seed, 0)))
		s := open(t, storage.Options{Dir: "d", FS: after, SyncLog: true, SegmentBytes: 1 << 16})
		got := s.Unresolved(0)
		if len(got) < 2 || got[0] != 1 || got[1] != 2 {
			t.Fatalf("seed %d: of the acknowledged prewrites are left %v", seed, got)
		}
		seen[len(got)] = true
		s.Close()
	}
	if len(seen) < 3 {
		t.Errorf("the crashes left only %v prewrites", seen)
	}
}

// unsyncedPartly loses sectors of the log's last write, which the failed sync has
// forgotten but the cache still shows.
func unsyncedPartly(disk *faultfs.FS, rnd *rand.Rand) *faultfs.FS {
	after := disk.Crash(nil)
	shown := disk.Read(firstSegment)
	after.Corrupt(firstSegment, func(b []byte) []byte {
		for at := 0; at < len(b); at += 512 {
			if rnd.IntN(4) > 0 {
				copy(b[at:at+512], shown[at:at+512])
			}
		}
		return b
	})
	return after
}

// TestFailedBatchIsWrittenAgain: after a failed sync the cache shows records that the disk does not hold. A
// program that starts then believes them all, so it must have put them all on the disk.
func TestFailedBatchIsWrittenAgain(t *testing.T) {
	disk, failed := failBatch(t, 8, "sync", faultfs.Fault{Err: errPower})
	failed.Close()
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1 << 16}
	believed := open(t, opts).Unresolved(0)
	if len(believed) != 10 {
		t.Fatalf("unresolved are %v, want all 10 that the cache shows", believed)
	}
	opts.FS = disk.Crash(nil)
	if got := open(t, opts).Unresolved(0); !slices.Equal(got, believed) {
		t.Errorf("after the power failed unresolved are %v, before %v", got, believed)
	}
}

// TestCutTailStaysCut: a whole record in a torn write, after one that is not, does not
// come back when new records fill the space before it, whether they are synced or not.
func TestCutTailStaysCut(t *testing.T) {
	for _, syncLog := range []bool{true, false} {
		disk, _ := failBatch(t, 2, "sync", faultfs.Fault{Err: errPower})
		shown := disk.Read(firstSegment)
		after := disk.Crash(nil)
		record := (40 + len(prewritePayload(3, 600)) + 7) &^ 7
		begin := logEnd(disk, firstSegment) - 2*record
		begin = (begin + 7) &^ 7
		after.Corrupt(firstSegment, func(b []byte) []byte { // only the second record got to the disk
			copy(b[begin+record:], shown[begin+record:])
			return b
		})
		opts := storage.Options{Dir: "d", FS: after, SyncLog: syncLog, SegmentBytes: 1 << 16}
		s := open(t, opts)
		if got := s.Unresolved(0); !equal(got, 1, 2) {
			t.Fatalf("unresolved are %v", got)
		}
		put(t, s, pre(9, 600)) // as long as the record that was lost
		if err := s.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		opts.FS = after.Crash(nil)
		if got := open(t, opts).Unresolved(0); !equal(got, 1, 2, 9) {
			t.Fatalf("SyncLog %v: after another crash unresolved are %v", syncLog, got)
		}
	}
}

// TestRefusedStaysRefused: what a write had put into the log before it found the disk
// full does not come back when the log goes on.
func TestRefusedStaysRefused(t *testing.T) {
	disk, s := failBatch(t, 2, "write", faultfs.Fault{Err: unix.ENOSPC, Short: 1 << 20})
	put(t, s, pre(9, 600)) // as long as the first of those refused
	opts := storage.Options{Dir: "d", FS: disk.Crash(nil), SyncLog: true, SegmentBytes: 1 << 16}
	if got := open(t, opts).Unresolved(0); !equal(got, 1, 2, 9) {
		t.Fatalf("unresolved are %v", got)
	}
}
