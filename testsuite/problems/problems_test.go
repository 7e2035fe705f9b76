package problems

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/pump"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestProblems causes problems for real, sees them in every place where a node shows them, and sees them gone after the cure.
func TestProblems(t *testing.T) {
	l := newTroubled(t)
	p1 := l.pumpAt("p1", "", nil)
	l.replicate()
	p2 := l.pumpAt("p2", "", nil)
	id := int64(100)
	insert := func() nodes.TSO { id++; return l.Insert("p1", rig.FirstTable, id, "x") }
	exec := func(q string) { l.maria.Exec(q) }
	for _, c := range []struct {
		at    nodes.Sight // where the node sees it at its next look; "": elsewhere, or when it has lasted for a while
		code  nodes.ProblemCode
		kind  nodes.Kind
		node  string
		want  []string // in the text: thing, place, cure
		cause func()
		cure  func()
	}{
		{"", nodes.ProblemDownstreamDown, nodes.Drainer, "drainer1", []string{"r@127.0.0.1:", "check that the server"},
			func() { l.maria.Kill() }, func() { l.maria.StartAgain() }},
		{"", nodes.ProblemDownstreamReadOnly, nodes.Drainer, "drainer1", []string{"--read-only", "r@127.0.0.1:", "SET GLOBAL read_only = OFF"},
			func() { exec("SET GLOBAL read_only = ON"); insert() }, func() { exec("SET GLOBAL read_only = OFF") }},
		{"", nodes.ProblemDownstreamSlow, nodes.Drainer, "drainer1", []string{"mysql r@127.0.0.1:", "after commit TS", "SHOW PROCESSLIST"},
			func() { l.lock(); insert() }, func() { l.unlock() }},
		{"", nodes.ProblemPumpUnreachable, nodes.Drainer, "drainer1", []string{"pump p2 (paused", "CHANGE PUMP"},
			func() { l.Pumps["p2"].Close() }, func() { l.pumpAgain(p2) }},
		{"", nodes.ProblemUnresolved, nodes.Pump, "p1", []string{"start TS", "binlogctl -cmd unresolved"},
			func() { l.prewrite("p1") }, func() { l.commit("p1") }},
		{"", nodes.ProblemReplicationBlocked, nodes.Drainer, "drainer1", []string{"pump p1", "start TS"},
			func() { l.prewrite("p1") }, func() { l.commit("p1") }},
		{nodes.InPD, nodes.ProblemRecordBroken, nodes.Pump, "p1", []string{nodes.Drainer.Key("mad"), "delete the record"},
			func() { rig.Put(t, l.pdServer.Etcd, nodes.Drainer.Key("mad"), "nonsense") },
			func() {
				if _, err := l.pdServer.Etcd.Delete(context.Background(), nodes.Drainer.Key("mad")); err != nil {
					t.Error(err)
				}
			}},
		{nodes.InPD, nodes.ProblemClockSkew, nodes.Pump, "p1", []string{"ahead of PD's", "chrony"},
			func() { l.skew.Store(int64(time.Minute)) }, func() { l.skew.Store(0) }},
		{"", nodes.ProblemCheckpoint, nodes.Drainer, "drainer1", []string{"tidb_binlog", "checkpoint", "retried every second"},
			func() { exec("RENAME TABLE tidb_binlog.checkpoint TO tidb_binlog.mislaid"); insert() },
			func() { exec("RENAME TABLE tidb_binlog.mislaid TO tidb_binlog.checkpoint") }},
		{nodes.AtItself, nodes.ProblemLost, nodes.Pump, "p1", []string{"1 transaction is lost", "start TS", "restore a dump"},
			func() { l.commitUnknown("p1") }, func() { l.Pumps["p1"].Close(); l.pumpAgain(p1) }},
		{"", nodes.ProblemPDAway, nodes.Pump, "p1", []string{"-pd-urls"},
			func() { l.pdServer.Stop() }, func() { l.pdServer.Start() }},
		{"", nodes.ProblemPDAway, nodes.Drainer, "drainer1", []string{"-pd-urls"},
			func() { l.pdServer.Stop() }, func() { l.pdServer.Start() }},
	} {
		t.Log(c.kind, c.code)
		l.sees(c.kind, c.node, c.code, false)
		c.cause()
		if c.at != "" {
			l.seesAtOnce(c.at, c.kind, c.node, c.code, true, c.want...)
		} else {
			l.sees(c.kind, c.node, c.code, true, c.want...)
		}
		c.cure()
		if c.at != "" {
			l.seesAtOnce(c.at, c.kind, c.node, c.code, false)
		} else {
			l.sees(c.kind, c.node, c.code, false)
		}
	}
	l.consumes(insert()) // nothing that was in the way is left
}

// TestProblemStops: what stops a drainer is its last exit in PD until a start succeeds, and the record says paused.
func TestProblemStops(t *testing.T) {
	l := newTroubled(t)
	l.pumpAt("p1", "", nil)
	l.replicate()
	l.maria.Exec("DROP TABLE test.t100")
	ts := l.Insert("p1", rig.FirstTable, 2, "b")
	if err := l.drainer1.Wait(); err == nil {
		t.Error("the drainer ends without an error")
	}
	e, _, err := l.Registry.Exit(t.Context(), nodes.Drainer, "drainer1")
	if err != nil || e.Kind != nodes.ExitError || e.Code != nodes.ProblemStatementRefused || e.CommitTS != ts || e.Starting {
		t.Errorf("last exit %+v, %v", e, err)
	}
	for _, want := range []string{"test", "t100", "doesn't exist", "ignore-txn-commit-ts = [" + ts.String() + "]"} {
		if !strings.Contains(e.String(), want) {
			t.Errorf("%q lacks %q", e, want)
		}
	}
	if rec, err := l.Registry.Get(t.Context(), nodes.Drainer, "drainer1"); err != nil || rec.Record.State != nodes.Paused {
		t.Errorf("record %+v, %v", rec.Record, err)
	}
	l.maria.Exec("CREATE TABLE test.t100 (id bigint primary key, v varchar(100))")
	l.startDrainer()
	l.consumes(ts)
	if e, found, err := l.Registry.Exit(t.Context(), nodes.Drainer, "drainer1"); err != nil || found {
		t.Errorf("after a start the last exit is %+v, %v", e, err)
	}

	// Somebody has deleted a row downstream that is deleted upstream as well.
	l.maria.Exec("DELETE FROM test.t100")
	l.Remove("p1", rig.FirstTable, 2, "b")
	l.sees(nodes.Drainer, "drainer1", nodes.ProblemDivergence, true, "test", "t100", "drainer -compare")
}

// TestProblemTakeover: a second process with a pump's node ID, or with its data directory, is refused; the pump says so, and the refused one
// leaves no other trace.
func TestProblemTakeover(t *testing.T) {
	l := newTroubled(t)
	o := l.pumpAt("p1", "", nil)
	l.failsToStart(o) // it does not come to know its ID
	l.seesAtOnce(nodes.InPD, nodes.Pump, "p1", nodes.ProblemTakeover, true, "p1", "refused", o.DataDir, "another data directory", "-node-id")
	last := l.Insert("p1", rig.FirstTable, 1, "a")
	rig.Eventually(t, rig.Timeout, "the record says that there is a log", func() (bool, string) {
		e, err := l.Registry.Get(t.Context(), nodes.Pump, "p1")
		return err == nil && e.Record.MaxCommitTS >= last, string(e.Raw)
	})
	o.DataDir = t.TempDir() // which has no log
	l.failsToStart(o)
	l.seesAtOnce(nodes.InPD, nodes.Pump, "p1", nodes.ProblemTakeover, true, "p1", "refused", l.addr(nodes.Pump, "p1"), "-node-id")
	if rec, err := l.Registry.Get(t.Context(), nodes.Pump, "p1"); err != nil || rec.Record.State != nodes.Online || rec.Record.Host != l.addr(nodes.Pump, "p1") {
		t.Errorf("record %+v, %v", rec.Record, err)
	}
}

// TestFailedStartBlocksNobody: a pump that did not get online, because a drainer could not be notified, leaves no record, and drainers do not
// wait for it.
func TestFailedStartBlocksNobody(t *testing.T) {
	l := newTroubled(t)
	l.pumpAt("p1", "", nil)
	l.replicate()
	l.deadDrainer()
	o := l.PumpOptions("p2")
	o.NotifyTimeout = 2 * time.Second
	p2, err := pump.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p2.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "dead") {
		t.Fatalf("p2 starts: %v", err)
	}
	snap, err := l.Registry.List(t.Context())
	if err != nil || len(snap.Pumps) != 1 {
		t.Errorf("the pumps %+v, %v; want p1 alone", snap.Pumps, err)
	}
	e, _, err := l.Registry.Exit(t.Context(), nodes.Pump, "p2")
	if err != nil || e.Code != nodes.ProblemDrainerUnreachable || !e.Starting {
		t.Errorf("last exit %+v, %v", e, err)
	}
	l.consumes(l.Insert("p1", rig.FirstTable, 7, "c"))
}

// TestKilledFirstStartBlocksNobody: a pump is killed in its first start, when drainers know of it already. PD removes its record, and drainers
// go on.
func TestKilledFirstStartBlocksNobody(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	l := newTroubledAt(t, c)
	l.pumpAt("p1", "", nil)
	l.opts = l.Shop.Drainer("drainer1").Opts
	l.startDrainer()
	l.CreateDatabase("p1")
	l.CreateTable("p1", rig.FirstTable)
	l.consumes(l.Insert("p1", rig.FirstTable, 1, "a"))
	c.Starting("p2").Kill()
	ts := l.Insert("p1", rig.FirstTable, 2, "b")
	l.consumes(ts)
	if e, err := c.Registry.Get(t.Context(), nodes.Pump, "p2"); !errors.Is(err, nodes.ErrNotFound) {
		t.Errorf("the record of the pump that was killed: %s, %v", e.Raw, err)
	}
}
