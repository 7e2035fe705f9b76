package tikvmock

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/tikv/client-go/v2/testutils"
	pd "github.com/tikv/pd/client"
	"google.golang.org/grpc"

	"pumphouse/pump/tikv"
)

// cluster is client-go's TiKV in process with its PD. It has the regions, leaders and
// errors of a real one, and panics on a key that is outside the region it is asked of.
type cluster struct {
	t      testing.TB
	pdURL  string
	kv     *testutils.MockClient
	layout *testutils.MockCluster
	pd     pd.Client // knows keys in TiKV's form, as the real one

	storeIDs []uint64
	peerIDs  []uint64 // of the region with the keys of TiDB
	regionID uint64

	mu       sync.Mutex
	large    bool              // answers with all versions do not fit into a message
	refused  func()            // called when a store did not take a request
	leader   func()            // called when PD is asked for a region
	safe     uint64            // GC safe point
	services map[string]uint64 // service safe points; nil: this PD does not know them
	attempts int               // requests to stores
	// scan, if set, answers scans in the store's place.
	scan func(*kvrpcpb.ScanRequest) *kvrpcpb.ScanResponse
}

func newCluster(t testing.TB, n int) *cluster {
	t.Helper()
	kv, layout, mockPD, err := testutils.NewMockTiKV("", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kv.Close() })
	c := &cluster{t: t, kv: kv, layout: layout, pd: mockPD}
	for range n {
		id := layout.AllocID()
		front := &storeFront{c: c}
		front.addr = serve(t, "127.0.0.1:0", func(s *grpc.Server) { tikvpb.RegisterTikvServer(s, front) })
		layout.AddStore(id, front.addr)
		c.storeIDs = append(c.storeIDs, id)
	}
	first := layout.AllocIDs(n)
	c.peerIDs, c.regionID = layout.AllocIDs(n), layout.AllocID()
	id := layout.AllocID()
	layout.Bootstrap(id, c.storeIDs, first, first[0])
	// Borders matter from the start: TiDB's keys, with m and t, are in the second region.
	layout.Split(id, c.regionID, []byte("m"), c.peerIDs, c.peerIDs[0])
	c.pdURL = "http://" + serve(t, "127.0.0.1:0", func(s *grpc.Server) { pdpb.RegisterPDServer(s, &pdFront{c: c}) })
	return c
}

// serve runs a gRPC server until the test ends.
func serve(t testing.TB, at string, register func(*grpc.Server)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.MaxSendMsgSize(1 << 30))
	register(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// resolver is one for this cluster.
func (c *cluster) resolver(change func(*tikv.Options)) *tikv.Resolver {
	c.t.Helper()
	opts := tikv.Options{Endpoints: []string{c.pdURL}, Timeout: 20 * time.Second}
	if change != nil {
		change(&opts)
	}
	r, err := tikv.New(opts)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { r.Close() })
	return r
}

// set changes what the servers read.
func (c *cluster) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// contents is everything the store holds about a key, and all locks, with their TTL.
func (c *cluster) contents(key []byte) (*kvrpcpb.MvccInfo, []*kvrpcpb.LockInfo) {
	c.t.Helper()
	locks, err := c.kv.MvccStore.ScanLock(nil, nil, 1<<63)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.kv.MvccStore.(interface {
		MvccGetByKey([]byte) *kvrpcpb.MvccInfo
	}).MvccGetByKey(key), locks
}

// prewrite leaves a lock that expired long ago and whose min commit TS may be moved: one
// that a careless question would change.
func (c *cluster) prewrite(startTS uint64, op kvrpcpb.Op, key []byte) {
	c.t.Helper()
	for _, err := range c.kv.MvccStore.Prewrite(&kvrpcpb.PrewriteRequest{
		Mutations:   []*kvrpcpb.Mutation{{Op: op, Key: key, Value: []byte("v")}},
		PrimaryLock: key, StartVersion: startTS, LockTtl: 1, MinCommitTs: startTS + 1,
	}) {
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *cluster) commit(startTS, commitTS uint64, key []byte) {
	c.t.Helper()
	if err := c.kv.MvccStore.Commit([][]byte{key}, startTS, commitTS); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) rollback(startTS uint64, key []byte) {
	c.t.Helper()
	if err := c.kv.MvccStore.Rollback([][]byte{key}, startTS); err != nil {
		c.t.Fatal(err)
	}
}

// split divides the region of TiDB's keys.
func (c *cluster) split(at string) {
	ids := c.layout.AllocIDs(1 + len(c.storeIDs))
	c.layout.Split(c.regionID, ids[0], []byte(at), ids[1:], ids[1])
}

// storeFront serves one store.
type storeFront struct {
	tikvpb.UnimplementedTikvServer
	c    *cluster
	addr string
}

func (f *storeFront) MvccGetByKey(ctx context.Context, req *kvrpcpb.MvccGetByKeyRequest) (*kvrpcpb.MvccGetByKeyResponse, error) {
	resp, err := send[*kvrpcpb.MvccGetByKeyResponse](ctx, f, cmdMvccGetByKey, req, req.Context)
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.c.large && resp.GetInfo() != nil {
		resp.Info.Values = append(resp.Info.Values, &kvrpcpb.MvccValue{Value: make([]byte, 16<<20)})
	}
	return resp, err
}

func (f *storeFront) KvCheckTxnStatus(ctx context.Context, req *kvrpcpb.CheckTxnStatusRequest) (*kvrpcpb.CheckTxnStatusResponse, error) {
	return send[*kvrpcpb.CheckTxnStatusResponse](ctx, f, cmdCheckTxnStatus, req, req.Context)
}
