package binlogpb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// echo is a pump that delivers what it was sent, at commit TS 99.
type echo struct {
	UnimplementedPumpServer
	stored [][]byte
}

func (e *echo) WriteBinlog(_ context.Context, r *WriteBinlogReq) (*WriteBinlogResp, error) {
	if r.ClusterID != 7 {
		return &WriteBinlogResp{Errmsg: "wrong cluster"}, nil
	}
	e.stored = append(e.stored, r.Payload)
	return &WriteBinlogResp{}, nil
}

func (e *echo) PullBinlogs(r *PullBinlogReq, stream grpc.ServerStreamingServer[PullBinlogResp]) error {
	for _, payload := range e.stored {
		d := &Delivery{StartTS: r.GetStartFrom().GetOffset(), CommitTS: 99, Payload: payload}
		if err := stream.SendMsg(d); err != nil {
			return err
		}
		clear(payload) // SendMsg must be done with it
	}
	return nil
}

// TestCodecOverGRPC has a server with our codec speak with clients that use ours and
// gRPC's own, over a real connection.
func TestCodecOverGRPC(t *testing.T) {
	for name, call := range map[string][]grpc.CallOption{
		"gRPC's codec": nil,
		"our codec":    {grpc.ForceCodecV2(Codec{})},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := grpc.NewServer(grpc.ForceServerCodecV2(Codec{}), grpc.MaxRecvMsgSize(32<<20))
			RegisterPumpServer(server, &echo{})
			served := make(chan error, 1)
			go func() { served <- server.Serve(l) }()
			defer func() {
				server.Stop()
				if err := <-served; err != nil {
					t.Error(err)
				}
			}()
			conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithDefaultCallOptions(append(call, grpc.MaxCallRecvMsgSize(32<<20))...))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			speak(t, NewPumpClient(conn))
		})
	}
}

func speak(t *testing.T, pump PumpClient) {
	ctx := context.Background()
	resp, err := pump.WriteBinlog(ctx, &WriteBinlogReq{ClusterID: 8})
	if err != nil || resp.GetErrmsg() != "wrong cluster" {
		t.Fatalf("%v, %v", resp, err)
	}
	var want [][]byte
	for _, size := range []int{0, 1, 300, 5000, 100_000, 20 << 20} { // one buffer, and many
		b := samplePrewrite()
		b.PrewriteValue = bytes.Repeat([]byte{byte(size)}, size)
		payload, err := EncodeBinlog(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pump.WriteBinlog(ctx, &WriteBinlogReq{ClusterID: 7, Payload: payload}); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		delivered, err := appendCommitted(nil, payload, 99)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, delivered)
	}
	stream, err := pump.PullBinlogs(ctx, &PullBinlogReq{ClusterID: 7, StartFrom: &Pos{Offset: 55}})
	if err != nil {
		t.Fatal(err)
	}
	for i, payload := range want {
		got, err := stream.Recv()
		if err != nil {
			t.Fatalf("entity %d: %v", i, err)
		}
		e := got.GetEntity()
		if e.GetMeta().GetStartTs() != 55 || e.GetMeta().GetCommitTs() != 99 || !bytes.Equal(e.GetPayload(), payload) {
			t.Fatalf("entity %d: %v with %d bytes", i, e.GetMeta(), len(e.GetPayload()))
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last: %v", err)
	}
}

// TestCodecSuccess: success is an empty message, and replaces what a response held before.
func TestCodecSuccess(t *testing.T) {
	data, err := Codec{}.Marshal(&WriteBinlogResp{})
	if err != nil || data.Len() != 0 {
		t.Fatalf("success takes %d bytes, %v", data.Len(), err)
	}
	again := &WriteBinlogResp{Errmsg: "the last call failed"}
	if err := (Codec{}).Unmarshal(data, again); err != nil || again.Errmsg != "" {
		t.Errorf("%v, %v", again, err)
	}
}
