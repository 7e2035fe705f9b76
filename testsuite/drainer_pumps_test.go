package testsuite

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// TestDrainerAndItsPumps holds the drainer's program to what it owes the pumps, with real
// pumps and a real PD. A subtest finds no node in PD.
func TestDrainerAndItsPumps(t *testing.T) {
	all := newPumps(t, pdtest.StartReal(t, 1))
	for _, c := range []struct {
		name string
		test func(*pumps)
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
		t.Run(c.name, func(t *testing.T) { c.test(all.in(t)) })
	}
}

// pumpRecord puts a pump's record into PD.
func (c *pumps) pumpRecord(id, host string, state nodes.State) {
	c.t.Helper()
	raw, err := nodes.EncodeRecord(nodes.Record{NodeID: id, Host: host, State: state, UpdateTS: 1})
	if err != nil {
		c.t.Fatal(err)
	}
	put(c.t, c.etcd, nodes.Pump.Key(id), string(raw))
}

func drainerUnreachable(c *pumps) {
	tr := c.newTrade("pump1")
	addr := deadAddr(c.t)
	c.pumpRecord("pump2", addr, nodes.Online)
	d := tr.drainer("drainer1").launch()
	d.hasState(nodes.Online)
	tr.sell("pump1")
	d.held("pump2", "online", addr)
	if got := d.files(tr).written(); len(got) != 0 {
		c.t.Errorf("downstream is %v", got)
	}
	tr.open(c.start("pump2"))
	d.consumes(tr, tr.sell("pump2"))
	d.free("pump2")
	d.exact(tr)
}

func drainerHeldUp(c *pumps) {
	tr := c.newTrade("pump1")
	second := tr.open(c.start("pump2"))
	d := tr.drainer("drainer1").launch()
	first := tr.sell("pump2")
	d.consumes(tr, first)

	if out, ok := c.binlogctl("-cmd", "pause-pump", "-node-id", "pump2"); !ok {
		c.t.Fatal(out)
	}
	second.ends(0)
	tr.sell("pump1")
	d.held("pump2", "paused", "")
	if got := d.files(tr).written(); len(got) != 3 || got[2].ts != first {
		c.t.Errorf("downstream is %v", got)
	}
	second.launch()
	d.consumes(tr, tr.sell("pump1"))
	d.free("pump2")

	second.kill()
	last := tr.sell("pump1")
	d.held("pump2", "online", second.addr)
	d.says("set it to offline")
	second.change(nodes.Offline) // the operator gives up what only it has
	d.consumes(tr, last)
	d.exact(tr)
	if _, there := d.status().PumpPos["pump2"]; there {
		c.t.Error("/status still has the pump that is gone")
	}
	if d.metric(`binlog_drainer_pump_position{nodeID="pump2"}`) != "" {
		c.t.Error("a metric still has the pump that is gone")
	}
}

func drainerBehindOffline(c *pumps) {
	tr := c.newTrade("pump1")
	second := tr.open(c.start("pump2"))
	d := tr.drainer("drainer1").launch()
	d.consumes(tr, tr.sell("pump2"))
	d.signal(syscall.SIGSTOP)
	var last nodes.TSO
	for range 300 {
		last = tr.sell("pump2")
	}
	second.change(nodes.Offline)
	eventually(c.t, 15*time.Second, "the pump waits for the drainer", func() (bool, string) {
		return len(second.status().WaitingFor) == 1, second.output()
	})
	d.signal(syscall.SIGCONT)
	second.ends(0)
	second.hasState(nodes.Offline)
	d.consumes(tr, last)
	d.consumes(tr, tr.sell("pump1")) // which does not wait for it
	d.exact(tr)
	if strings.Contains(second.output(), "has not consumed") {
		c.t.Errorf("the pump gave binlogs up:\n%s", second.output())
	}
}

// oldPump is a pump that delivers what a test tells it to, whatever its record says.
type oldPump struct {
	binlogpb.UnimplementedPumpServer
	deliver chan *binlogpb.PullBinlogResp // closed: streams end
}

func (o *oldPump) PullBinlogs(_ *binlogpb.PullBinlogReq, s binlogpb.Pump_PullBinlogsServer) error {
	for {
		select {
		case e, ok := <-o.deliver:
			if !ok {
				return nil
			}
			if err := s.Send(e); err != nil {
				return err
			}
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

// oldPump starts one, and puts its record into PD.
func (c *pumps) oldPump(id string) *oldPump {
	c.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	o := &oldPump{deliver: make(chan *binlogpb.PullBinlogResp)}
	g := grpc.NewServer()
	binlogpb.RegisterPumpServer(g, o)
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	c.t.Cleanup(func() { g.Stop(); <-served })
	c.pumpRecord(id, l.Addr().String(), nodes.Online)
	return o
}

// entry is a delivery of any payload.
func entry(start, commit nodes.TSO, payload []byte) *binlogpb.PullBinlogResp {
	return &binlogpb.PullBinlogResp{Entity: &binlogpb.Entity{Payload: payload, Pos: &binlogpb.Pos{Offset: int64(commit)},
		Meta: &binlogpb.Meta{StartTs: int64(start), CommitTs: int64(commit)}}}
}

// nextRow is the value of a prewrite that inserts the next row, committed at that time.
func (tr *trade) nextRow(commit nodes.TSO) []byte {
	tr.Helper()
	tr.sold++
	version, table := tr.job, int64(firstTable)
	row := encodedInt(encodedInt(nil, tr.sold), 2)
	row = append(binary.AppendVarint(append(row, 2), 1), 'x')
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{SchemaVersion: &version, Mutations: []*binlogpb.TableMutation{
		{TableId: &table, InsertedRows: [][]byte{row}, Sequence: []binlogpb.MutationType{binlogpb.MutationType_Insert}}}})
	if err != nil {
		tr.Fatal(err)
	}
	tr.want = append(tr.want, written{commit, fmt.Sprintf("t100 %d x", tr.sold)})
	return value
}

// row is the delivery of a transaction that inserts the next row.
func (tr *trade) row() *binlogpb.PullBinlogResp {
	tr.Helper()
	start, commit := tr.tso(), tr.tso()
	payload, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{Tp: binlogpb.BinlogType_Prewrite.Enum(), StartTs: proto.Int64(int64(start)),
		CommitTs: proto.Int64(int64(commit)), PrewriteKey: []byte("k"), PrewriteValue: tr.nextRow(commit)})
	if err != nil {
		tr.Fatal(err)
	}
	return entry(start, commit, payload)
}

func drainerOldPump(c *pumps) {
	tr := c.newTrade("pump1")
	old := c.oldPump("old")
	d := tr.drainer("drainer1").launch()
	last := tr.sell("pump1")
	old.deliver <- tr.row()
	d.consumes(tr, last)
	c.pumpRecord("old", c.record("old").Host, nodes.Offline)
	eventually(c.t, 10*time.Second, "the drainer knows that it is offline", func() (bool, string) {
		for _, p := range d.status().Pumps {
			if p.Pump == "old" && p.State == "offline" {
				return true, ""
			}
		}
		return false, d.output()
	})
	for range 3 {
		old.deliver <- tr.row()
	}
	held := tr.sell("pump1")
	d.consumes(tr, tr.want[len(tr.want)-3].ts)
	if at := d.files(tr).position(); at >= held {
		c.t.Errorf("the checkpoint %s has passed a pump that still delivers", at)
	}
	close(old.deliver)
	d.consumes(tr, held)
	d.exact(tr)
	eventually(c.t, 10*time.Second, "it is dropped", func() (bool, string) {
		_, there := d.status().PumpPos["old"]
		return !there, d.output()
	})
}

// drainerEndsInTraffic ends a drainer in every way while pumps take transactions: an orderly
// end leaves nothing in flight, and after any end it goes on without a gap, twice nothing.
func drainerEndsInTraffic(c *pumps) {
	tr := c.newTrade("pump1")
	tr.open(c.start("pump2"))
	d := tr.drainer("drainer1").launch()
	stop := tr.sellOn("pump1", "pump2")
	signal := func(s os.Signal) func() { return func() { d.signal(s) } }
	change := func(s nodes.State) func() { return func() { d.change(s) } }
	ctl := func(cmd string) func() {
		return func() {
			if out, ok := c.binlogctl("-cmd", cmd, "-node-id", "drainer1"); !ok {
				c.t.Error(out)
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
		d.consumes(tr, tr.tso()) // it is at work
		states := d.states()
		way.do()
		if way.states == nil {
			<-d.done
			d.hasState(nodes.Online)
		} else {
			d.ends(0)
			states(way.states...)
			got := d.files(tr).written()
			if last, at := got[len(got)-1].ts, d.files(tr).position(); last > at {
				c.t.Errorf("%s: it wrote up to %s and its checkpoint is %s", way.name, last, at)
			}
			if at, r := d.files(tr).position(), d.record(); r.MaxCommitTS != at {
				c.t.Errorf("%s: the record says %s and the checkpoint %s", way.name, r.MaxCommitTS, at)
			}
		}
		d.launch()
	}
	d.consumes(tr, stop())
	d.signal(syscall.SIGTERM)
	d.ends(0)
	d.exact(tr)
}

func drainerOlderCheckpoint(c *pumps) {
	tr := c.newTrade("pump1")
	d := tr.drainer("drainer1").launch()
	var middle nodes.TSO
	for i := range 20 {
		if ts := tr.sell("pump1"); i == 5 {
			middle = ts
		}
	}
	d.consumes(tr, tr.want[len(tr.want)-1].ts)
	d.signal(syscall.SIGTERM)
	d.ends(0)
	if err := os.WriteFile(filepath.Join(d.dir, "savepoint"), fmt.Appendf(nil, "commitTS = %d\n", middle), 0o600); err != nil {
		c.t.Fatal(err)
	}
	d.fails("it began before what its record says", middle.String(), "-accept-loss")
	d.args = append(d.args, "-accept-loss")
	d.launch()
	d.consumes(tr, tr.sell("pump1"))
	d.exact(tr) // what was there already has made no difference
}

// drainerNotified: when Notify has answered, every pump that PD knew takes part, so nothing
// passes it by.
func drainerNotified(c *pumps) {
	tr := c.newTrade("pump1")
	d := tr.drainer("drainer1").launch()
	conn, err := grpc.NewClient(d.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	for i := range 20 {
		id := fmt.Sprintf("new%d", i)
		c.pumpRecord(id, deadAddr(c.t), nodes.Paused)
		if _, err := binlogpb.NewCisternClient(conn).Notify(c.t.Context(), &binlogpb.NotifyReq{}); err != nil {
			c.t.Fatal(err)
		}
		before := tr.sell("pump1")
		if _, there := d.status().PumpPos[id]; !there {
			c.t.Errorf("Notify has answered, and %s does not take part", id)
		}
		if at := d.files(tr).position(); at >= before {
			c.t.Errorf("%s was passed by", id)
		}
		c.pumpRecord(id, deadAddr(c.t), nodes.Offline)
	}
	d.consumes(tr, tr.want[len(tr.want)-1].ts)
	d.exact(tr)
	// With a real pump: what TiDB writes as soon as it is online comes in order.
	for i := range 3 {
		id := fmt.Sprintf("real%d", i)
		stop := tr.sellOn("pump1")
		tr.open(c.start(id))
		stop()
		tr.sell(id)
	}
	d.consumes(tr, tr.want[len(tr.want)-1].ts)
	d.exact(tr)
}

func drainerHeir(c *pumps) {
	tr := c.newTrade("pump1")
	d := tr.drainer("drainer1").launch()
	other := tr.drainer("drainer1")
	other.spawn()
	other.ends(1)
	other.says("drainer drainer1 is run by another process", d.addr)
	same := tr.drainer("drainer1")
	same.args = d.args // its data directory too
	same.addr = "127.0.0.1:0"
	same.spawn()
	same.ends(1)
	same.says("locked by another process", "-data-dir")
	d.hasState(nodes.Online)
	d.consumes(tr, tr.sell("pump1")) // and has not noticed

	// One that comes when the record is old takes over; the first, alive after all, gives way.
	d.signal(syscall.SIGSTOP)
	eventually(c.t, 20*time.Second, "the record gets old", func() (bool, string) {
		age := c.tso().Time().Sub(d.record().UpdateTS.Time())
		return age > 6500*time.Millisecond, age.String()
	})
	heir := tr.drainer("drainer1").launch()
	d.signal(syscall.SIGCONT)
	d.ends(1)
	d.says("run by another process", heir.addr)
	heir.hasState(nodes.Online)
	if got := heir.record().Host; got != heir.addr {
		c.t.Errorf("the record names %s, want the heir at %s", got, heir.addr)
	}
	heir.consumes(tr, tr.sell("pump1"))
	heir.exact(tr)
}

// drainerNonsense: a pump's record that cannot be read holds everything, for nobody knows what
// it has; other nonsense is of no account.
func drainerNonsense(c *pumps) {
	put(c.t, c.etcd, nodes.Drainer.Key("mad"), "\x00 no JSON")
	put(c.t, c.etcd, nodes.Drainer.Key("drainer1"), `[]`)
	tr := c.newTrade("pump1")
	d := tr.drainer("drainer1").launch()
	d.consumes(tr, tr.sell("pump1"))
	put(c.t, c.etcd, nodes.Drainer.Key("drainer1"), "\xff")
	d.reaches(nodes.Online)
	if _, err := c.etcd.Delete(c.t.Context(), nodes.Drainer.Key("drainer1")); err != nil {
		c.t.Fatal(err)
	}
	d.reaches(nodes.Online)
	put(c.t, c.etcd, nodes.Pump.Key("pump2"), `{"nodeId":"pump2","state":"asleep"}`)
	eventually(c.t, 10*time.Second, "it takes part", func() (bool, string) {
		_, there := d.status().PumpPos["pump2"]
		return there, d.output()
	})
	held := tr.sell("pump1")
	d.held("pump2", "", "record")
	if at := d.files(tr).position(); at >= held {
		c.t.Errorf("the checkpoint %s has passed a pump whose record cannot be read", at)
	}
	if _, err := c.etcd.Delete(c.t.Context(), nodes.Pump.Key("pump2")); err != nil {
		c.t.Fatal(err)
	}
	d.consumes(tr, held)
	d.exact(tr)
	for path, want := range map[string]int{"/state/other/pause": http.StatusNotFound, "/state/drainer1/dance": http.StatusNotFound} {
		if code, body := d.ask(http.MethodPut, path); code < 400 || code >= 500 {
			c.t.Errorf("%s: %d %s, want about %d", path, code, body, want)
		}
	}
	if code, _ := d.ask(http.MethodGet, "/state/drainer1/pause"); code != http.StatusMethodNotAllowed {
		c.t.Errorf("GET of an action: %d", code)
	}
}

// TestDrainerWithoutPD takes PD away from a drainer.
func TestDrainerWithoutPD(t *testing.T) {
	cluster := pdtest.StartReal(t, 1)
	c := newPumps(t, cluster)
	tr := c.newTrade("pump1")
	d := tr.drainer("drainer1").launch()
	first := tr.sell("pump1")
	d.consumes(tr, first)

	cluster.Stop(0)
	eventually(t, 20*time.Second, "/status says that PD is away", func() (bool, string) {
		return strings.Contains(d.status().ErrMsg, "PD"), d.output()
	})
	late := tr.drainer("drainer2")
	late.spawn()
	// TiDB has time stamps of its own, a little ahead of the last ones PD gave.
	start := first + 2000<<18
	tr.write("pump1", start, start+5)
	d.consumes(tr, start+5)
	late.endsWithin(60*time.Second, 1)
	late.says("PD at " + c.endpoints[0])

	cluster.Start(0)
	eventually(t, 30*time.Second, "the record catches up", func() (bool, string) {
		r := d.record()
		return r.State == nodes.Online && r.MaxCommitTS >= start+5, fmt.Sprintf("%+v", r)
	})
	eventually(t, 10*time.Second, "/status has nothing to complain of", func() (bool, string) {
		return d.status().ErrMsg == "", d.status().ErrMsg
	})
	d.consumes(tr, tr.sell("pump1"))

	// Without PD it cannot say that it pauses, but it must end, and say what to do.
	cluster.Stop(0)
	d.signal(syscall.SIGTERM)
	d.endsWithin(30*time.Second, 1)
	d.says("update-drainer -node-id drainer1 -state paused")
	cluster.Start(0)
	d.hasState(nodes.Online) // as after kill -9, and repaired like that
	d.launch()
	d.consumes(tr, tr.sell("pump1"))
	d.exact(tr)
}

// write writes the next row with time stamps of the test's.
func (tr *trade) write(pump string, start, commit nodes.TSO) {
	tr.Helper()
	b := &binlogpb.Binlog{Tp: binlogpb.BinlogType_Prewrite.Enum(), StartTs: proto.Int64(int64(start)), PrewriteKey: []byte("k"), PrewriteValue: tr.nextRow(commit)}
	if err := tr.send(pump, b); err != nil {
		tr.Fatal(err)
	}
	if err := tr.send(pump, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: b.StartTs, CommitTs: proto.Int64(int64(commit))}); err != nil {
		tr.Fatal(err)
	}
}

// endsWithin is ends for what may take longer.
func (n *drainerNode) endsWithin(limit time.Duration, code int) {
	n.c.t.Helper()
	ctx, cancel := context.WithTimeout(n.c.t.Context(), limit)
	defer cancel()
	select {
	case <-n.done:
	case <-ctx.Done():
	}
	n.ends(code)
}
