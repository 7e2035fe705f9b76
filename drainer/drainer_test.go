package drainer_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/drainer"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// The rows of the table of live orders, and signals: what is ordered, and what the drainer
// ends as.
func TestOrders(t *testing.T) {
	for _, c := range []struct {
		name  string
		order func(r *rig, d *drainer.Drainer)
		final nodes.State
	}{
		{"signal", func(_ *rig, d *drainer.Drainer) { d.Pause() }, nodes.Paused},
		{"record paused", func(r *rig, d *drainer.Drainer) { r.set(d.NodeID(), nodes.Paused) }, nodes.Paused},
		{"record pausing", func(r *rig, d *drainer.Drainer) { r.set(d.NodeID(), nodes.Pausing) }, nodes.Paused},
		{"record closing", func(r *rig, d *drainer.Drainer) { r.set(d.NodeID(), nodes.Closing) }, nodes.Offline},
		{"record offline", func(r *rig, d *drainer.Drainer) { r.set(d.NodeID(), nodes.Offline) }, nodes.Offline},
		{"HTTP pause", func(r *rig, d *drainer.Drainer) { r.put(d, d.NodeID(), "pause", http.StatusOK) }, nodes.Paused},
		{"HTTP close", func(r *rig, d *drainer.Drainer) { r.put(d, d.NodeID(), "close", http.StatusOK) }, nodes.Offline},
		{"offline", func(r *rig, d *drainer.Drainer) {
			if err := d.Offline(context.Background()); err != nil {
				r.Fatal(err)
			}
		}, nodes.Offline},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			d := r.open(r.options("drainer1"))
			if got := r.record("drainer1"); got.State != nodes.Online || got.Host != d.Addr().String() || got.MaxCommitTS == 0 {
				t.Fatalf("the record of a drainer that has started: %+v", got)
			}
			c.order(r, d)
			if err := r.ends(d); err != nil {
				t.Errorf("ended with %v", err)
			}
			if got := r.record("drainer1"); got.State != c.final {
				t.Errorf("the record says %s, want %s", got.State, c.final)
			}
		})
	}
}

// put asks for an action over HTTP.
func (r *rig) put(d *drainer.Drainer, id, action string, want int) nodes.Reply {
	r.Helper()
	var reply nodes.Reply
	code := r.call(http.MethodPut, fmt.Sprintf("http://%s/state/%s/%s", d.Addr(), id, action), &reply)
	if code != want || reply.Code != want {
		r.Fatalf("%s %s: HTTP %d, %+v", action, id, code, reply)
	}
	return reply
}

// A drainer that waits for its downstream shows what it is doing, takes other orders where
// the table has them, and stops waiting when it is told twice.
func TestStopping(t *testing.T) {
	for _, c := range []struct {
		name         string
		first, while func(r *rig, d *drainer.Drainer)
		shown, final nodes.State
	}{
		{"second signal", (*rig).signal, (*rig).signal, nodes.Pausing, nodes.Paused},
		{"a pausing drainer is not told otherwise", (*rig).signal, func(r *rig, d *drainer.Drainer) {
			r.set(d.NodeID(), nodes.Online)
			r.reaches(d.NodeID(), nodes.Pausing)
			d.Pause()
		}, nodes.Pausing, nodes.Paused},
		{"closing, then offline", (*rig).closeIt, func(r *rig, d *drainer.Drainer) { r.set(d.NodeID(), nodes.Offline) }, nodes.Closing, nodes.Offline},
		{"closing, then a signal", (*rig).closeIt, (*rig).signal, nodes.Closing, nodes.Paused},
		{"closing, then paused, then a signal", (*rig).closeIt, func(r *rig, d *drainer.Drainer) {
			r.set(d.NodeID(), nodes.Paused)
			r.reaches(d.NodeID(), nodes.Pausing)
			d.Pause()
		}, nodes.Closing, nodes.Paused},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			down := &stuck{flushing: make(chan struct{}, 4)}
			o := r.options("drainer1")
			o.Downstream, o.StopGrace = down, time.Hour // longer than the test: what hurries it is what ends it
			d := r.open(o)
			c.first(r, d)
			<-down.flushing
			r.reaches("drainer1", c.shown)
			if reply := r.put(d, "drainer1", "pause", http.StatusConflict); !strings.Contains(reply.Message, "this drainer's state is "+string(c.shown)+", apply pause failed!") {
				t.Errorf("refused with %q", reply.Message)
			}
			c.while(r, d)
			if err := r.ends(d); err != nil {
				t.Errorf("ended with %v", err)
			}
			if got := r.record("drainer1"); got.State != c.final {
				t.Errorf("the record says %s, want %s", got.State, c.final)
			}
		})
	}
}

func (r *rig) signal(d *drainer.Drainer)  { d.Pause() }
func (r *rig) closeIt(d *drainer.Drainer) { r.set(d.NodeID(), nodes.Closing) }

// Two processes do not share a data directory.
func TestDataDirIsLocked(t *testing.T) {
	r := newRig(t)
	o := r.options("drainer1")
	r.open(o)
	o.Metrics = nil
	second, err := drainer.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Open(context.Background()); err == nil || !strings.Contains(err.Error(), "lock the data directory") {
		t.Errorf("a second drainer in the directory: %v", err)
	}
	if got := r.record("drainer1"); got.State != nodes.Online {
		t.Errorf("the first one's record says %s", got.State)
	}
}

// Where a drainer begins that has no checkpoint is kept from the start on, and it begins there
// the next time too.
func TestFirstPositionIsKept(t *testing.T) {
	r := newRig(t)
	for _, initial := range []nodes.TSO{0, 12345, -1} {
		before := r.tso()
		o := r.options(fmt.Sprintf("drainer%d", initial))
		o.InitialCommitTS = initial
		o.SaveEvery = time.Hour
		d := r.open(o)
		p, err := checkpoint.InDir(o.DataDir).Load(context.Background())
		if err != nil || p.ClusterID != r.cluster || p.Exact {
			t.Fatalf("initial %d: %+v, %v", initial, p, err)
		}
		if initial >= 0 && p.CommitTS != initial || initial < 0 && p.CommitTS <= before {
			t.Errorf("initial %d: the checkpoint is %s", initial, p.CommitTS)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		o.InitialCommitTS, o.Metrics = 99999, nil
		next := r.open(o)
		if got := r.record(o.NodeID).MaxCommitTS; got != p.CommitTS {
			t.Errorf("initial %d: the next life begins at %s", initial, got)
		}
		next.Close()
	}
}

// TestSynced: /status says Synced when everything is downstream and no transaction has come for as long
// as synced-check-time says, not before.
func TestSynced(t *testing.T) {
	r := newRig(t)
	synced := func(d *drainer.Drainer) bool {
		var st struct{ Synced bool }
		if code := r.call(http.MethodGet, "http://"+d.Addr().String()+"/status", &st); code != http.StatusOK {
			t.Fatalf("/status: %d", code)
		}
		return st.Synced
	}
	o := r.options("bounded")
	o.SyncedAfter = time.Hour
	bounded := r.open(o)
	o = r.options("quick")
	o.SyncedAfter = time.Millisecond
	quick := r.open(o)
	r.eventually("the drainer is synced", func() bool { return synced(quick) })
	if synced(bounded) {
		t.Error("Synced, and an hour without a transaction has not passed")
	}
}

// The HTTP API and the gRPC service as tools and upstream pumps know them.
func TestServices(t *testing.T) {
	r := newRig(t)
	o := r.options("drainer1")
	o.Metrics = prometheus.NewRegistry()
	d := r.open(o)
	base := "http://" + d.Addr().String()

	var st map[string]any
	if code := r.call(http.MethodGet, base+"/status", &st); code != http.StatusOK {
		t.Errorf("/status: %d", code)
	}
	for key, want := range map[string]any{"Synced": false, "TsMap": "", "State": "online", "ErrMsg": "", "PumpPos": "map[]"} {
		if got := st[key]; got != want && fmt.Sprint(got) != want {
			t.Errorf("/status has %s = %v, want %v", key, got, want)
		}
	}
	for _, key := range []string{"LastTS", "Lag", "Checkpoint", "Applied", "Downstream", "Rows", "Pumps"} {
		if _, ok := st[key]; !ok {
			t.Errorf("/status lacks %s", key)
		}
	}
	var reply struct {
		Code int
		Data struct{ TS nodes.TSO }
	}
	if r.call(http.MethodGet, base+"/commit_ts", &reply); reply.Code != 200 || reply.Data.TS != r.record("drainer1").MaxCommitTS {
		t.Errorf("/commit_ts: %+v", reply)
	}
	r.put(d, "drainer2", "pause", http.StatusNotFound)
	r.put(d, "drainer1", "explode", http.StatusBadRequest)
	if code := r.call(http.MethodGet, base+"/state/drainer1/pause", nil); code != http.StatusMethodNotAllowed {
		t.Errorf("GET /state: %d", code)
	}
	var text string
	r.call(http.MethodGet, base+"/metrics", &text)
	for _, name := range []string{"ddl_jobs_total 0", "disorder_binlog_count 0", `error_count{type="apply"} 0`, `event{type="Insert"} 0`,
		"checkpoint_tso", "checkpoint_delay_seconds_bucket", "execute_duration_time_bucket", `query_duration_time_bucket{type="DDL"`, `queue_size{name="pull"}`} {
		if !strings.Contains(text, "binlog_drainer_"+name) {
			t.Errorf("/metrics lacks binlog_drainer_%s", name)
		}
	}

	conn, err := grpc.NewClient(d.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := binlogpb.NewCisternClient(conn)
	if _, err := client.Notify(context.Background(), &binlogpb.NotifyReq{}); err != nil {
		t.Errorf("Notify: %v", err)
	}
	if _, err := client.DumpDDLJobs(context.Background(), &binlogpb.DumpDDLJobsReq{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("DumpDDLJobs: %v", err)
	}
}

// A pump that cannot be reached blocks replication; the drainer says which and why, in its log
// once, in /status and as a metric.
func TestHeldByAPump(t *testing.T) {
	r := newRig(t)
	var log logged
	o := r.options("drainer1")
	o.HeldAfter, o.Metrics, o.Logger = 100*time.Millisecond, prometheus.NewRegistry(), log.logger()
	rec := nodes.Record{NodeID: "pump1", Host: "127.0.0.1:1", State: nodes.Online, UpdateTS: r.tso()}
	if _, err := r.registry.Put(context.Background(), nodes.Pump, rec, 0); err != nil {
		t.Fatal(err)
	}
	d := r.open(o)
	const said = "replication is blocked by this pump"
	r.eventually("saying who holds back the merge", func() bool { return strings.Contains(log.String(), said) })
	var st struct {
		HeldBy struct{ Pump, Reason string }
		Pumps  []struct {
			Pump    string
			Reached bool
			Err     string
		}
	}
	r.call(http.MethodGet, "http://"+d.Addr().String()+"/status", &st)
	if st.HeldBy.Pump != "pump1" || !strings.Contains(st.HeldBy.Reason, "connection refused") || len(st.Pumps) != 1 || st.Pumps[0].Reached || st.Pumps[0].Err == "" {
		t.Errorf("/status: %+v", st)
	}
	var text string
	r.call(http.MethodGet, "http://"+d.Addr().String()+"/metrics", &text)
	if !strings.Contains(text, `binlog_drainer_merge_held_seconds{nodeID="pump1"}`) || strings.Contains(text, `merge_held_seconds{nodeID="pump1"} 0`+"\n") {
		t.Error("no metric says that pump1 holds back the merge")
	}
	// The operator gives the pump up.
	if _, _, err := r.registry.SetState(context.Background(), nodes.Pump, "pump1", nodes.Offline, nil); err != nil {
		t.Fatal(err)
	}
	r.eventually("being freed", func() bool { return strings.Contains(log.String(), "does not hold the others any more") })
	if n := strings.Count(log.String(), said); n != 1 {
		t.Errorf("it was said %d times", n)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// purgedPump is a pump that has nothing as old as what it is asked for.
type purgedPump struct {
	binlogpb.UnimplementedPumpServer
}

func (purgedPump) PullBinlogs(*binlogpb.PullBinlogReq, binlogpb.Pump_PullBinlogsServer) error {
	return status.Error(codes.OutOfRange, "pump pump1: binlogs up to 8888 are purged")
}

// A position that a pump does not have any more stops the drainer, which names both positions
// and the cure; nothing is skipped.
func TestPurged(t *testing.T) {
	r := newRig(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	binlogpb.RegisterPumpServer(server, purgedPump{})
	go server.Serve(l)
	t.Cleanup(server.Stop)
	rec := nodes.Record{NodeID: "pump1", Host: l.Addr().String(), State: nodes.Online, UpdateTS: r.tso()}
	if _, err := r.registry.Put(context.Background(), nodes.Pump, rec, 0); err != nil {
		t.Fatal(err)
	}
	o := r.options("drainer1")
	o.InitialCommitTS = 4711
	d := r.open(o)
	if err = r.ends(d); err == nil {
		t.Fatal("it ends without an error")
	}
	for _, want := range []string{"4711", "8888", "pump1", "dump the upstream again"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if got := r.record("drainer1"); got.State != nodes.Paused || got.MaxCommitTS != 4711 {
		t.Errorf("the record: %+v", got)
	}
}

func TestOptions(t *testing.T) {
	r := newRig(t)
	for name, spoil := range map[string]func(o *drainer.Options){
		"required":       func(o *drainer.Options) { o.Schema = nil },
		"addr":           func(o *drainer.Options) { o.Addr = "here" },
		"advertise-addr": func(o *drainer.Options) { o.AdvertiseAddr = "0.0.0.0:1" },
		"ignore-schemas": func(o *drainer.Options) { o.Filter = txn.FilterRules{IgnoreSchemas: []string{"~("}} },
		"node ID":        func(o *drainer.Options) { o.NodeID = "a/b" },
	} {
		o := r.options("drainer1")
		spoil(&o)
		if _, err := drainer.New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d, err := drainer.New(r.options("drainer1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if err := d.Open(context.Background()); err == nil {
		t.Error("a drainer that was closed can be opened")
	}
}
