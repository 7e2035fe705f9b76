package mysqlsink

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/nodes"
	"pumphouse/testsuite/delay"
	"pumphouse/testsuite/mariadbtest"
)

// oneRowInserts are transactions of one row, with commit TSs in steps of ten.
func oneRowInserts(from nodes.TSO, count int) (list []*sink.Txn) {
	for i := range count {
		list = append(list, sinktest.Insert(from+10*nodes.TSO(i)))
	}
	return list
}

// TestFarAway: towards a server that is far away a downstream transaction takes more of the transactions that wait, and
// everything gets there.
func TestFarAway(t *testing.T) {
	l := sinkLab(t, mariadbtest.Start(t))
	far, err := delay.Start(l.srv.Addr(), 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	l.opts.Server.Host, l.opts.Server.Port, l.opts.Workers = "127.0.0.1", far.Port(), 2
	l.opts.TxnBatch = 1
	var most atomic.Int64
	l.opts.Metrics.Executed = func(_ time.Duration, txns, _ int) {
		for old := most.Load(); int64(txns) > old && !most.CompareAndSwap(old, int64(txns)); {
			old = most.Load()
		}
	}
	const count = 1500
	mustApply(t, l.open(t, 0), oneRowInserts(10, count)...)
	if n := column[int](t, l, "SELECT COUNT(*) FROM sinktest.t"); n[0] != count {
		t.Errorf("%d rows are downstream, want %d", n[0], count)
	}
	if n := most.Load(); n < 2*16 { // 16 are those of a server that is near
		t.Errorf("the largest downstream transaction has %d of the upstream's, want 32 or more", n)
	}
}

// TestRefusedAmongMany: of a downstream transaction of hundreds the one to blame is found in few, with everything before
// it downstream.
func TestRefusedAmongMany(t *testing.T) {
	l := sinkLab(t, mariadbtest.Start(t))
	l.opts.Workers = 1
	s := l.open(t, 0)
	list := oneRowInserts(10, 300)
	bad := list[250]
	// The first waits for a lock, so all others become one downstream transaction.
	locks, err := l.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locks.Exec("INSERT INTO sinktest.t VALUES (10, 'somebody else', 0)"); err != nil {
		t.Fatal(err)
	}
	l.exec(t, "INSERT INTO sinktest.t VALUES ("+bad.CommitTS.String()+", 'somebody else', 0)")
	if err := s.Apply(t.Context(), sink.Batch{Txns: list, Passed: list[299].CommitTS}); err != nil {
		t.Fatal(err)
	}
	begun := func() int {
		return column[int](t, l, "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'COM_BEGIN'")[0]
	}
	before := begun()
	if err := locks.Rollback(); err != nil {
		t.Fatal(err)
	}
	err = s.Flush(t.Context())
	var refused *mysql.StatementError
	if !errors.As(err, &refused) || refused.CommitTS != bad.CommitTS {
		t.Fatalf("want the transaction with commit TS %s to be refused: %v", bad.CommitTS, err)
	}
	if n := column[int](t, l, "SELECT COUNT(*) FROM sinktest.t"); n[0] != 251 {
		t.Errorf("%d rows are downstream, want the 250 before it and somebody's", n[0])
	}
	if n := begun() - before; n > 60 {
		t.Errorf("it took %d downstream transactions, want about two for each halving", n)
	}
}
