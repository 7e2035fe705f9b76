package pump

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// TestPullsInPacks: a drainer that takes packs is sent what others are sent, in the same order, in fewer messages; what a pack has no
// room for comes on its own, and what comes later is not waited for.
func TestPullsInPacks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.open(r.options("pump1"))
	conn := r.dial(p)
	var last nodes.TSO
	const many = 100
	for i := range many {
		size := 100
		if i%40 == 30 {
			size = 100_000
		}
		last = r.transaction(conn, bytes.Repeat([]byte{byte(i)}, size))
	}
	r.until(r.pull(conn, 0), last) // everything is sorted
	want := r.until(r.pull(conn, 0), last)
	if len(want) != many {
		t.Fatalf("%d transactions came, of %d", len(want), many)
	}
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), binlogpb.PacksKey, "1"), time.Minute)
	defer cancel()
	stream, err := binlogpb.NewPumpClient(conn).PullBinlogs(ctx, &binlogpb.PullBinlogReq{ClusterID: r.cluster, StartFrom: &binlogpb.Pos{}},
		grpc.ForceCodecV2(binlogpb.Codec{}))
	if err != nil {
		t.Fatal(err)
	}
	pulled := func(last nodes.TSO) (all []nodes.TSO, messages int) {
		for reached := nodes.TSO(0); reached < last; messages++ {
			var pack binlogpb.Pack
			if err := stream.RecvMsg(&pack); err != nil {
				t.Fatal(err)
			}
			told := false // the time, which comes when there is nothing else
			if err := pack.Each(func(d binlogpb.Delivery) error {
				if told {
					return fmt.Errorf("a message of what there was goes on with commit TS %d, from later", d.CommitTS)
				}
				if told = d.Fake(); !told {
					all = append(all, nodes.TSO(d.StartTS))
				}
				reached = nodes.TSO(d.CommitTS)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		return all, messages
	}
	got, messages := pulled(last)
	if !slices.Equal(got, want) || messages > many/4 {
		t.Errorf("%d transactions came in %d messages, alone %d", len(got), messages, len(want))
	}
	if got, _ := pulled(r.transaction(conn, []byte("later"))); len(got) != 1 {
		t.Errorf("%d transactions came later", len(got))
	}
}
