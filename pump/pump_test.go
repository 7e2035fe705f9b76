package pump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/pd"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/pdtest"
)

// rig is a PD for one machine and what tests do with pumps that use it.
type rig struct {
	testing.TB
	etcd     *clientv3.Client
	registry *nodes.Registry
	pd       *pd.Client
	cluster  uint64
}

func newRig(t testing.TB) *rig {
	t.Helper()
	v := pdtest.NewView(t)
	return &rig{TB: t, etcd: v.Etcd, registry: v.Registry, pd: v.PD, cluster: v.ClusterID}
}

// options are those of a pump that tests can afford.
func (r *rig) options(id string) Options {
	return Options{Options: life.Options{NodeID: id, Addr: "127.0.0.1:0", DataDir: r.TempDir(), Registry: r.registry, PD: r.pd},
		StopWriteAtAvailable: 1, NotifyTimeout: 300 * time.Millisecond}
}

func (r *rig) open(o Options) *Pump {
	r.Helper()
	p, err := New(o)
	if err != nil {
		r.Fatal(err)
	}
	if err := p.Open(context.Background()); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { p.Close() })
	return p
}

func (r *rig) dial(p *Pump) *grpc.ClientConn {
	r.Helper()
	conn, err := grpc.NewClient(p.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { conn.Close() })
	return conn
}

func (r *rig) tso() nodes.TSO {
	r.Helper()
	ts, err := r.pd.TSO(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	return ts
}

func (r *rig) state(id string) nodes.State {
	r.Helper()
	e, err := r.registry.Get(context.Background(), nodes.Pump, id)
	if err != nil {
		r.Fatal(err)
	}
	return e.Record.State
}

// drainer puts a drainer's record into PD.
func (r *rig) drainer(id, host string, s nodes.State, consumed nodes.TSO) {
	r.Helper()
	revision := int64(0)
	if e, err := r.registry.Get(context.Background(), nodes.Drainer, id); err == nil {
		revision = e.ModRevision
	}
	rec := nodes.Record{NodeID: id, Host: host, State: s, MaxCommitTS: consumed, UpdateTS: r.tso()}
	if _, err := r.registry.Put(context.Background(), nodes.Drainer, rec, revision); err != nil {
		r.Fatal(err)
	}
}

func binlog(tp binlogpb.BinlogType, start, commit nodes.TSO, value []byte) []byte {
	st, ct := int64(start), int64(commit)
	b, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{Tp: &tp, StartTs: &st, CommitTs: &ct, PrewriteKey: []byte("key"), PrewriteValue: value})
	if err != nil {
		panic(err) // a message of plain fields always encodes
	}
	return b
}

func prewrite(start nodes.TSO, value []byte) []byte {
	return binlog(binlogpb.BinlogType_Prewrite, start, 0, value)
}

func commit(start, ts nodes.TSO) []byte { return binlog(binlogpb.BinlogType_Commit, start, ts, nil) }

func (r *rig) write(conn grpc.ClientConnInterface, payload []byte) error {
	_, err := binlogpb.NewPumpClient(conn).WriteBinlog(context.Background(), &binlogpb.WriteBinlogReq{ClusterID: r.cluster, Payload: payload})
	return err
}

// transaction writes one and gives its commit TS.
func (r *rig) transaction(conn grpc.ClientConnInterface, value []byte) nodes.TSO {
	r.Helper()
	start := r.tso()
	if err := r.write(conn, prewrite(start, value)); err != nil {
		r.Fatal(err)
	}
	ts := r.tso()
	if err := r.write(conn, commit(start, ts)); err != nil {
		r.Fatal(err)
	}
	return ts
}

func (r *rig) pull(conn grpc.ClientConnInterface, from nodes.TSO) binlogpb.Pump_PullBinlogsClient {
	r.Helper()
	s, err := binlogpb.NewPumpClient(conn).PullBinlogs(context.Background(), &binlogpb.PullBinlogReq{ClusterID: r.cluster, StartFrom: &binlogpb.Pos{Offset: int64(from)}})
	if err != nil {
		r.Fatal(err)
	}
	return s
}

// until receives up to a commit TS and gives the start TSs of the transactions on the way.
func (r *rig) until(s binlogpb.Pump_PullBinlogsClient, last nodes.TSO) []nodes.TSO {
	r.Helper()
	var all []nodes.TSO
	for {
		resp, err := s.Recv()
		if err != nil {
			r.Fatal(err)
		}
		m := resp.Entity.Meta
		if m.GetStartTs() != m.GetCommitTs() {
			all = append(all, nodes.TSO(m.GetStartTs()))
		}
		if nodes.TSO(m.GetCommitTs()) >= last {
			return all
		}
	}
}

// ended receives until the stream ends and gives why.
func ended(s binlogpb.Pump_PullBinlogsClient) error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

// running are the goroutines that this package and what is below it started, or that
// serve a connection of it.
func running() string {
	buf := make([]byte, 1<<20)
	var found []string
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "pumphouse/pump") && !strings.Contains(g, "testing.tRunner") {
			found = append(found, g)
		}
	}
	return strings.Join(found, "\n\n")
}

// TestCloseLeavesNothing has two pumps in one process with everything going on, closes
// them and finds none of their goroutines.
func TestCloseLeavesNothing(t *testing.T) {
	r := newRig(t)
	var both []*Pump
	var streams []binlogpb.Pump_PullBinlogsClient
	for _, id := range []string{"pump1", "pump2"} {
		p := r.open(r.options(id))
		both = append(both, p)
		conn := r.dial(p)
		last := r.transaction(conn, []byte("v"))
		s := r.pull(conn, 0)
		r.until(s, last)
		streams = append(streams, s)
		silent, err := net.Dial("tcp", p.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		resp, err := http.Get("http://" + p.Addr().String() + "/status") // its connection stays open
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	began := time.Now()
	for i, p := range both {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil { // again
			t.Error(err)
		}
		if err := ended(streams[i]); !errors.Is(err, io.EOF) {
			t.Errorf("the pull ended with %v, want a clean end", err)
		}
		if got := r.state(p.NodeID()); got != nodes.Paused {
			t.Errorf("%s is %s", p.NodeID(), got)
		}
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v although nobody was in the way", took)
	}
	http.DefaultClient.CloseIdleConnections()
	deadline := time.Now().Add(5 * time.Second)
	for running() != "" {
		if time.Now().After(deadline) {
			t.Fatalf("still running:\n%s", running())
		}
		time.Sleep(10 * time.Millisecond) // the runtime takes goroutines off its list a little later
	}
}

func TestOpenAndCloseOutOfOrder(t *testing.T) {
	r := newRig(t)
	p, err := New(r.options("pump1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("close before open: %v", err)
	}
	if err := p.Open(t.Context()); err == nil {
		t.Error("a closed pump opens")
	}
	o := r.options("pump2")
	o.Metrics = prometheus.NewRegistry()
	p = r.open(o)
	if err := p.Open(t.Context()); err == nil {
		t.Error("a pump opens twice")
	}
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "registry of its own") {
		t.Errorf("two pumps with one metrics registry: %v", err)
	}
}

// TestDataOfAnotherCluster starts a pump with the data of another cluster's.
func TestDataOfAnotherCluster(t *testing.T) {
	one, other := newRig(t), newRig(t)
	o := one.options("pump1")
	for range 2 { // with its own data it starts as often as it likes
		if err := one.open(o).Close(); err != nil {
			t.Fatal(err)
		}
		o.Metrics = nil
	}
	o.Registry, o.PD = other.registry, other.pd
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(one.cluster)) || !strings.Contains(err.Error(), fmt.Sprint(other.cluster)) {
		t.Errorf("start: %v", err)
	}
	if _, err := other.registry.Get(t.Context(), nodes.Pump, "pump1"); !errors.Is(err, nodes.ErrNotFound) {
		t.Errorf("it has shown itself in the other cluster: %v", err)
	}
}

// TestCallsOfAnotherCluster: who has the address of another cluster's pump is told so, and leaves nothing in its log.
func TestCallsOfAnotherCluster(t *testing.T) {
	r := newRig(t)
	p := r.open(r.options("pump1"))
	conn := r.dial(p)
	stranger := *r
	stranger.cluster++
	for what, err := range map[string]error{
		"a prewrite":       stranger.write(conn, prewrite(r.tso(), []byte("v"))),
		"TiDB's probe":     stranger.write(conn, nil),
		"a pull":           ended(stranger.pull(conn, 0)),
		"a drainer's hint": binlogpb.Wake(t.Context(), conn, stranger.cluster),
	} {
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), fmt.Sprintf("belongs to cluster %d, not to %d", r.cluster, stranger.cluster)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := p.store.Stats().Records; n != 0 {
		t.Errorf("%d records are stored", n)
	}
}

// TestDrained: a pump that goes offline is needed while a drainer lacks its last transaction, or one is unresolved that a drainer
// will want.
func TestDrained(t *testing.T) {
	r := newRig(t)
	p := r.open(r.options("pump1"))
	conn := r.dial(p)
	last := r.transaction(conn, []byte("v"))
	is := func(what string, want bool) {
		t.Helper()
		if got := p.drained(t.Context()); got != want {
			t.Errorf("%s: nobody needs the pump: %t", what, got)
		}
	}
	is("without a drainer", true)
	r.drainer("d1", "127.0.0.1:1", nodes.Online, last-1)
	is("the last transaction is not consumed", false)
	r.drainer("d1", "127.0.0.1:1", nodes.Paused, last-1)
	is("it is not, by a drainer that is paused", false)
	r.drainer("d1", "127.0.0.1:1", nodes.Online, last)
	is("everything is consumed", true)
	if err := r.write(conn, prewrite(r.tso(), []byte("v"))); err != nil {
		t.Fatal(err)
	}
	is("one is unresolved", false)
	r.drainer("d1", "127.0.0.1:1", nodes.Offline, last-1)
	is("no drainer is left", true)
}

// TestRefusedIsNotStored pauses a pump under load: what was acknowledged is there after a
// restart, what was refused is not.
func TestRefusedIsNotStored(t *testing.T) {
	r := newRig(t)
	o := r.options("pump1")
	p := r.open(o)
	var mu sync.Mutex
	var acked, refused []nodes.TSO
	var wg sync.WaitGroup
	conn := r.dial(p)
	busy := make(chan struct{})
	for range 16 {
		wg.Go(func() {
			for n := 0; ; n++ {
				start := r.tso()
				err := r.write(conn, prewrite(start, []byte("v")))
				mu.Lock()
				switch status.Code(err) {
				case codes.OK:
					if acked = append(acked, start); len(acked) == 500 {
						close(busy)
					}
				case codes.Unavailable:
					// A connection that broke may have carried the answer; a refusal says so.
					if strings.Contains(err.Error(), "write to another pump") {
						refused = append(refused, start)
					}
				default:
					t.Errorf("prewrite: %v", err)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	<-busy
	s := r.pull(conn, 0) // keeps the port open a little: there is time to be refused
	p.Pause()
	wg.Wait()
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	_ = ended(s)

	p = r.open(o)
	conn = r.dial(p)
	var want []nodes.TSO
	var last nodes.TSO
	for _, start := range acked {
		last = r.tso()
		if err := r.write(conn, commit(start, last)); err != nil {
			t.Fatal(err)
		}
		want = append(want, start)
	}
	for _, start := range refused {
		if _, err := p.store.Lookup(t.Context(), start); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("the prewrite %s was refused and is stored: %v", start, err)
		}
	}
	if got := r.until(r.pull(conn, 0), last); !slices.Equal(got, want) {
		t.Errorf("%d transactions are delivered, %d were acknowledged", len(got), len(want))
	}
	t.Logf("%d acknowledged, %d refused", len(acked), len(refused))
}

// TestSilentConnectionsDoNotHoldTheEnd: whoever has connected and says nothing is not a call under way.
func TestSilentConnectionsDoNotHoldTheEnd(t *testing.T) {
	r := newRig(t)
	o := r.options("pump1")
	o.stopGrace = time.Hour // longer than the test
	p := r.open(o)
	for i := range 50 {
		c, err := net.Dial("tcp", p.Addr().String())
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
	}
	r.transaction(r.dial(p), []byte("v")) // by now the pump has them all
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestPauseIsBounded pauses while a drainer does not read and a writer does not finish
// its message: they are cut, when the time is over that calls get or when the pump is told
// a second time, and the other drainers end cleanly.
func TestPauseIsBounded(t *testing.T) {
	for _, c := range []struct {
		name    string
		grace   time.Duration
		hurried bool
	}{
		{"by the time that calls get", 700 * time.Millisecond, false},
		{"by a second signal", time.Hour, true}, // longer than the test: only the signal can end it
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			o := r.options("pump1")
			o.stopGrace = c.grace
			p := r.open(o)
			conn := r.dial(p)
			var last nodes.TSO
			for range 12 {
				last = r.transaction(conn, make([]byte, 1<<20))
			}
			stuck := r.pull(r.dial(p), 0)
			if _, err := stuck.Recv(); err != nil {
				t.Fatal(err)
			}
			half, err := r.dial(p).NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, "/binlog.Pump/WriteBinlog")
			if err != nil {
				t.Fatal(err)
			}
			good := r.pull(conn, 0)
			r.until(good, last)

			began := time.Now()
			p.Pause()
			if err := ended(good); !errors.Is(err, io.EOF) {
				t.Errorf("a drainer that reads ended with %v", err)
			}
			if c.hurried {
				p.Pause()
			}
			if err := p.Wait(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); !c.hurried && took < c.grace {
				t.Errorf("it took %v, and calls get %v", took, c.grace)
			}
			if err := half.RecvMsg(&binlogpb.WriteBinlogResp{}); err == nil {
				t.Error("a call without a message succeeds")
			}
			if err := ended(stuck); errors.Is(err, io.EOF) {
				t.Error("a stream that was cut off looks complete")
			}
			if got := r.state("pump1"); got != nodes.Paused {
				t.Errorf("it is %s", got)
			}
		})
	}
}

// TestRefusals looks at what TiDB is told in each state but online: a gRPC status, so that
// it goes to another pump, and never the word that makes it give up.
func TestRefusals(t *testing.T) {
	for _, s := range []nodes.State{"", nodes.Pausing, nodes.Paused, nodes.Closing} {
		g := gate{state: s}
		err := g.enter("pump1")
		if err == nil || !strings.Contains(err.Error(), "pump1") || strings.Contains(err.Error(), "ResourceExhausted") {
			t.Errorf("state %q: %v", s, err)
		}
	}
	r := newRig(t)
	o := r.options("pump1")
	o.StopWriteAtAvailable = math.MaxUint64 // no disk has that much
	p := r.open(o)
	conn := r.dial(p)
	err := r.write(conn, prewrite(r.tso(), []byte("v")))
	if status.Code(err) != codes.Unavailable || strings.Contains(err.Error(), "ResourceExhausted") || !strings.Contains(err.Error(), "disk space") {
		t.Errorf("a full disk: %v", err)
	}
	if err := r.write(conn, nil); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "disk space") {
		t.Errorf("TiDB's question whether a pump with a full disk takes writes: %v", err)
	}
	if err := r.write(conn, commit(5, 6)); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "prewrite is not stored here") {
		t.Errorf("a commit whose prewrite was refused: %v", err)
	}
}

// TestFinalStateComesLast looks at the pump at the moment at which PD shows that it has
// ended: the log is closed and the port is free.
func TestFinalStateComesLast(t *testing.T) {
	for _, final := range []nodes.State{nodes.Paused, nodes.Offline} {
		t.Run(string(final), func(t *testing.T) {
			r := newRig(t)
			p := r.open(r.options("pump1"))
			r.transaction(r.dial(p), []byte("v"))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			watch := r.etcd.Watch(ctx, nodes.Pump.Key("pump1"), clientv3.WithCreatedNotify())
			<-watch
			if final == nodes.Paused {
				p.Pause()
			} else if err := p.Offline(t.Context()); err != nil {
				t.Fatal(err)
			}
			for resp := range watch {
				rec, err := nodes.DecodeRecord(resp.Events[len(resp.Events)-1].Kv.Value)
				if err != nil {
					t.Fatal(err)
				}
				if rec.State != final {
					continue
				}
				if _, err := p.store.Pull(0); !errors.Is(err, storage.ErrClosed) {
					t.Errorf("the log is not closed: %v", err)
				}
				if c, err := net.Dial("tcp", rec.Host); err == nil {
					c.Close()
					t.Error("the port is still open")
				}
				break
			}
			if err := p.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStartNotifies looks at which drainers keep a pump from starting.
func TestStartNotifies(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // accepts and never answers
	mute := l.Addr().String()
	for _, c := range []struct {
		state nodes.State
		fails bool
	}{{nodes.Online, true}, {nodes.Paused, false}, {nodes.Pausing, false}, {nodes.Closing, false}, {nodes.Offline, false}} {
		t.Run(string(c.state), func(t *testing.T) {
			r := newRig(t)
			r.drainer("drainer1", mute, c.state, 1)
			p, err := New(r.options("pump1"))
			if err != nil {
				t.Fatal(err)
			}
			err = p.Open(t.Context())
			defer p.Close()
			if (err != nil) != c.fails {
				t.Fatalf("start: %v", err)
			}
			if !c.fails {
				return
			}
			for _, text := range []string{"drainer1", mute, "300ms", "-state paused"} {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q is not in: %v", text, err)
				}
			}
			if e, err := r.registry.Get(t.Context(), nodes.Pump, "pump1"); !errors.Is(err, nodes.ErrNotFound) {
				t.Errorf("a pump that has never been online has the record %+v, %v: drainers would wait for it", e.Record, err)
			}
			if e, _, err := r.registry.Exit(t.Context(), nodes.Pump, "pump1"); err != nil || e.Kind != nodes.ExitError || e.Code != nodes.ProblemDrainerUnreachable || !e.Starting {
				t.Errorf("its last exit: %+v, %v", e, err)
			}
			if err := p.Wait(); err == nil {
				t.Error("Wait does not say why")
			}
			r.pausesAgain("drainer1", mute)
		})
	}
}

// pausesAgain: a pump that has been online stays paused when a later start fails, and its last exit says why until a start
// succeeds; one that had gone offline is offline again.
func (r *rig) pausesAgain(drainer, mute string) {
	r.Helper()
	r.drainer(drainer, mute, nodes.Paused, 1)
	o := r.options("pump2")
	r.open(o).Close()
	if e, _, err := r.registry.Exit(context.Background(), nodes.Pump, "pump2"); err != nil || e.Kind != nodes.ExitSignal {
		r.Errorf("the exit after a pause by a signal: %+v, %v", e, err)
	}
	r.drainer(drainer, mute, nodes.Online, 1)
	for _, state := range []nodes.State{nodes.Paused, nodes.Offline} {
		if _, _, err := r.registry.SetState(context.Background(), nodes.Pump, "pump2", state, nil); err != nil {
			r.Fatal(err)
		}
		p, err := New(o)
		if err != nil {
			r.Fatal(err)
		}
		if err := p.Open(context.Background()); err == nil {
			r.Error("it started")
		}
		if got := r.state("pump2"); got != state {
			r.Errorf("a pump that was %s is %s after a start that failed", state, got)
		}
	}
	r.drainer(drainer, mute, nodes.Paused, 1)
	p := r.open(o)
	if e, found, err := r.registry.Exit(context.Background(), nodes.Pump, "pump2"); err != nil || found {
		r.Errorf("the last exit after a start: %+v, %v", e, err)
	}
	p.Close()
}

// TestGC removes what is old and consumed, keeps what a drainer still needs, and says what
// it takes from one when the disk is full.
func TestGC(t *testing.T) {
	r := newRig(t)
	o := r.options("pump1")
	o.GC = time.Nanosecond
	o.cleanInterval = time.Hour // this test says when
	o.segmentBytes = 64 << 10
	p := r.open(o)
	conn := r.dial(p)
	var all []nodes.TSO
	for range 6 { // three segments
		all = append(all, r.transaction(conn, make([]byte, 30<<10)))
	}
	collect := func(p *Pump) string {
		t.Helper()
		text, err := p.collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	r.drainer("slow", "127.0.0.1:1", nodes.Paused, 1)
	if text := collect(p); !strings.Contains(text, " 0 segments") {
		t.Errorf("nothing is consumed, and gc says: %s", text)
	}
	r.drainer("slow", "127.0.0.1:1", nodes.Paused, all[1])
	r.drainer("gone", "127.0.0.1:1", nodes.Offline, 1)
	if text := collect(p); !strings.Contains(text, " 1 segments") {
		t.Errorf("two transactions are consumed, and gc says: %s", text)
	}
	_, err := r.pull(conn, all[0]-1).Recv()
	if s := status.Convert(err); s.Code() != codes.OutOfRange || !strings.Contains(s.Message(), (all[0]-1).String()) || !strings.Contains(s.Message(), all[1].String()) {
		t.Errorf("a pull from what is gone: %v, want both positions %s and %s", err, all[0]-1, all[1])
	}
	if got := r.until(r.pull(conn, all[1]), all[5]); len(got) != 4 {
		t.Errorf("%d transactions are left, want 4", len(got))
	}

	// Nobody knows what a drainer has consumed whose record is malformed.
	r.drainer("slow", "127.0.0.1:1", nodes.Paused, all[5])
	if _, err := r.etcd.Put(t.Context(), nodes.Drainer.Key("torn"), `{"nodeId":"torn","maxCommit`); err != nil {
		t.Fatal(err)
	}
	if text := collect(p); !strings.Contains(text, " 0 segments") || !strings.Contains(text, nodes.Drainer.Key("torn")) {
		t.Errorf("a drainer's record cannot be read, and gc says: %s", text)
	}
	if msg := errMsg(t, p); !strings.Contains(msg, nodes.Drainer.Key("torn")) {
		t.Errorf("a drainer's record cannot be read, and /status says %q", msg)
	}
	if _, err := r.etcd.Delete(t.Context(), nodes.Drainer.Key("torn")); err != nil {
		t.Fatal(err)
	}
	r.drainer("slow", "127.0.0.1:1", nodes.Paused, all[1])
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}

	o.StopWriteAtAvailable = math.MaxUint64
	o.Metrics = prometheus.NewRegistry()
	p = r.open(o)
	if text := collect(p); !strings.Contains(text, "drainer slow") || !strings.Contains(text, " 1 segments") {
		t.Errorf("on a full disk gc says: %s", text)
	}
	families, err := o.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.Metric {
			for _, label := range m.Label {
				if m.Counter != nil {
					counts[f.GetName()+" "+label.GetValue()] = m.Counter.GetValue()
				}
			}
		}
	}
	const name = "binlog_pump_detected_drainer_binlog_purge_count "
	if counts[name+"slow"] != 1 || counts[name+"gone"] != 0 {
		t.Errorf("purged before a drainer had it: %v", counts)
	}
}

// FuzzWriteBinlog sends any bytes as a binlog: they are refused and not stored, or stored
// as they are.
func FuzzWriteBinlog(f *testing.F) {
	r := newRig(f)
	o := r.options("pump1")
	o.NoSync = true
	p := r.open(o)
	s := service{Pump: p}
	f.Add([]byte{})
	f.Add(prewrite(5, []byte("value")))
	f.Add(prewrite(math.MaxInt64, nil))
	f.Add(commit(5, 6))
	f.Add(binlog(binlogpb.BinlogType_Rollback, 5, 0, nil))
	f.Add(binlog(binlogpb.BinlogType_PostDDL, 5, 5, nil))
	f.Add(prewrite(5, []byte("value"))[:9])
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := p.store.Stats()
		_, err := s.WriteBinlog(t.Context(), &binlogpb.WriteBinlogReq{ClusterID: r.cluster, Payload: slices.Clone(payload)})
		stored := p.store.Stats().Records - before.Records
		if h, peekErr := binlogpb.Peek(payload); peekErr == nil && h.Type == binlogpb.BinlogType_Commit && stored == 1 {
			if err == nil || !strings.Contains(err.Error(), "prewrite is not stored here") {
				t.Fatalf("a commit without a prewrite: %v", err)
			}
			return
		}
		if err != nil {
			if status.Code(err) != codes.InvalidArgument || stored != 0 {
				t.Fatalf("%d records are stored, and the error is %v", stored, err)
			}
			return
		}
		if len(payload) == 0 {
			return
		}
		h, err := binlogpb.Peek(payload)
		if err != nil || stored != 1 {
			t.Fatalf("%d records are stored, and the payload is malformed: %v", stored, err)
		}
		if h.Type != binlogpb.BinlogType_Prewrite {
			return
		}
		found, err := p.store.Lookup(t.Context(), nodes.TSO(h.StartTS))
		if err != nil || string(found.Payload) != string(payload) {
			t.Fatalf("stored %x, want %x: %v", found.Payload, payload, err)
		}
		if _, err := s.WriteBinlog(t.Context(), &binlogpb.WriteBinlogReq{ClusterID: r.cluster,
			Payload: binlog(binlogpb.BinlogType_Rollback, nodes.TSO(h.StartTS), 0, nil)}); err != nil {
			t.Fatal(fmt.Errorf("its rollback: %w", err))
		}
	})
}
