package mysqlsink

import (
	"errors"
	"testing"

	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// TestTrace: whoever only looks sees that a sink was opened or has written since, makes nothing, and is not
// told of a checkpoint where there is none.
func TestTrace(t *testing.T) {
	l := sinkLab(t, mariadbtest.Start(t))
	look := func(upTo nodes.TSO) mysql.Trace {
		t.Helper()
		got, err := l.opts.Place.Trace(t.Context(), l.db, upTo)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := look(20); got != (mysql.Trace{}) {
		t.Errorf("where there never was a sink: %+v", got)
	}
	store, err := mysql.ReadStore(t.Context(), l.opts.Server, l.opts.Place)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Load(t.Context()); !errors.Is(err, checkpoint.ErrNone) {
		t.Errorf("where there never was a drainer: %v", err)
	}
	if n := column[int](t, l, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'tidb_binlog'"); n[0] != 0 {
		t.Error("a reader has made the drainer's database")
	}

	s := l.open(t, 0)
	mustApply(t, s, sinktest.Insert(20))
	first := look(20)
	if first.Ahead != 0 {
		t.Errorf("up to what is applied: %+v", first)
	}
	mustApply(t, s, sinktest.Insert(30))
	if got := look(20); got.Ahead != 1 || got.Epoch != first.Epoch {
		t.Errorf("after another transaction: %+v, before %+v", got, first)
	}
	if err := s.Saved(t.Context(), 30); err != nil {
		t.Fatal(err)
	}
	if got := look(20); got != first {
		t.Errorf("when the checkpoint has moved there too: %+v, before %+v", got, first)
	}
	s.Close()
	l.open(t, 30)
	if got := look(20); got.Epoch <= first.Epoch {
		t.Errorf("after another opening: %+v, before %+v", got, first)
	}
	for table, own := range map[string]bool{"checkpoint": true, "checkpoint_applied": true, "checkpoint_state": true, "other": false} {
		if l.opts.Place.Own("tidb_binlog", table) != own || l.opts.Place.Own("sinktest", table) {
			t.Errorf("%s: own is not %v", table, own)
		}
	}
}
