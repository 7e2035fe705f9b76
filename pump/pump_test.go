package pump

import (
	"context"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/nodes/embedpd"
	"pumphouse/nodes/pd"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func TestSmoke(t *testing.T) {
	srv, err := embedpd.New(embedpd.Options{Addr: "127.0.0.1:0", DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	etcd, err := nodes.NewClient([]string{srv.URL()}, nil, time.Second*5)
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Close()
	clock, err := pd.New(pd.Options{Endpoints: []string{srv.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer clock.Close()
	reg := nodes.NewRegistry(etcd, 5*time.Second)
	p, err := New(Options{NodeID: "pump1", Addr: "127.0.0.1:0", DataDir: t.TempDir(), Registry: reg, PD: clock, StopWriteAtAvailable: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(p.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cli := binlogpb.NewPumpClient(conn)
	stream, err := cli.PullBinlogs(t.Context(), &binlogpb.PullBinlogReq{ClusterID: srv.ClusterID()})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	start, _ := clock.TSO(ctx)
	tp := binlogpb.BinlogType_Prewrite
	st := int64(start)
	b, _ := binlogpb.EncodeBinlog(&binlogpb.Binlog{Tp: &tp, StartTs: &st, PrewriteKey: []byte("k"), PrewriteValue: []byte{8, 0}})
	if _, err := cli.WriteBinlog(ctx, &binlogpb.WriteBinlogReq{ClusterID: srv.ClusterID(), Payload: b}); err != nil {
		t.Fatal(err)
	}
	commit, _ := clock.TSO(ctx)
	tp2 := binlogpb.BinlogType_Commit
	ct := int64(commit)
	b, _ = binlogpb.EncodeBinlog(&binlogpb.Binlog{Tp: &tp2, StartTs: &st, CommitTs: &ct})
	if _, err := cli.WriteBinlog(ctx, &binlogpb.WriteBinlogReq{ClusterID: srv.ClusterID(), Payload: b}); err != nil {
		t.Fatal(err)
	}
	for {
		e, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		t.Log(e.Entity.Meta)
		if e.Entity.Meta.GetCommitTs() == ct {
			break
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err == nil || err.Error() != "EOF" {
		t.Log(err)
	}
	e, err := reg.Get(ctx, nodes.Pump, "pump1")
	t.Log(e.Record, err)
}
