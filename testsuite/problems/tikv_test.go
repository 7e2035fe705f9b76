package problems

import (
	"io"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	drainertikv "pumphouse/drainer/tikv"
	"pumphouse/internal/certfile"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/pump"
	"pumphouse/pump/tikv"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
	"pumphouse/testsuite/tidbtest"
)

// TestProblemsOfTiKV: the storage of a TiDB dies when a pump has a transaction without an outcome and the drainer comes to a
// statement. The drainer does not come to it before, because another pump is paused.
func TestProblemsOfTiKV(t *testing.T) {
	pd := pdtest.StartReal(t, 1)
	store := tidbtest.StartUnistore(t, pd.Endpoint(0))
	l := newTroubledAt(t, rig.NewPumps(t, pd))
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	t.Cleanup(tikv.RedirectLogs(silent))
	resolver, err := tikv.New(tikv.Options{Endpoints: pd.Endpoints(), OrphanTimeout: time.Minute, Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resolver.Close() })
	withTiKV := func(o *pump.Options) { o.Resolver = resolver }
	l.pumpAt("p1", "", withTiKV)
	tidb := tidbtest.StartTiDB(t, tidbtest.Options{PD: pd.Endpoint(0), Store: tidbtest.TiKV, Binlog: true})
	db := tidb.Open(t, "")
	source, err := drainertikv.New(pd.Endpoints(), certfile.Security{}, silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	p2 := l.pumpAt("p2", "", withTiKV)
	l.opts = drainer.Options{Options: life.Options{NodeID: "drainer1", Addr: "127.0.0.1:0", DataDir: t.TempDir(), Registry: l.Registry, PD: l.PD},
		Schema: source, Downstream: downstream.File{}, InitialCommitTS: l.TSO()}
	l.startDrainer()
	l.consumes(l.TSO())
	l.sees(nodes.Drainer, "drainer1", nodes.ProblemHistoryUnreadable, false)
	l.sees(nodes.Pump, "p1", nodes.ProblemTiKVAway, false)

	if err := l.Pumps["p2"].Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("create table test.t (id bigint primary key)"); err != nil {
		t.Fatal(err)
	}
	ts := l.TSO()
	store.Kill()
	l.prewrite("p1")
	l.sees(nodes.Pump, "p1", nodes.ProblemTiKVAway, true, "start TS "+l.open.String(), "check that TiKV runs")
	l.pumpAgain(p2)
	l.sees(nodes.Drainer, "drainer1", nodes.ProblemHistoryUnreadable, true, "DDL", "check that TiKV runs")
	store.Start(t)
	l.sees(nodes.Drainer, "drainer1", nodes.ProblemHistoryUnreadable, false)
	l.sees(nodes.Pump, "p1", nodes.ProblemTiKVAway, false)
	l.consumes(ts)
}
