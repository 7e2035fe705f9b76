package mysqlsink

import (
	"fmt"
	"testing"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// TestHandover: an upstream drainer has this downstream, then ours, then the upstream one again, then
// ours. What that one applied after its last checkpoint is applied again without difference.
func TestHandover(t *testing.T) {
	l := sinkLab(t, mariadbtest.Start(t))
	store, err := mysql.OpenStore(t.Context(), l.opts.Server, l.opts.Place)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	// upstream leaves a checkpoint as that drainer does, and rows up to one after it.
	upstream := func(checkpoint nodes.TSO, rows ...nodes.TSO) {
		t.Helper()
		l.exec(t, fmt.Sprintf(`REPLACE INTO tidb_binlog.checkpoint VALUES (%d, '{"consistent":false,"commitTS":%d,"ts-map":{"primary-ts":1,"secondary-ts":2},"schema-version":17}')`,
			l.opts.Place.ClusterID, checkpoint))
		for _, ts := range rows {
			l.exec(t, fmt.Sprintf("INSERT INTO sinktest.t VALUES (%d, 'name %d', %d)", ts, ts, ts/2))
		}
	}
	// ours runs from the checkpoint that is there, applies, and saves another; until is PD's time.
	ours := func(until, save nodes.TSO, list ...*sink.Txn) {
		t.Helper()
		p, err := store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.opts.SafeUntil, l.opts.Foreign = until, !p.Exact
		s := l.open(t, p.CommitTS)
		mustApply(t, s, list...)
		p.CommitTS, p.Exact = save, true
		if err := store.Save(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	upstream(10, 8, 10, 12)
	ours(15, 20, sinktest.Insert(12), sinktest.Insert(20), sinktest.Insert(22))
	upstream(30, 28, 30, 32, 34)
	ours(40, 35, sinktest.Insert(32), sinktest.Insert(34), sinktest.Insert(36))
	ours(50, 38, sinktest.Insert(36), sinktest.Insert(38)) // our own: not in safe mode, but the record knows 36
	if got := fmt.Sprint(l.IDs(t)); got != "[8 10 12 20 22 28 30 32 34 36 38]" {
		t.Errorf("downstream: %s", got)
	}
	if got := column[int](t, l, "SELECT value FROM tidb_binlog.checkpoint_state WHERE name='safe-until'"); got[0] != 40 {
		t.Errorf("safe mode until %d, want 40: our own checkpoint asks for none", got[0])
	}
}
