package storage_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"pumphouse/internal/disk/faultfs"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/form"
)

// TestUnsureCheckpoint: when the directory could not be synced after a checkpoint has taken the place of another, a crash may
// bring the other back. What that needs must not have been removed by a start that has seen only the new one.
func TestUnsureCheckpoint(t *testing.T) {
	for _, c := range []struct {
		files string // that the new checkpoint does not need
		write func(*storage.Store) error
		sure  int // how often it syncs the directory before that: for the index, and for a checkpoint before
	}{
		{"wait-", func(s *storage.Store) error { return s.Checkpoint() }, 1},
		{"log-", func(s *storage.Store) error { _, err := s.GC(1_000_000); return err }, 2},
	} {
		t.Run(c.files, func(t *testing.T) {
			disk := faultfs.New()
			opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 4096, WaitInMemory: 4}
			s := open(t, opts)
			afterOrphan(t, s, rand.New(rand.NewPCG(form.Seed(t), 0)), 200)
			s.Sort()
			if err := s.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			put(t, s, com(orphanTS, 1_000_000))
			s.Sort()
			syncs := 0
			disk.Inject(func(op faultfs.Op) faultfs.Fault {
				if op.Kind != "syncdir" {
					return faultfs.Fault{}
				}
				if syncs++; syncs <= c.sure {
					return faultfs.Fault{}
				}
				return faultfs.Fault{Err: errPower}
			})
			if err := c.write(s); !errors.Is(err, errPower) {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			disk.Inject(nil)
			before := filesOf(t, disk, c.files)
			open(t, opts)
			if after := filesOf(t, disk, c.files); after >= before {
				t.Fatalf("%d files %s before and %d after a start: nothing was removed", before, c.files, after)
			}
			for seed := range uint64(100) {
				crashed := opts
				crashed.FS = disk.Crash(rand.New(rand.NewPCG(seed, 0)))
				s, err := storage.Open(crashed)
				if err != nil {
					t.Fatalf("crash %d: %v", seed, err)
				}
				s.Close()
			}
		})
	}
}
