package pump

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
)

// A pump rests while nobody but those who wake it pulls, and tells the time when it is woken by one of the cluster, or written to.
func TestWake(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.open(r.options("pump1"))
	conn := r.dial(p)
	ctx := metadata.AppendToOutgoingContext(t.Context(), binlogpb.WakesKey, "1")
	stream, err := binlogpb.NewPumpClient(conn).PullBinlogs(ctx, &binlogpb.PullBinlogReq{ClusterID: r.cluster, StartFrom: &binlogpb.Pos{}})
	if err != nil {
		t.Fatal(err)
	}
	r.until(stream, r.tso())
	rests := func() {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !p.pullers.rests.Load(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the clock of an idle pump does not rest")
			}
		}
	}
	rests()
	if err := binlogpb.Wake(t.Context(), conn, r.cluster+1); status.Code(err) != codes.InvalidArgument || !p.pullers.rests.Load() {
		t.Errorf("woken by somebody of another cluster: %v", err)
	}
	if err := binlogpb.Wake(t.Context(), conn, r.cluster); err != nil || p.pullers.rests.Load() {
		t.Errorf("woken: %v, rests: %t", err, p.pullers.rests.Load())
	}
	r.until(stream, r.tso())
	rests()
	r.transaction(conn, []byte("v"))
	if p.pullers.rests.Load() {
		t.Error("it rests after a write")
	}
	r.until(stream, r.tso())

	// One that does not wake it, such as an upstream drainer.
	plain, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := binlogpb.NewPumpClient(conn).PullBinlogs(plain, &binlogpb.PullBinlogReq{ClusterID: r.cluster, StartFrom: &binlogpb.Pos{}}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); p.pullers.allWake(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the pump has not noticed")
		}
	}
}
