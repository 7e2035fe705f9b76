package storage_test

import (
	"errors"
	"testing"

	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// TestAppendAllTellsApart: each record of a group has its own error, and one that is refused
// does not keep the others out.
func TestAppendAllTellsApart(t *testing.T) {
	disk := faultfs.New()
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true}
	s := open(t, opts)
	put(t, s, pre(1, 10), pre(2, 10))
	s.Close()
	opts.StopWriteAtAvailable = 1 << 62 // no new prewrite from here on
	s = open(t, opts)
	mine := errors.New("not to be stored")
	recs := []storage.Record{pre(5, 10), com(1, 6), com(9, 8), rol(2), pre(7, 10), {}}
	errs := []error{nil, nil, nil, nil, mine, nil}
	s.AppendAll(recs, errs)
	for i, want := range []error{storage.ErrNoSpace, nil, storage.ErrInvalid, nil, mine, storage.ErrInvalid} {
		if !errors.Is(errs[i], want) {
			t.Errorf("record %d: %v, want %v", i, errs[i], want)
		}
	}
	if got := delivered(t, s, 0); !equal(got, 6) {
		t.Errorf("delivered %v", got)
	}
	if got := s.Unresolved(0); len(got) != 0 {
		t.Errorf("unresolved are %v", got)
	}
	s.Close()
	errs = make([]error, 2)
	s.AppendAll([]storage.Record{com(11, 12), rol(13)}, errs)
	for i, err := range errs {
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("record %d after Close: %v", i, err)
		}
	}
}

// TestAppendAllInPart: a group that spans segments, of which only some get onto the disk, is
// stored as far as its errors say, also after a crash.
func TestAppendAllInPart(t *testing.T) {
	disk := faultfs.New()
	disk.SetCapacity(50_000)
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 20_000}
	s := open(t, opts)
	var recs []storage.Record
	for ts := nodes.TSO(1); ts <= 60; ts++ {
		recs = append(recs, pre(ts, 1000))
	}
	errs := make([]error, len(recs))
	s.AppendAll(recs, errs)
	var stored []nodes.TSO
	for i, err := range errs {
		if err == nil {
			stored = append(stored, recs[i].StartTS)
		} else if !errors.Is(err, storage.ErrNoSpace) {
			t.Errorf("start TS %s: %v", recs[i].StartTS, err)
		}
	}
	if len(stored) < 18 || len(stored) > 54 {
		t.Fatalf("%d of %d are stored: want some segments of them", len(stored), len(recs))
	}
	opts.FS = disk.Crash(nil)
	if got := open(t, opts).Unresolved(0); !equal(got, stored...) {
		t.Errorf("after a crash there are %v, acknowledged were %v", got, stored)
	}
}
