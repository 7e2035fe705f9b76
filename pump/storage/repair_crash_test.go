package storage_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/form"
)

// TestRepairCrashAtEveryWrite cuts the power at every change that a repair makes on disk, of a log
// that was repaired before. Until a repair has ended the store does not open, or it stops pulls where
// something is missing; the next repair knows of everything that is.
func TestRepairCrashAtEveryWrite(t *testing.T) {
	const n = 20
	damaged := aLog(t, n, 1000)
	opts := func(disk *faultfs.FS) storage.Options {
		return storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1000}
	}
	corrupt := func(name string) {
		at := records(damaged, name)[2]
		damaged.Corrupt(name, func(b []byte) []byte { clear(b[at : at+200]); return b })
	}
	open(t, opts(damaged)).Close() // now there is a checkpoint
	corrupt("d/log-0000000002")
	if report, err := storage.Repair(opts(damaged)); err != nil || len(report.Gaps) != 1 {
		t.Fatalf("the first repair: %+v, %v", report, err)
	}
	s := open(t, opts(damaged))
	for _, start := range s.Unresolved(0) {
		put(t, s, com(start, start+1))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	corrupt("d/log-0000000003")
	seed := form.Seed(t)
	for at := 0; ; at++ {
		disk, rnd := damaged.Crash(nil), rand.New(rand.NewPCG(seed, uint64(at)))
		changes, off := 0, false
		disk.Inject(func(faultfs.Op) faultfs.Fault {
			if changes++; changes > at {
				off = true
				return faultfs.Fault{Err: errPower, Short: rnd.IntN(100)}
			}
			return faultfs.Fault{}
		})
		_, err := storage.Repair(opts(disk))
		disk.Inject(nil)
		if off && err == nil {
			t.Fatalf("power cut at change %d: the repair has succeeded", at)
		}
		disk = disk.Crash(rnd)
		if s, err := storage.Open(opts(disk)); err == nil {
			nothingMissing(t, s, at, n)
		} else if !strings.Contains(err.Error(), "-repair") {
			t.Errorf("power cut at change %d: open: %v", at, err)
		}
		if _, err := storage.Repair(opts(disk)); err != nil {
			t.Fatalf("power cut at change %d: the next repair: %v", at, err)
		}
		nothingMissing(t, open(t, opts(disk)), at, n)
		if !off {
			if at < 10 {
				t.Errorf("a repair makes only %d changes", at)
			}
			return
		}
	}
}

// nothingMissing checks that pulls from a store, which it closes, deliver each of the first n
// transactions of aLog, or stop before it.
func nothingMissing(t *testing.T, s *storage.Store, at, n int) {
	t.Helper()
	defer s.Close()
	for _, start := range s.Unresolved(0) {
		put(t, s, com(start, start+1))
	}
	for from := nodes.TSO(0); from < nodes.TSO(2*n); {
		got, err := pulledUntil(s, from)
		for i, ts := range got {
			if ts != from+2*nodes.TSO(i+1) {
				t.Fatalf("power cut at change %d: a pull after %s delivered %v", at, from, got)
			}
		}
		var lost *storage.LostError
		var damage *storage.DamageError
		upTo := nodes.TSO(2 * n)
		switch {
		case errors.As(err, &damage):
			return
		case errors.As(err, &lost):
			upTo = lost.From
		}
		if next := from + 2*nodes.TSO(len(got)+1); next <= upTo {
			t.Fatalf("power cut at change %d: a pull after %s delivered %v, not %s; it ended with: %v", at, from, got, next, err)
		}
		if lost == nil {
			return
		}
		from = lost.To
	}
}
