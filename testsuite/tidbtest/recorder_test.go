package tidbtest

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
)

// recorder stands where a pump would and keeps what TiDB sends, byte for byte. It is an
// instrument to see TiDB with, not a pump: it stores nothing and serves nobody.
type recorder struct {
	binlogpb.UnimplementedPumpServer
	addr string

	mu     sync.Mutex // guards the rest
	writes []arrival
	refuse func(arrival) error // nil: take everything
}

// arrival is one call of WriteBinlog.
type arrival struct {
	at        time.Time
	clusterID uint64
	payload   []byte
	metadata  metadata.MD
}

// startRecorder serves one on a free port and puts an online pump's record into PD.
func startRecorder(t *testing.T, pd *pdtest.Cluster, nodeID string) *recorder {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{addr: lis.Addr().String()}
	g := grpc.NewServer(grpc.MaxRecvMsgSize(1 << 30))
	binlogpb.RegisterPumpServer(g, r)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := g.Serve(lis); err != nil {
			t.Errorf("serve the recorder: %v", err)
		}
	}()
	t.Cleanup(func() {
		g.Stop()
		<-served
	})
	r.setState(t, pd, nodeID, nodes.Online)
	return r
}

// setState writes the recorder's record as a pump would.
func (r *recorder) setState(t *testing.T, pd *pdtest.Cluster, nodeID string, s nodes.State) {
	t.Helper()
	rec, err := nodes.EncodeRecord(nodes.Record{NodeID: nodeID, Host: r.addr, State: s})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := pd.Etcd().Put(ctx, "/tidb-binlog/v1/pumps/"+nodeID, string(rec)); err != nil {
		t.Fatalf("write the recorder's record: %v", err)
	}
}

// WriteBinlog keeps a copy of the call and answers as refuse says.
func (r *recorder) WriteBinlog(ctx context.Context, req *binlogpb.WriteBinlogReq) (*binlogpb.WriteBinlogResp, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	a := arrival{at: time.Now(), clusterID: req.GetClusterID(), payload: req.GetPayload(), metadata: md}
	r.mu.Lock()
	r.writes = append(r.writes, a)
	refuse := r.refuse
	r.mu.Unlock()
	if refuse != nil {
		if err := refuse(a); err != nil {
			return nil, err
		}
	}
	return &binlogpb.WriteBinlogResp{}, nil
}

// arrivals is what has come so far, in order of arrival.
func (r *recorder) arrivals() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]arrival(nil), r.writes...)
}

// settled waits until every prewrite that came has its commit or rollback, which TiDB
// writes behind the client's back, and answers all of it.
func (r *recorder) settled(t *testing.T) []arrival {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		all := r.arrivals()
		open := make(map[int64]bool)
		for _, a := range all {
			h, err := binlogpb.Peek(a.payload)
			if err != nil {
				t.Fatal(err)
			}
			if h.Type == binlogpb.BinlogType_Prewrite {
				open[h.StartTS] = true
			} else {
				delete(open, h.StartTS)
			}
		}
		if len(open) == 0 {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d prewrites are without commit or rollback after 30 s", len(open))
		}
		time.Sleep(20 * time.Millisecond) // a poll of what another process does
	}
}
