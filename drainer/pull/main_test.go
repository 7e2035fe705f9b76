package pull

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"pumphouse/binlogpb"
	"pumphouse/drainer/merge"
	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
)

// cluster is a PD with a drainer's view of it.
type cluster struct {
	*pdtest.View
	t     *testing.T
	cache *nodes.Cache
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{View: pdtest.NewView(t), t: t}
	c.cache = nodes.OpenCache(c.Registry, nodes.CacheOptions{})
	t.Cleanup(func() { c.cache.Close() })
	return c
}

// record writes a pump's record, as an operator or the pump would.
func (c *cluster) record(id, host string, state nodes.State) {
	c.t.Helper()
	raw, err := nodes.EncodeRecord(nodes.Record{NodeID: id, Host: host, State: state})
	if err != nil {
		c.t.Fatal(err)
	}
	c.put(id, string(raw))
}

func (c *cluster) put(id, raw string) {
	c.t.Helper()
	if _, err := c.Etcd.Put(c.t.Context(), nodes.Pump.Prefix()+id, raw); err != nil {
		c.t.Fatal(err)
	}
}

// running is a group at work and what comes out of its merger.
type running struct {
	t      *testing.T
	group  *Group
	merger *merge.Merger
	logs   *logtest.Hook
	end    context.CancelFunc
	done   chan error
}

func (c *cluster) run(opts Options) *running {
	c.t.Helper()
	logger, logs := logtest.NewNullLogger()
	logger.SetLevel(logrus.InfoLevel)
	opts.Registry, opts.Cache, opts.ClusterID, opts.Logger = c.Registry, c.cache, c.ClusterID, logger
	if opts.Merger == nil {
		opts.Merger = merge.New(merge.Options{From: opts.From})
	}
	opts.MaxPause = 200 * time.Millisecond
	g, err := New(opts)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: c.t, group: g, merger: opts.Merger, logs: logs, end: cancel, done: make(chan error, 1)}
	go func() { r.done <- g.Run(ctx) }()
	c.t.Cleanup(func() { r.stop() })
	return r
}

// stop ends the group and gives what Run gave.
func (r *running) stop() error {
	r.end()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(time.Minute):
		r.t.Error("Run does not return")
		return nil
	}
}

// take gives the next n commit TSs that come out of the merge.
func (r *running) take(n int) []int64 {
	r.t.Helper()
	var got []int64
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	for len(got) < n {
		b, err := r.merger.Next(ctx)
		if err != nil {
			r.t.Fatalf("after %v: %v (%+v)", got, err, r.group.Status())
		}
		for _, it := range b.Items {
			got = append(got, it.CommitTS)
		}
		r.merger.Release(b.Bytes)
	}
	return got
}

// passed waits until the merge has passed ts.
func (r *running) passed(ts nodes.TSO) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	for at := r.merger.Stats().Passed; at < ts; {
		b, err := r.merger.Next(ctx)
		if err != nil {
			r.t.Fatalf("at %d: %v (%+v)", at, err, r.group.Status())
		}
		r.merger.Release(b.Bytes)
		at = b.Passed
	}
}

// until waits for a condition.
func (r *running) until(what string, cond func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !cond() {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s does not come: %+v", what, r.group.Status())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// station is a pump as the wire shows it, with the faults a test wants.
type station struct {
	binlogpb.UnimplementedPumpServer
	t      *testing.T
	addr   string
	srv    *grpc.Server
	refuse atomic.Pointer[error] // what a pull is answered with
	asked  chan int64            // the positions of pulls
	gzip   atomic.Bool           // a pull came compressed
	wakes  atomic.Bool           // the last pull said that its sender wakes
	woken  chan uint64           // the cluster IDs of calls to wake; nil: it cannot be woken

	mu   sync.Mutex
	log  []binlogpb.Delivery
	news chan struct{}
	over chan struct{} // closed: streams end
}

func newStation(t *testing.T, opts ...grpc.ServerOption) *station {
	t.Helper()
	s := &station{t: t, asked: make(chan int64, 1000), news: make(chan struct{}), over: make(chan struct{})}
	s.listen("127.0.0.1:0", opts...)
	t.Cleanup(func() { s.srv.Stop() })
	return s
}

func (s *station) listen(addr string, opts ...grpc.ServerOption) {
	s.t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.srv = grpc.NewServer(append(opts, grpc.ForceServerCodecV2(binlogpb.Codec{}), grpc.StatsHandler(watchGzip{&s.gzip}))...)
	binlogpb.RegisterPumpServer(s.srv, s)
	if s.woken != nil {
		binlogpb.RegisterWakeServer(s.srv, s)
	}
	srv := s.srv
	go func() { _ = srv.Serve(l) }() // ends with Stop
}

// has adds transactions, in order; a negative TS is the time.
func (s *station) has(commits ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ts := range commits {
		d := binlogpb.Delivery{StartTS: ts - 1, CommitTS: ts, Payload: payload(ts)}
		if ts < 0 {
			d = binlogpb.Delivery{StartTS: -ts, CommitTS: -ts, Payload: binlogpb.FakeBinlog(-ts)}
		}
		s.log = append(s.log, d)
	}
	close(s.news)
	s.news = make(chan struct{})
}

func payload(ts int64) []byte {
	key := fmt.Appendf(nil, "key of %d", ts)
	b, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{StartTs: new(ts - 1), PrewriteKey: key})
	if err != nil {
		panic(err)
	}
	return b
}

// finish ends the streams, as a pump does that pauses or has gone offline.
func (s *station) finish() { close(s.over) }

func (s *station) PullBinlogs(req *binlogpb.PullBinlogReq, stream binlogpb.Pump_PullBinlogsServer) error {
	from := req.GetStartFrom().GetOffset()
	s.wakes.Store(binlogpb.Sent(stream.Context(), binlogpb.WakesKey))
	s.asked <- from
	if err := s.refuse.Load(); err != nil {
		return *err
	}
	for i := 0; ; {
		s.mu.Lock()
		news, log := s.news, s.log[i:]
		s.mu.Unlock()
		for _, d := range log {
			i++
			if d.CommitTS <= from {
				continue
			}
			if err := stream.SendMsg(&d); err != nil {
				return err
			}
		}
		select {
		case <-news:
		case <-s.over:
			return nil
		case <-stream.Context().Done():
			return nil
		}
	}
}

// Wake is [binlogpb.WakeServer]'s.
func (s *station) Wake(_ context.Context, req *binlogpb.PullBinlogReq) (*binlogpb.WriteBinlogResp, error) {
	s.woken <- req.ClusterID
	return &binlogpb.WriteBinlogResp{}, nil
}

// watchGzip notes whether requests come compressed.
type watchGzip struct{ seen *atomic.Bool }

func (w watchGzip) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }
func (w watchGzip) HandleRPC(_ context.Context, s stats.RPCStats) {
	if h, ok := s.(*stats.InHeader); ok && h.Compression == "gzip" {
		w.seen.Store(true)
	}
}
func (w watchGzip) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (w watchGzip) HandleConn(context.Context, stats.ConnStats)                       {}
