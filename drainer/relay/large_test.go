package relay

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// TestLargeInTheLog: a large transaction is in the log as any other is, and comes out of it.
func TestLargeInTheLog(t *testing.T) {
	large := sinktest.Large(20, 11, 12, 13, 14, 15)
	plain := &sink.Txn{StartTS: large.StartTS, CommitTS: large.CommitTS}
	if err := large.Each(func(c *txn.Change) error { plain.Changes = append(plain.Changes, c); return nil }); err != nil {
		t.Fatal(err)
	}
	files := func(middle *sink.Txn) (dir string, all []byte) {
		d := newDownstream(t)
		s := d.Open(t, 0)
		for _, x := range []*sink.Txn{sinktest.Insert(10), middle, sinktest.Insert(30)} {
			if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{x}, Passed: x.CommitTS}); err != nil {
				t.Fatal(err)
			}
		}
		flush(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		paths, err := binlogfile.Files(d.opts.Dir)
		if err != nil || len(paths) != 1 {
			t.Fatal(paths, err)
		}
		all, err = os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Dir(paths[0]), all
	}
	dir, got := files(large)
	if _, want := files(plain); !bytes.Equal(got, want) {
		t.Errorf("the log is\n%x, want\n%x", got, want)
	}
	again := newDownstream(t)
	inner := again.inner(t, 0)
	if at, err := replay(t.Context(), dir, 0, inner); err != nil || at != nodes.TSO(30) {
		t.Fatal(at, err)
	}
	if err := inner.Close(); err != nil {
		t.Fatal(err)
	}
	if ids := again.IDs(t); len(ids) != 7 || ids[1] != 11 || ids[6] != 30 {
		t.Errorf("out of the log come %v", ids)
	}
}
