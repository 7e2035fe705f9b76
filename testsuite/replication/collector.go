package replication

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/pingcap/kvproto/pkg/pdpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"pumphouse/nodes"
	"pumphouse/nodes/pd"
)

// Collector moves PD's GC safe point on as TiDB's garbage collection does, but all the time and not every
// 10 minutes: up to what is Life old, what the transactions of a live TiDB started at, and what
// services hold in PD.
type Collector struct {
	Life time.Duration

	conn    *grpc.ClientConn
	pd      pdpb.PDClient
	clock   *pd.Client
	cluster uint64

	mu   sync.Mutex
	live map[nodes.TSO]bool
	safe nodes.TSO
}

// NewCollector is for the PD at that endpoint.
func NewCollector(ctx context.Context, endpoint string, life time.Duration) (*Collector, error) {
	clock, err := pd.New(pd.Options{Endpoints: []string{endpoint}})
	if err != nil {
		return nil, err
	}
	id, err := clock.ClusterID(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(strings.TrimPrefix(endpoint, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return &Collector{Life: life, conn: conn, pd: pdpb.NewPDClient(conn), clock: clock, cluster: id, live: make(map[nodes.TSO]bool)}, nil
}

// TSO is a timestamp of PD.
func (c *Collector) TSO(ctx context.Context) (nodes.TSO, error) { return c.clock.TSO(ctx) }

// Close ends the connections.
func (c *Collector) Close() {
	_ = c.conn.Close()
	_ = c.clock.Close()
}

// Runs says that a TiDB runs a transaction, as TiDB tells its garbage collection.
func (c *Collector) Runs(start nodes.TSO) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live[start] = true
}

// Ended says that it no longer does.
func (c *Collector) Ended(start nodes.TSO) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.live, start)
}

// Safe is PD's GC safe point.
func (c *Collector) Safe() nodes.TSO {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.safe
}

// Run collects until ctx ends.
func (c *Collector) Run(ctx context.Context) error {
	for {
		if err := c.collect(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *Collector) collect(ctx context.Context) error {
	now, err := c.TSO(ctx)
	if err != nil {
		return err
	}
	want := nodes.MakeTSO(now.Time().Add(-c.Life), 0)
	c.mu.Lock()
	for start := range c.live {
		want = min(want, start-1)
	}
	c.mu.Unlock()
	header := &pdpb.RequestHeader{ClusterId: c.cluster}
	held, err := c.pd.UpdateServiceGCSafePoint(ctx, &pdpb.UpdateServiceGCSafePointRequest{
		Header: header, ServiceId: []byte("gc_worker"), TTL: math.MaxInt64, SafePoint: uint64(want)})
	if err != nil || held.GetHeader().GetError() != nil {
		return fmt.Errorf("update the service safe point of TiDB's garbage collection: %v, %v", held.GetHeader().GetError(), err)
	}
	done, err := c.pd.UpdateGCSafePoint(ctx, &pdpb.UpdateGCSafePointRequest{Header: header, SafePoint: held.GetMinSafePoint()})
	if err != nil || done.GetHeader().GetError() != nil {
		return fmt.Errorf("update the GC safe point: %v, %v", done.GetHeader().GetError(), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.safe = nodes.TSO(done.GetNewSafePoint())
	return nil
}
