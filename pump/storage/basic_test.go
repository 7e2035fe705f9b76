package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

func payload(tb testing.TB, startTS nodes.TSO, size int) []byte {
	tb.Helper()
	start := int64(startTS)
	b, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{
		StartTs: &start, PrewriteKey: fmt.Appendf(nil, "key-%d", startTS), PrewriteValue: bytes.Repeat([]byte{'v'}, size),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func mustOpen(tb testing.TB, opts Options) *Store {
	tb.Helper()
	s, err := Open(opts)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func appendAll(tb testing.TB, s *Store, recs ...Record) {
	tb.Helper()
	for _, r := range recs {
		if err := s.Append(context.Background(), r); err != nil {
			tb.Fatalf("append %s with start TS %s: %v", r.Type, r.StartTS, err)
		}
	}
}

func TestAppendPullReopen(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		s := mustOpen(t, Options{Dir: dir, SyncLog: true, SegmentBytes: 4096})
		base := nodes.TSO(round*1000 + 1)
		for i := range nodes.TSO(100) {
			ts := base + i*2
			appendAll(t, s, Record{Type: Prewrite, StartTS: ts, Payload: payload(t, ts, 100)},
				Record{Type: Commit, StartTS: ts, CommitTS: ts + 1})
		}
		p, err := s.Pull(0)
		if err != nil {
			t.Fatal(err)
		}
		for r := range round + 1 {
			for i := range nodes.TSO(100) {
				ts := nodes.TSO(r*1000+1) + i*2
				e, err := p.Next(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if e.CommitTS != ts+1 || e.StartTS != ts || !bytes.Equal(e.Payload, payload(t, ts, 100)) {
					t.Fatalf("got %s %s, want %s", e.CommitTS, e.StartTS, ts+1)
				}
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestIndexAndLogAgree: where the log has another record than the index says, that is damage, and never another transaction's rows.
func TestIndexAndLogAgree(t *testing.T) {
	s := mustOpen(t, Options{Dir: t.TempDir(), SyncLog: true})
	defer s.Close()
	appendAll(t, s, Record{Type: Prewrite, StartTS: 1, Payload: payload(t, 1, 100)}, Record{Type: Commit, StartTS: 1, CommitTS: 2})
	s.Sort()
	right := s.index.tail[0]
	otherStart, otherSize, otherType := right, right, right
	otherStart.startTS = 3
	otherSize.size -= align
	otherType.at.off += uint32(footprint(int(right.size)) / align) // of the commit
	otherType.size = 0
	r := newLogReader(s.opts.FS, s.opts.Dir)
	defer r.close()
	if b, err := r.record(right, s.segments[0].end); err != nil || !bytes.Equal(b, payload(t, 1, 100)) {
		t.Fatalf("%q, %v", b, err)
	}
	for what, e := range map[string]entry{"another start TS": otherStart, "another size": otherSize, "a commit": otherType} {
		var damage *DamageError
		if _, err := r.record(e, s.segments[0].end); !errors.As(err, &damage) || damage.Offset != e.at.offset() {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestIndexFilesAreDroppedWhole: a file of the index goes when no transaction in it can be after what is purged, and not before.
func TestIndexFilesAreDroppedWhole(t *testing.T) {
	for purged, want := range map[nodes.TSO]uint64{48: 0, 49: 1, 98: 1, 99: 2, 1000: 2} { // the last file is written to
		x := &index{firsts: []nodes.TSO{1, 50, 100}}
		if gone := x.dropBefore(purged); uint64(len(gone)) != want || x.first != want*indexFileEntries {
			t.Errorf("purged up to %s: files %v are dropped, the first entry is %d; want %d files", purged, gone, x.first, want)
		}
	}
}

// TestPayloadsAreBounded: what no drainer could be sent is not stored.
func TestPayloadsAreBounded(t *testing.T) {
	r := Record{Type: Prewrite, StartTS: 1, Payload: make([]byte, MaxPayload+1)} // nobody touches it, so it takes no memory
	if err := r.check(); !errors.Is(err, ErrInvalid) {
		t.Errorf("%d bytes: %v", len(r.Payload), err)
	}
	r.Payload = r.Payload[:MaxPayload]
	if err := r.check(); err != nil {
		t.Errorf("%d bytes: %v", len(r.Payload), err)
	}
}

// TestProgress: opening and repairing a log say how many segments of it have been begun with.
func TestProgress(t *testing.T) {
	opts := Options{Dir: t.TempDir(), SegmentBytes: 4096}
	s := mustOpen(t, opts)
	for ts := nodes.TSO(1); ts < 200; ts += 2 {
		appendAll(t, s, Record{Type: Prewrite, StartTS: ts, Payload: payload(t, ts, 100)}, Record{Type: Commit, StartTS: ts, CommitTS: ts + 1})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var said, want []string
	opts.Progress = func(segment, of int) { said = append(said, fmt.Sprintf("%d of %d", segment, of)) }
	report, err := Repair(opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range report.Segments {
		want = append(want, fmt.Sprintf("%d of %d", i+1, report.Segments))
	}
	if len(want) < 3 || !slices.Equal(said, want) {
		t.Errorf("the repair says %q, want %q", said, want)
	}
	said = nil
	if err := mustOpen(t, opts).Close(); err != nil { // which reads the whole log again
		t.Fatal(err)
	}
	if !slices.Equal(said, want) {
		t.Errorf("the recovery says %q, want %q", said, want)
	}
}
