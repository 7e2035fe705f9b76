package drainer

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestDrainerAndItsPumps holds the drainer's program to what it owes the pumps, with real
// pumps and a real PD. A subtest finds no node in PD.
func TestDrainerAndItsPumps(t *testing.T) {
	all := rig.NewPumps(t, pdtest.StartReal(t, 1))
	for _, c := range []struct {
		name string
		test func(*rig.Pumps)
	}{
		{"a pump that cannot be reached at the start", drainerUnreachable},
		{"a paused pump, a dead pump", drainerHeldUp},
		{"a pump goes offline while the drainer lags", drainerBehindOffline},
		{"an old pump is offline and still delivers", drainerOldPump},
		{"every way to end, with traffic", drainerEndsInTraffic},
		{"an older checkpoint", drainerOlderCheckpoint},
		{"Notify", drainerNotified},
		{"one process a node ID", drainerHeir},
		{"records of nonsense", drainerNonsense},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(all.In(t)) })
	}
}

func drainerUnreachable(c *rig.Pumps) {
	tr := c.NewTrade("pump1")
	addr := form.Addr(c.T)
	c.PumpRecord("pump2", addr, nodes.Online)
	d := tr.Drainer("drainer1").Launch()
	d.HasState(nodes.Online)
	tr.Sell("pump1")
	d.Held("pump2", "online", addr)
	if got := d.Files(tr).Written(); len(got) != 0 {
		c.T.Errorf("downstream is %v", got)
	}
	tr.Open(c.Start("pump2"))
	d.Consumes(tr, tr.Sell("pump2"))
	d.Free("pump2")
	d.Exact(tr)
}

func drainerHeldUp(c *rig.Pumps) {
	tr := c.NewTrade("pump1")
	second := tr.Open(c.Start("pump2"))
	d := tr.Drainer("drainer1").Launch()
	first := tr.Sell("pump2")
	d.Consumes(tr, first)

	if out, ok := c.Binlogctl("-cmd", "pause-pump", "-node-id", "pump2"); !ok {
		c.T.Fatal(out)
	}
	second.Ends(0)
	tr.Sell("pump1")
	d.Held("pump2", "paused", "")
	if got := d.Files(tr).Written(); len(got) != 3 || got[2].TS != first {
		c.T.Errorf("downstream is %v", got)
	}
	second.Launch()
	d.Consumes(tr, tr.Sell("pump1"))
	d.Free("pump2")

	second.Kill()
	last := tr.Sell("pump1")
	d.Held("pump2", "online", second.Addr)
	d.Says("set it to offline")
	second.Change(nodes.Offline) // the operator gives up what only it has
	d.Consumes(tr, last)
	d.Exact(tr)
	if _, there := d.Status().PumpPos["pump2"]; there {
		c.T.Error("/status still has the pump that is gone")
	}
	if d.Metric(`binlog_drainer_pump_position{nodeID="pump2"}`) != "" {
		c.T.Error("a metric still has the pump that is gone")
	}
}

func drainerBehindOffline(c *rig.Pumps) {
	tr := c.NewTrade("pump1")
	second := tr.Open(c.Start("pump2"))
	d := tr.Drainer("drainer1").Launch()
	d.Consumes(tr, tr.Sell("pump2"))
	d.Signal(syscall.SIGSTOP)
	var last nodes.TSO
	for range 300 {
		last = tr.Sell("pump2")
	}
	second.Change(nodes.Offline)
	rig.Eventually(c.T, 15*time.Second, "the pump waits for the drainer", func() (bool, string) {
		return len(second.Status().WaitingFor) == 1, second.Output()
	})
	d.Signal(syscall.SIGCONT)
	second.Ends(0)
	second.HasState(nodes.Offline)
	d.Consumes(tr, last)
	d.Consumes(tr, tr.Sell("pump1")) // which does not wait for it
	d.Exact(tr)
	if strings.Contains(second.Output(), "has not consumed") {
		c.T.Errorf("the pump gave binlogs up:\n%s", second.Output())
	}
}

func drainerOldPump(c *rig.Pumps) {
	tr := c.NewTrade("pump1")
	old := c.OldPump("old")
	d := tr.Drainer("drainer1").Launch()
	last := tr.Sell("pump1")
	old.Deliver <- tr.Row()
	d.Consumes(tr, last)
	c.PumpRecord("old", c.Record("old").Host, nodes.Offline)
	rig.Eventually(c.T, 10*time.Second, "the drainer knows that it is offline", func() (bool, string) {
		for _, p := range d.Status().Pumps {
			if p.Pump == "old" && p.State == "offline" {
				return true, ""
			}
		}
		return false, d.Output()
	})
	for range 3 {
		old.Deliver <- tr.Row()
	}
	held := tr.Sell("pump1")
	d.Consumes(tr, tr.Want[len(tr.Want)-3].TS)
	if at := d.Files(tr).Position(); at >= held {
		c.T.Errorf("the checkpoint %s has passed a pump that still delivers", at)
	}
	close(old.Deliver)
	d.Consumes(tr, held)
	d.Exact(tr)
	rig.Eventually(c.T, 10*time.Second, "it is dropped", func() (bool, string) {
		_, there := d.Status().PumpPos["old"]
		return !there, d.Output()
	})
}

// drainerEndsInTraffic ends a drainer in every way while pumps take transactions: an orderly
// end leaves nothing in flight, and after any end it goes on without a gap, twice nothing.
func drainerEndsInTraffic(c *rig.Pumps) {
	tr := c.NewTrade("pump1")
	tr.Open(c.Start("pump2"))
	d := tr.Drainer("drainer1").Launch()
	stop := tr.SellOn("pump1", "pump2")
	signal := func(s os.Signal) func() { return func() { d.Signal(s) } }
	change := func(s nodes.State) func() { return func() { d.Change(s) } }
	ctl := func(cmd string) func() {
		return func() {
			if out, ok := c.Binlogctl("-cmd", cmd, "-node-id", "drainer1"); !ok {
				c.T.Error(out)
			}
		}
	}
	for _, way := range []struct {
		name   string
		do     func()
		states []nodes.State
	}{
		{"SIGTERM", signal(syscall.SIGTERM), []nodes.State{nodes.Pausing, nodes.Paused}},
		{"SIGINT", signal(syscall.SIGINT), []nodes.State{nodes.Pausing, nodes.Paused}},
		{"pause-drainer", ctl("pause-drainer"), []nodes.State{nodes.Pausing, nodes.Paused}},
		{"record pausing", change(nodes.Pausing), []nodes.State{nodes.Pausing, nodes.Paused}},
		{"record paused", change(nodes.Paused), []nodes.State{nodes.Paused, nodes.Pausing, nodes.Paused}},
		{"offline-drainer", ctl("offline-drainer"), []nodes.State{nodes.Closing, nodes.Offline}},
		{"record closing", change(nodes.Closing), []nodes.State{nodes.Closing, nodes.Offline}},
		{"record offline", change(nodes.Offline), []nodes.State{nodes.Offline, nodes.Closing, nodes.Offline}},
		{"SIGKILL", signal(syscall.SIGKILL), nil},
	} {
		d.Consumes(tr, tr.TSO()) // it is at work
		states := d.States()
		way.do()
		if way.states == nil {
			<-d.Done
			d.HasState(nodes.Online)
		} else {
			d.Ends(0)
			states(way.states...)
			got := d.Files(tr).Written()
			if last, at := got[len(got)-1].TS, d.Files(tr).Position(); last > at {
				c.T.Errorf("%s: it wrote up to %s and its checkpoint is %s", way.name, last, at)
			}
			if at, r := d.Files(tr).Position(), d.Record(); r.MaxCommitTS != at {
				c.T.Errorf("%s: the record says %s and the checkpoint %s", way.name, r.MaxCommitTS, at)
			}
		}
		d.Launch()
	}
	d.Consumes(tr, stop())
	d.Signal(syscall.SIGTERM)
	d.Ends(0)
	d.Exact(tr)
}

func drainerOlderCheckpoint(c *rig.Pumps) {
	tr := c.NewTrade("pump1")
	d := tr.Drainer("drainer1").Launch()
	var middle nodes.TSO
	for i := range 20 {
		if ts := tr.Sell("pump1"); i == 5 {
			middle = ts
		}
	}
	d.Consumes(tr, tr.Want[len(tr.Want)-1].TS)
	d.Signal(syscall.SIGTERM)
	d.Ends(0)
	if err := os.WriteFile(filepath.Join(d.Dir, "savepoint"), fmt.Appendf(nil, "commitTS = %d\n", middle), 0o600); err != nil {
		c.T.Fatal(err)
	}
	d.Fails("it began before what its record says", middle.String(), "-accept-loss")
	d.Args = append(d.Args, "-accept-loss")
	d.Launch()
	d.Consumes(tr, tr.Sell("pump1"))
	d.Exact(tr) // what was there already has made no difference
}

// drainerNotified: when Notify has answered, every pump that PD knew takes part, so nothing
// passes it by.
func drainerNotified(c *rig.Pumps) {
	tr := c.NewTrade("pump1")
	d := tr.Drainer("drainer1").Launch()
	conn, err := grpc.NewClient(d.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		c.T.Fatal(err)
	}
	c.T.Cleanup(func() { conn.Close() })
	for i := range 20 {
		id := fmt.Sprintf("new%d", i)
		c.PumpRecord(id, form.Addr(c.T), nodes.Paused)
		if _, err := binlogpb.NewCisternClient(conn).Notify(c.T.Context(), &binlogpb.NotifyReq{}); err != nil {
			c.T.Fatal(err)
		}
		before := tr.Sell("pump1")
		if _, there := d.Status().PumpPos[id]; !there {
			c.T.Errorf("Notify has answered, and %s does not take part", id)
		}
		if at := d.Files(tr).Position(); at >= before {
			c.T.Errorf("%s was passed by", id)
		}
		c.PumpRecord(id, form.Addr(c.T), nodes.Offline)
	}
	d.Consumes(tr, tr.Want[len(tr.Want)-1].TS)
	d.Exact(tr)
	// With a real pump: what TiDB writes as soon as it is online comes in order.
	for i := range 3 {
		id := fmt.Sprintf("real%d", i)
		stop := tr.SellOn("pump1")
		tr.Open(c.Start(id))
		stop()
		tr.Sell(id)
	}
	d.Consumes(tr, tr.Want[len(tr.Want)-1].TS)
	d.Exact(tr)
}

func drainerHeir(c *rig.Pumps) {
	tr := c.NewTrade("pump1")
	d := tr.Drainer("drainer1").Launch()
	other := tr.Drainer("drainer1")
	other.Spawn()
	other.Ends(1)
	other.Says("drainer drainer1 is run by another process", d.Addr)
	same := tr.Drainer("drainer1")
	same.Args = d.Args // its data directory too
	same.Addr = "127.0.0.1:0"
	same.Spawn()
	same.Ends(1)
	same.Says("locked by another process", "-data-dir")
	d.HasState(nodes.Online)
	d.Consumes(tr, tr.Sell("pump1")) // and has not noticed

	// One that comes when the record is old takes over; the first, alive after all, gives way.
	d.Signal(syscall.SIGSTOP)
	rig.Eventually(c.T, 20*time.Second, "the record gets old", func() (bool, string) {
		age := c.TSO().Time().Sub(d.Record().UpdateTS.Time())
		return age > 6500*time.Millisecond, age.String()
	})
	heir := tr.Drainer("drainer1", "-accept-loss").Launch() // it has no checkpoint; the record may say by now what the first has consumed
	d.Signal(syscall.SIGCONT)
	d.Ends(1)
	d.Says("run by another process", heir.Addr)
	heir.HasState(nodes.Online)
	if got := heir.Record().Host; got != heir.Addr {
		c.T.Errorf("the record names %s, want the heir at %s", got, heir.Addr)
	}
	heir.Consumes(tr, tr.Sell("pump1"))
	heir.Exact(tr)
}

// drainerNonsense: a pump's record that cannot be read blocks replication, for nobody knows what
// it has; other nonsense is of no account.
func drainerNonsense(c *rig.Pumps) {
	rig.Put(c.T, c.Etcd, nodes.Drainer.Key("mad"), "\x00 no JSON")
	rig.Put(c.T, c.Etcd, nodes.Drainer.Key("drainer1"), `[]`)
	tr := c.NewTrade("pump1")
	d := tr.Drainer("drainer1").Launch()
	d.Consumes(tr, tr.Sell("pump1"))
	rig.Put(c.T, c.Etcd, nodes.Drainer.Key("drainer1"), "\xff")
	d.Reaches(nodes.Online)
	if _, err := c.Etcd.Delete(c.T.Context(), nodes.Drainer.Key("drainer1")); err != nil {
		c.T.Fatal(err)
	}
	d.Reaches(nodes.Online)
	rig.Put(c.T, c.Etcd, nodes.Pump.Key("pump2"), `{"nodeId":"pump2","state":"asleep"}`)
	rig.Eventually(c.T, 10*time.Second, "it takes part", func() (bool, string) {
		_, there := d.Status().PumpPos["pump2"]
		return there, d.Output()
	})
	held := tr.Sell("pump1")
	d.Held("pump2", "", "record")
	if at := d.Files(tr).Position(); at >= held {
		c.T.Errorf("the checkpoint %s has passed a pump whose record cannot be read", at)
	}
	if _, err := c.Etcd.Delete(c.T.Context(), nodes.Pump.Key("pump2")); err != nil {
		c.T.Fatal(err)
	}
	d.Consumes(tr, held)
	d.Exact(tr)
	for path, want := range map[string]int{"/state/other/pause": http.StatusNotFound, "/state/drainer1/dance": http.StatusNotFound} {
		if code, body := d.Ask(http.MethodPut, path); code < 400 || code >= 500 {
			c.T.Errorf("%s: %d %s, want about %d", path, code, body, want)
		}
	}
	if code, _ := d.Ask(http.MethodGet, "/state/drainer1/pause"); code != http.StatusMethodNotAllowed {
		c.T.Errorf("GET of an action: %d", code)
	}
}

// TestDrainerWithoutPD takes PD away from a drainer.
func TestDrainerWithoutPD(t *testing.T) {
	cluster := pdtest.StartReal(t, 1)
	c := rig.NewPumps(t, cluster)
	tr := c.NewTrade("pump1")
	d := tr.Drainer("drainer1").Launch()
	first := tr.Sell("pump1")
	d.Consumes(tr, first)

	cluster.Stop(0)
	rig.Eventually(t, 20*time.Second, "/status says that PD is away", func() (bool, string) {
		return strings.Contains(d.Status().ErrMsg, "PD"), d.Output()
	})
	late := tr.Drainer("drainer2")
	late.Spawn()
	// TiDB has time stamps of its own, a little ahead of the last ones PD gave.
	start := first + 2000<<18
	tr.Write("pump1", start, start+5)
	d.Consumes(tr, start+5)
	late.EndsWithin(60*time.Second, 1)
	late.Says("PD at " + c.Endpoints[0])

	cluster.Start(0)
	rig.Eventually(t, 30*time.Second, "the record catches up", func() (bool, string) {
		r := d.Record()
		return r.State == nodes.Online && r.MaxCommitTS >= start+5, fmt.Sprintf("%+v", r)
	})
	rig.Eventually(t, 10*time.Second, "/status has nothing to complain of", func() (bool, string) {
		return d.Status().ErrMsg == "", d.Status().ErrMsg
	})
	d.Consumes(tr, tr.Sell("pump1"))

	// Without PD it cannot say that it pauses, but it must end, and say what to do.
	cluster.Stop(0)
	d.Signal(syscall.SIGTERM)
	d.EndsWithin(30*time.Second, 1)
	d.Says("update-drainer -node-id drainer1 -state paused")
	cluster.Start(0)
	d.HasState(nodes.Online) // as after kill -9, and repaired like that
	d.Launch()
	d.Consumes(tr, tr.Sell("pump1"))
	d.Exact(tr)
}
