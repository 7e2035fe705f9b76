package storage_test

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/form"
)

// TestRealDiskFull fills a real, small file system. It needs the right to mount one.
func TestRealDiskFull(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=8m"); err != nil {
		form.Missing(t, "cannot mount a tmpfs (root may): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, 0); err != nil {
			t.Error(err)
		}
	})
	opts := storage.Options{Dir: mount + "/data", SyncLog: true, SegmentBytes: 1 << 20, WaitInMemory: 1000}
	s, err := storage.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	ctx := context.Background()
	stored := 0
	for ts := nodes.TSO(1); err == nil; ts += 2 {
		if err = s.Append(ctx, pre(ts, 10_000)); err == nil {
			err = s.Append(ctx, com(ts, ts+1))
			stored++
		}
	}
	if !errors.Is(err, storage.ErrNoSpace) || stored < 500 {
		t.Fatalf("after %d transactions: %v", stored, err)
	}
	for range 2 {
		if got := delivered(t, s, 0); len(got) < stored-1 {
			t.Fatalf("%d of %d transactions are delivered", len(got), stored)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = storage.Open(opts); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.GC(nodes.TSO(stored)); err != nil { // half of it
		t.Fatal(err)
	}
	put(t, s, pre(1_000_001, 10_000), com(1_000_001, 1_000_002))
}
