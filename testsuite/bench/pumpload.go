package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/nodes/pd"
)

// loadClock gives the timestamps of the load. They are a little later than PD's, so that the pump
// sees no commit older than the time that PD has told it, and not so much later that it would refuse
// them as none of PD's.
type loadClock struct{ last atomic.Int64 }

const loadLead = 25 * time.Millisecond

func newLoadClock() *loadClock { return &loadClock{} }

func (c *loadClock) next() (int64, error) {
	now := int64(nodes.MakeTSO(time.Now().Add(loadLead), 0))
	for {
		last := c.last.Load()
		if ts := max(last+1, now); c.last.CompareAndSwap(last, ts) {
			return ts, nil
		}
	}
}

// dial opens the one connection of a load, as TiDB's client does, with our codec.
func dial(addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(binlogpb.Codec{}), grpc.MaxCallRecvMsgSize(1<<30), grpc.StaticMethod()),
		grpc.WithInitialWindowSize(4<<20), grpc.WithInitialConnWindowSize(8<<20),
		grpc.WithReadBufferSize(128<<10), grpc.WithWriteBufferSize(128<<10))
}

// writer sends one transaction after the other. Its messages are made once; only the
// timestamps in them change, which have 9 bytes as varints until the year 2248.
type writer struct {
	conn             *grpc.ClientConn
	next             func() (int64, error) // gives timestamps
	prewrite, commit binlogpb.WriteBinlogReq
	resp             binlogpb.WriteBinlogResp
}

const tsBytes = 9

func newWriter(conn *grpc.ClientConn, next func() (int64, error), cluster uint64, size int) (*writer, error) {
	w := &writer{conn: conn, next: next}
	w.prewrite.ClusterID, w.commit.ClusterID = cluster, cluster
	ts := int64(nodes.MakeTSO(time.Now(), 0)) // only its length matters
	prewrite := func(value int) (err error) {
		w.prewrite.Payload, err = binlogpb.EncodeBinlog(&binlogpb.Binlog{Tp: binlogpb.BinlogType_Prewrite.Enum(), StartTs: &ts,
			PrewriteKey: []byte("t_r_00000001"), PrewriteValue: make([]byte, value)})
		return err
	}
	if err := prewrite(0); err != nil {
		return nil, err
	}
	value := size - len(w.prewrite.Payload)
	if value > 127 {
		value-- // its length takes two bytes
	}
	if err := prewrite(value); err != nil {
		return nil, err
	}
	var err error
	w.commit.Payload, err = binlogpb.EncodeBinlog(&binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: &ts, CommitTs: &ts})
	return w, err
}

// txn writes a prewrite and its commit, and gives the commit TS.
func (w *writer) txn(ctx context.Context) (commitTS int64, err error) {
	startTS, err := w.begin(ctx)
	if err != nil {
		return 0, err
	}
	return w.end(ctx, startTS)
}

// begin writes a prewrite alone.
func (w *writer) begin(ctx context.Context) (startTS int64, err error) {
	if startTS, err = w.next(); err != nil {
		return 0, err
	}
	binary.PutUvarint(w.prewrite.Payload[3:], uint64(startTS))
	return startTS, w.send(ctx, &w.prewrite)
}

// end writes the commit of a prewrite.
func (w *writer) end(ctx context.Context, startTS int64) (commitTS int64, err error) {
	if commitTS, err = w.next(); err != nil {
		return 0, err
	}
	binary.PutUvarint(w.commit.Payload[3:], uint64(startTS))
	binary.PutUvarint(w.commit.Payload[3+tsBytes+1:], uint64(commitTS))
	return commitTS, w.send(ctx, &w.commit)
}

func (w *writer) send(ctx context.Context, req *binlogpb.WriteBinlogReq) error {
	if err := w.conn.Invoke(ctx, binlogpb.Pump_WriteBinlog_FullMethodName, req, &w.resp); err != nil {
		return err
	}
	if w.resp.Errmsg != "" {
		return fmt.Errorf("refused: %s", w.resp.Errmsg)
	}
	return nil
}

// loaded is what a load came to. CPU is in microseconds an operation.
type loaded struct {
	perSecond            float64
	p50, p99             time.Duration
	serverCPU, loaderCPU float64
	rss                  int64
}

// load runs transactions of so many writers against a server for b.d.
func (b *pumpBench) load(ctx context.Context, server *process, writers, size int) (loaded, error) {
	cluster, err := clusterID(ctx, b.pdURL)
	if err != nil {
		return loaded{}, err
	}
	conn, err := dial(lastField(server.line))
	if err != nil {
		return loaded{}, err
	}
	defer conn.Close()
	var (
		clock = newLoadClock()
		mu    sync.Mutex
		took  []time.Duration
	)
	got, err := metered(server, writers, b.d, func(int) (func() error, func(), error) {
		w, err := newWriter(conn, clock.next, cluster, size)
		var mine []time.Duration
		op := func() error {
			began := time.Now()
			_, err := w.txn(ctx)
			mine = append(mine, time.Since(began))
			return err
		}
		return op, func() { mu.Lock(); took = append(took, mine...); mu.Unlock() }, err
	})
	if err != nil {
		return loaded{}, err
	}
	slices.Sort(took)
	got.p50, got.p99 = took[len(took)/2], took[len(took)*99/100]
	return got, nil
}

// fill writes count transactions.
func fill(ctx context.Context, pdURL, addr string, size, count int) error {
	cluster, err := clusterID(ctx, pdURL)
	if err != nil {
		return err
	}
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	clock := newLoadClock()
	var (
		left atomic.Int64
		wg   sync.WaitGroup
		once sync.Once
		fail error
	)
	left.Store(int64(count))
	for range 128 {
		w, err := newWriter(conn, clock.next, cluster, size)
		if err != nil {
			return err
		}
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := w.txn(ctx); err != nil {
					once.Do(func() { fail = err })
					return
				}
			}
		})
	}
	wg.Wait()
	return fail
}

// pull reads count binlogs from TS 0, again and again for b.d at least, with metadata.
func (b *pumpBench) pull(ctx context.Context, server *process, count int, keys ...string) (loaded, error) {
	cluster, err := clusterID(ctx, b.pdURL)
	if err != nil {
		return loaded{}, err
	}
	conn, err := dial(lastField(server.line))
	if err != nil {
		return loaded{}, err
	}
	defer conn.Close()
	ctx = metadata.AppendToOutgoingContext(ctx, keys...)
	if err := pullOnce(ctx, conn, cluster, count); err != nil { // warms caches up
		return loaded{}, err
	}
	meter := newMeter(server)
	began, n := time.Now(), 0
	for time.Since(began) < b.d {
		if err := pullOnce(ctx, conn, cluster, count); err != nil {
			return loaded{}, err
		}
		n += count
	}
	took := time.Since(began)
	got := meter.stop(float64(n))
	got.perSecond = float64(n) / took.Seconds()
	return got, nil
}

// pullOnce reads count binlogs from TS 0.
func pullOnce(ctx context.Context, conn *grpc.ClientConn, cluster uint64, count int) error {
	last := int64(0)
	return pullSome(ctx, conn, cluster, 0, count, func(_ int, ts int64) error {
		if ts < last {
			return fmt.Errorf("commit TS %d came after %d", ts, last)
		}
		last = ts
		return nil
	})
}

// pullSome reads count binlogs after a commit TS. check is given the commit TS of each, and of each fake one, and how many
// came before.
func pullSome(ctx context.Context, conn *grpc.ClientConn, cluster uint64, after int64, count int, check func(n int, ts int64) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := openPullAfter(ctx, conn, cluster, after)
	if err != nil {
		return err
	}
	var pack binlogpb.Pack
	for n := 0; n < count; {
		if err := stream.RecvMsg(&pack); err != nil {
			return err
		}
		err := pack.Each(func(d binlogpb.Delivery) error {
			if err := check(n, d.CommitTS); err != nil {
				return err
			}
			if !d.Fake() {
				n++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// openPull asks for everything from TS 0 on.
func openPull(ctx context.Context, conn *grpc.ClientConn, cluster uint64) (grpc.ClientStream, error) {
	return openPullAfter(ctx, conn, cluster, 0)
}

// openPullAfter asks for everything after a commit TS.
func openPullAfter(ctx context.Context, conn *grpc.ClientConn, cluster uint64, ts int64) (grpc.ClientStream, error) {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, binlogpb.Pump_PullBinlogs_FullMethodName)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(&binlogpb.PullBinlogReq{ClusterID: cluster, StartFrom: &binlogpb.Pos{Offset: ts}}); err != nil {
		return nil, err
	}
	return stream, stream.CloseSend()
}

func clusterID(ctx context.Context, pdURL string) (uint64, error) {
	c, err := pd.New(pd.Options{Endpoints: []string{pdURL}})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.ClusterID(ctx)
}
