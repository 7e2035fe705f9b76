package storage

import (
	"bytes"
	"context"
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
