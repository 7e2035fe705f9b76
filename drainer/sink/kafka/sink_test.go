package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/nodes"
)

const topic = "7_obinlog"

// brokers starts a Kafka cluster.
func brokers(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func options(c *kfake.Cluster) Options {
	return Options{Addrs: c.ListenAddrs(), ClusterID: 7, NodeID: "drainer1"}
}

func open(t testing.TB, opts Options) *Sink {
	t.Helper()
	s, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// reader reads partition 0 of the topic from the beginning.
type reader struct {
	cluster *kfake.Cluster
	client  *kgo.Client
	records []*kgo.Record
}

// connect begins to read, when the topic exists: to wait for that takes clients a second.
func (r *reader) connect(t testing.TB) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.cluster.ListenAddrs()...), kgo.MetadataMinAge(10*time.Millisecond),
		kgo.FetchMaxWait(20*time.Millisecond), kgo.FetchMaxBytes(1<<30), kgo.BrokerMaxReadBytes(1<<30),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	r.client = client
}

// binlogs gives everything that the brokers have acknowledged.
func (r *reader) binlogs(t testing.TB) []*pbkafka.Binlog {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	info := r.cluster.PartitionInfo(topic, 0)
	if info != nil && r.client == nil {
		r.connect(t)
	}
	for info != nil && int64(len(r.records)) < info.HighWatermark && ctx.Err() == nil {
		r.records = append(r.records, r.client.PollFetches(ctx).Records()...)
	}
	if ctx.Err() != nil {
		t.Errorf("the topic has %d messages and only %d could be read", info.HighWatermark, len(r.records))
	}
	var list []*pbkafka.Binlog
	for _, rec := range r.records {
		b := new(pbkafka.Binlog)
		if err := proto.Unmarshal(rec.Value, b); err != nil {
			t.Error(err)
		}
		list = append(list, b)
	}
	return list
}

func (r *reader) commits(t testing.TB) []int64 {
	t.Helper()
	var list []int64
	for _, b := range r.binlogs(t) {
		list = append(list, b.GetCommitTs())
	}
	return list
}

// downstream is the contract's.
type downstream struct {
	opts   Options
	reader *reader
}

func (d *downstream) Open(t testing.TB, from nodes.TSO) sink.Sink {
	d.opts.From = from
	return open(t, d.opts)
}

func (d *downstream) IDs(t testing.TB) []int64 {
	t.Helper()
	var ids []int64
	for _, b := range d.reader.binlogs(t) {
		for _, tab := range b.GetDmlData().GetTables() {
			for _, m := range tab.GetMutations() {
				ids = append(ids, m.GetRow().GetColumns()[0].GetInt64Value())
			}
		}
	}
	return ids
}

func TestContract(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"plain":                   func(*Options) {},
		"one message at a time":   func(o *Options) { o.MaxMessages = 1 },
		"compressed":              func(o *Options) { o.Compression = "zstd" },
		"the newest protocol":     func(o *Options) { o.Version = "4.0.0" },
		"an old protocol":         func(o *Options) { o.Version = "2.4.0" },
		"upstream's old settings": func(o *Options) { o.Version, o.MaxMessageBytes = "0.8.2.0", 1<<30 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sinktest.Run(t, func(t *testing.T) sinktest.Downstream {
				c := brokers(t)
				d := &downstream{options(c), &reader{cluster: c}}
				set(&d.opts)
				return d
			})
		})
	}
}

// apply hands over one transaction for each commit TS.
func apply(t testing.TB, s sink.Sink, commits ...nodes.TSO) {
	t.Helper()
	for _, ts := range commits {
		if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(ts)}, Passed: ts}); err != nil {
			t.Fatalf("apply %d: %v", ts, err)
		}
	}
}

func flush(t testing.TB, s sink.Sink) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func wantCommits(t testing.TB, r *reader, want ...int64) {
	t.Helper()
	if got := r.commits(t); !slices.Equal(got, want) {
		t.Errorf("commit TS in the topic: %v, want %v", got, want)
	}
}

// large is a transaction with a row of n bytes.
func large(ts nodes.TSO, n int) *sink.Txn {
	x := sinktest.Insert(ts)
	tab := x.Changes[0].Table
	x.Changes[0].New[1] = sinktest.Value(tab.Columns[1], strings.Repeat("x", n))
	return x
}

func TestTooLarge(t *testing.T) {
	refuse := kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed, Count: -1}
	for name, c := range map[string]struct {
		opts   func(*Options)
		faults []kfake.Fault
		limit  int
	}{
		"for the topic":                                      {limit: 5000},
		"for the configuration":                              {opts: func(o *Options) { o.MaxMessageBytes = 3000 }, limit: 3000},
		"for the topic, which does not tell":                 {faults: []kfake.Fault{refuse}},
		"for the topic, although it is less than configured": {opts: func(o *Options) { o.MaxMessageBytes = 1 << 30 }, limit: 5000},
	} {
		for _, rows := range []int{1, 400} { // in one piece, and one of which the rows are not held
			t.Run(fmt.Sprintf("%d rows %s", rows, name), func(t *testing.T) {
				testTooLarge(t, rows, c.opts, c.faults, c.limit)
			})
		}
	}
}

func testTooLarge(t *testing.T, rows int, change func(*Options), faults []kfake.Fault, limit int) {
	bad := large(20, 6000)
	if rows > 1 {
		var ids []int64
		for id := range int64(rows) {
			ids = append(ids, id+100)
		}
		bad = sinktest.Large(20, ids...)
	}
	cluster := brokers(t)
	max := "5000"
	if err := cluster.CreateTopic(topic, 1, map[string]string{"max.message.bytes": max}); err != nil {
		t.Fatal(err)
	}
	cluster.Fault(faults...)
	opts := options(cluster)
	if change != nil {
		change(&opts)
	}
	s := open(t, opts)
	apply(t, s, 10)
	flush(t, s)
	err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{bad, sinktest.Insert(30)}, Passed: 30})
	if flushErr := s.Flush(t.Context()); err == nil {
		err = flushErr
	}
	var e *TooLargeError
	if !errors.As(err, &e) {
		t.Fatalf("%v", err)
	}
	if e.CommitTS != 20 || e.Limit != limit || e.Rows != rows || e.Bytes < 6000 || !slices.Equal(e.Tables, []string{"`sinktest`.`t`"}) {
		t.Errorf("%+v", e)
	}
	for _, part := range []string{"commit TS 20", "`sinktest`.`t`", "max.message.bytes", "ignore-txn-commit-ts = [20]"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
	if s.Applied() != 10 {
		t.Errorf("Applied: %d", s.Applied())
	}
	if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(40)}, Passed: 40}); !errors.As(err, &e) {
		t.Errorf("Apply after the failure: %v", err)
	}
	wantCommits(t, &reader{cluster: cluster}, 10)
}

// What compresses well enough is taken although it is larger than the topic's limit.
func TestCompressedIsSmaller(t *testing.T) {
	cluster := brokers(t)
	if err := cluster.CreateTopic(topic, 1, map[string]string{"max.message.bytes": "5000"}); err != nil {
		t.Fatal(err)
	}
	opts := options(cluster)
	opts.Compression = "gzip"
	s := open(t, opts)
	if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{large(20, 100_000)}, Passed: 30}); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	wantCommits(t, &reader{cluster: cluster}, 20)
}

// Messages that the topic would take one by one are taken, though not in one batch.
func TestBatchIsTooLarge(t *testing.T) {
	cluster := brokers(t)
	if err := cluster.CreateTopic(topic, 1, map[string]string{"max.message.bytes": "1000"}); err != nil {
		t.Fatal(err)
	}
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	s := open(t, options(cluster))
	b := sink.Batch{Passed: 2000}
	var want []int64
	for ts := nodes.TSO(1000); ts < 1200; ts++ {
		b.Txns = append(b.Txns, sinktest.Insert(ts))
		want = append(want, int64(ts))
	}
	if err := s.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	wantCommits(t, &reader{cluster: cluster}, want...)
}

func TestTopicIsMissing(t *testing.T) {
	cluster := brokers(t)
	opts := options(cluster)
	opts.Topic = "named"
	open(t, opts)
	if info := cluster.TopicInfo("named"); info == nil || len(cluster.PartitionInfos("named")) != 1 {
		t.Errorf("the topic was not made with one partition: %v", info)
	}
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	opts.Topic = "forbidden"
	_, err := New(t.Context(), opts)
	if !errors.Is(err, kerr.TopicAuthorizationFailed) || !strings.Contains(err.Error(), `"forbidden"`) || !strings.Contains(err.Error(), "--create") {
		t.Errorf("%v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	logger, hook := logtest.NewNullLogger()
	opts := Options{Addrs: []string{addr}, ClusterID: 7, StartTimeout: 300 * time.Millisecond, Logger: logger}
	if _, err := New(t.Context(), opts); err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "kafka-addrs") {
		t.Errorf("%v", err)
	}
	// It is said at once, not when the time is over.
	if first := hook.AllEntries(); len(first) == 0 || first[0].Message != "no broker of kafka answers yet; retrying for 300ms" || first[0].Data["addrs"] != addr {
		t.Errorf("the log: %v", first)
	}
	why := errors.New("the drainer pauses")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := New(ctx, opts); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

func TestBadOptions(t *testing.T) {
	for want, opts := range map[string]Options{
		"kafka-addrs":   {ClusterID: 7},
		"topic-name":    {Addrs: []string{"127.0.0.1:1"}},
		"kafka-version": {Addrs: []string{"127.0.0.1:1"}, ClusterID: 7, Version: "latest"},
		"compression":   {Addrs: []string{"127.0.0.1:1"}, ClusterID: 7, Compression: "rar"},
	} {
		if _, err := New(t.Context(), opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// What brokers refuse for good ends the sink, and nothing after it is written.
func TestRefused(t *testing.T) {
	cluster := brokers(t)
	s := open(t, options(cluster))
	apply(t, s, 10, 20)
	flush(t, s)
	denied := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed})
	if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(30)}, Passed: 30}); err != nil {
		t.Fatal(err)
	}
	if err := denied.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for ts := nodes.TSO(40); ; ts += 10 {
		err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(ts)}, Passed: ts})
		if err == nil {
			continue
		}
		if !errors.Is(err, kerr.TopicAuthorizationFailed) || !strings.Contains(err.Error(), "commit TS 30") {
			t.Error(err)
		}
		break
	}
	if s.Applied() != 20 {
		t.Errorf("Applied: %d", s.Applied())
	}
	wantCommits(t, &reader{cluster: cluster}, 10, 20)
	s.Close()

	s = open(t, options(cluster)) // allowed again
	apply(t, s, 30, 40)
	flush(t, s)
	wantCommits(t, &reader{cluster: cluster}, 10, 20, 30, 40)
}

// A restart sends nothing twice if the last message is its own, and loses nothing if it is not.
func TestRestart(t *testing.T) {
	const want, again = 30, 10
	for name, c := range map[string]struct {
		change  func(t *testing.T, cluster *kfake.Cluster, o *Options)
		applied nodes.TSO
	}{
		"as it was":    {nil, want},
		"another node": {func(_ *testing.T, _ *kfake.Cluster, o *Options) { o.NodeID = "drainer2" }, again},
		"no mark":      {func(_ *testing.T, _ *kfake.Cluster, o *Options) { o.NodeID = "" }, again},
		"may not read": {func(_ *testing.T, c *kfake.Cluster, _ *Options) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		}, again},
		"may not ask": {func(_ *testing.T, c *kfake.Cluster, _ *Options) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		}, again},
		"all is deleted": {func(t *testing.T, c *kfake.Cluster, _ *Options) {
			if err := c.DeleteRecords(topic, 0, -1); err != nil {
				t.Fatal(err)
			}
		}, again},
		"another producer": {func(t *testing.T, c *kfake.Cluster, o *Options) {
			other := *o
			other.ClusterID, other.Topic, other.NodeID = 8, topic, "drainer1"
			s := open(t, other)
			apply(t, s, 1000)
			flush(t, s)
		}, again},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := brokers(t)
			opts := options(cluster)
			s := open(t, opts)
			apply(t, s, 10, 20, 30)
			flush(t, s)
			s.Close()
			if c.change != nil {
				c.change(t, cluster, &opts)
			}
			opts.From = 10
			s = open(t, opts)
			if s.Applied() != c.applied {
				t.Errorf("Applied after the restart: %d, want %d", s.Applied(), c.applied)
			}
			apply(t, s, 20, 30, 40)
			flush(t, s)
			if s.Applied() != 40 {
				t.Errorf("Applied: %d", s.Applied())
			}
		})
	}
}

// Brokers that go away are waited for, which is said, and nothing is lost or sent twice.
func TestBrokersAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func(port int) *kfake.Cluster {
		return brokers(t, kfake.Ports(port), kfake.DataDir(dir))
	}
	cluster := start(0)
	_, port, err := net.SplitHostPort(cluster.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	logger, hook := logtest.NewNullLogger()
	opts := options(cluster)
	opts.Logger, opts.StallLog = logger, 50*time.Millisecond
	s := open(t, opts)
	var want []int64
	for round := range 3 {
		for i := range 50 {
			ts := nodes.TSO(round*1000 + i + 1)
			apply(t, s, ts)
			want = append(want, int64(ts))
			if i == 20 {
				cluster.Close()
			}
		}
		for deadline := time.Now().Add(time.Minute); !logged(hook, "does not take messages"); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nothing is said of brokers that are away")
			}
		}
		hook.Reset()
		var n int
		fmt.Sscan(port, &n)
		cluster = start(n)
		flush(t, s)
	}
	wantCommits(t, &reader{cluster: cluster}, want...)
}

func logged(hook *logtest.Hook, text string) bool {
	return slices.ContainsFunc(hook.AllEntries(), func(e *logrus.Entry) bool { return strings.Contains(e.Message, text) })
}

// cutter is a listener whose connections can be cut.
type cutter struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (c *cutter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

// Over cut connections, moving leaders and errors that may be tried again, every transaction is
// in the topic once and in order.
func TestFaults(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var cutters []*cutter
	cluster := brokers(t, kfake.NumBrokers(3), kfake.ListenFn(func(network, addr string) (net.Listener, error) {
		l, err := net.Listen(network, addr)
		c := &cutter{Listener: l}
		mu.Lock()
		defer mu.Unlock()
		cutters = append(cutters, c)
		return c, err
	}))
	produce := func(e *kerr.Error) func() {
		return func() { cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e, Count: 2}) }
	}
	faults := []func(){
		func() {
			mu.Lock()
			defer mu.Unlock()
			for _, c := range cutters {
				c.cut()
			}
		},
		cluster.ShufflePartitionLeaders,
		produce(kerr.NotLeaderForPartition),
		produce(kerr.RequestTimedOut), // and yet it is written
		produce(kerr.NotEnoughReplicasAfterAppend),
		produce(kerr.NotEnoughReplicas),
		produce(kerr.UnknownTopicOrPartition),
	}
	opts := options(cluster)
	opts.MaxMessages = 3
	s := open(t, opts)
	var want []int64
	for i, fault := range slices.Concat(faults, faults) {
		for j := range nodes.TSO(20) {
			ts := nodes.TSO(i+1)*100 + j
			apply(t, s, ts)
			want = append(want, int64(ts))
			if j == 10 {
				fault()
			}
		}
	}
	flush(t, s)
	wantCommits(t, &reader{cluster: cluster}, want...)
}

// A broker that answers UNKNOWN_SERVER_ERROR, as one does whose disk is full, is sent everything again until it takes it:
// what it has is not known, so that messages may be there twice.
func TestServerError(t *testing.T) {
	cluster := brokers(t)
	s := open(t, options(cluster))
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.UnknownServerError, Count: 2})
	var want []int64
	for ts := range nodes.TSO(20) {
		apply(t, s, ts+1)
		want = append(want, int64(ts+1))
	}
	flush(t, s)
	var got []int64
	for _, ts := range (&reader{cluster: cluster}).commits(t) {
		if len(got) == 0 || ts > got[len(got)-1] {
			got = append(got, ts)
		}
	}
	if !slices.Equal(got, want) || s.Applied() != 20 {
		t.Errorf("the topic has %v, Applied is %s", got, s.Applied())
	}
}

// Apply waits when too much is on its way, and gives up with its context.
func TestBackpressure(t *testing.T) {
	cluster := brokers(t)
	if err := cluster.CreateTopic(topic, 1, map[string]string{"max.message.bytes": "30000000"}); err != nil {
		t.Fatal(err)
	}
	s := open(t, options(cluster))
	away := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	given := 0
	go func() {
		for {
			err := s.Apply(ctx, sink.Batch{Txns: []*sink.Txn{large(nodes.TSO(given+1), 10<<20)}, Passed: nodes.TSO(given + 1)})
			if err != nil {
				done <- err
				return
			}
			given++
		}
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		waiting := s.waiting
		s.mu.Unlock()
		if waiting > maxWaiting-(11<<20) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d bytes wait", waiting)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || given != 6 {
		t.Errorf("%d transactions of 10 MB were taken, then %v; want 6 of 64 MB", given, err)
	}
	away.Remove()
	flush(t, s)
	if s.Applied() != 6 {
		t.Errorf("Applied: %d", s.Applied())
	}
}

func BenchmarkSink(b *testing.B) {
	for name, count := range map[string]int{"one by one": 1, "batches of 100": 100} {
		b.Run(name, func(b *testing.B) {
			c := brokers(b)
			s := open(b, options(c))
			ts := nodes.TSO(0)
			for b.Loop() {
				var next sink.Batch
				for range count {
					ts++
					next.Txns = append(next.Txns, sinktest.Insert(ts))
				}
				next.Passed = ts
				if err := s.Apply(b.Context(), next); err != nil {
					b.Fatal(err)
				}
			}
			flush(b, s)
			b.ReportMetric(float64(ts)/b.Elapsed().Seconds(), "txns/s")
		})
	}
}

// TestEarlyInterrupted: when the rows do not follow the statement they need, a restart sends them
// without it.
func TestEarlyInterrupted(t *testing.T) {
	for name, before := range map[string]nodes.TSO{"free": 10, "taken": 19} {
		t.Run(name, func(t *testing.T) {
			c := brokers(t)
			early := sinktest.Insert(20)
			early.Early = []sink.Statement{{Query: "ALTER", DDL: &schema.DDL{Schema: "d", Table: "t"}}}
			batch := sink.Batch{Txns: []*sink.Txn{sinktest.Insert(before), early}, Passed: 20}
			// A drainer that ended in the middle leaves what one leaves that had no more to send.
			front := batch
			front.Txns = []*sink.Txn{batch.Txns[0], {CommitTS: 20, Early: early.Early}}
			opts := options(c)
			s := open(t, opts)
			if err := errors.Join(s.Apply(t.Context(), front), s.Flush(t.Context()), s.Close()); err != nil {
				t.Fatal(err)
			}
			r := &reader{cluster: c}
			if got := fmt.Sprint(r.commits(t)); got != fmt.Sprint([]int64{int64(before), 19}) {
				t.Fatalf("the topic has %s", got)
			}
			opts.From = 19 // as far as the topic is
			s = open(t, opts)
			if err := errors.Join(s.Apply(t.Context(), sink.Batch{Txns: batch.Txns[1:], Passed: 20}), s.Flush(t.Context())); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(r.commits(t)); got != fmt.Sprint([]int64{int64(before), 19, 20}) || s.Applied() != 20 {
				t.Errorf("the topic has %s; applied: %s", got, s.Applied())
			}
		})
	}
}

// The message of a statement that runs before its transaction is in the topic, the transaction's is
// refused: the checkpoint may not go between the two.
func TestPartIsNotApplied(t *testing.T) {
	c := brokers(t)
	opts := options(c)
	opts.MaxMessages = 1
	s := open(t, opts)
	apply(t, s, 10)
	flush(t, s)
	var first kmsg.Request // asked about more than once
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: -1, When: func(r kmsg.Request) bool {
		if first == nil {
			first = r
		}
		return r != first
	}})
	early := sinktest.Insert(20)
	early.Early = []sink.Statement{{Query: "ALTER", DDL: &schema.DDL{Schema: "d", Table: "t"}}}
	if err := errors.Join(s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{early}, Passed: 20}), s.Flush(t.Context())); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Fatalf("the refused message: %v", err)
	}
	if at := s.Applied(); at != 10 {
		t.Errorf("applied: %s, want 10", at)
	}
	wantCommits(t, &reader{cluster: c}, 10, 19)
}
