package pd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pingcap/kvproto/pkg/pdpb"
	"google.golang.org/grpc"

	"pumphouse/nodes"
)

// stream is an open pdpb.PD/Tso stream to one member.
type stream struct {
	addr     string
	rpc      pdpb.PD_TsoClient
	cancel   context.CancelFunc
	watchdog *time.Timer // cancels the stream when an answer does not come
	timeout  time.Duration
}

// openStream opens a stream that lives until close or the end of life. Whether the
// member leads shows at the first exchange.
func openStream(life context.Context, conn *grpc.ClientConn, addr string, timeout time.Duration) (*stream, error) {
	ctx, cancel := context.WithCancel(life)
	s := &stream{addr: addr, cancel: cancel, timeout: timeout, watchdog: time.AfterFunc(timeout, cancel)}
	rpc, err := pdpb.NewPDClient(conn).Tso(ctx)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("open a stream of timestamps to %s: %w", addr, err)
	}
	s.watchdog.Stop()
	s.rpc = rpc
	return s, nil
}

func (s *stream) close() {
	s.watchdog.Stop()
	s.cancel()
}

// exchange asks for count timestamps and gives the first and the distance from each to
// the next. After an error the stream is of no more use.
func (s *stream) exchange(clusterID uint64, count int) (first, step nodes.TSO, err error) {
	s.watchdog.Reset(s.timeout)
	defer s.watchdog.Stop()
	err = s.rpc.Send(&pdpb.TsoRequest{
		Header: &pdpb.RequestHeader{ClusterId: clusterID},
		Count:  uint32(count),
	})
	// When Send fails the stream has ended, and Recv knows why.
	resp, recvErr := s.rpc.Recv()
	switch {
	case recvErr != nil:
		return 0, 0, recvErr
	case err != nil:
		return 0, 0, err
	}
	return readTSO(resp, clusterID, count)
}

// readTSO takes the answer apart. Its logical part is that of the last timestamp; the
// low suffix bits, if any, name a data centre and are equal in all of them.
func readTSO(resp *pdpb.TsoResponse, clusterID uint64, count int) (first, step nodes.TSO, err error) {
	ts := resp.GetTimestamp()
	switch h := resp.GetHeader(); {
	case h.GetError() != nil:
		return 0, 0, errors.New(h.GetError().GetMessage())
	case h.GetClusterId() != clusterID:
		return 0, 0, fmt.Errorf("%w: the answer is from cluster %d, want %d", ErrOtherCluster, h.GetClusterId(), clusterID)
	case int(resp.GetCount()) != count:
		return 0, 0, fmt.Errorf("got %d timestamps, want %d", resp.GetCount(), count)
	}
	bits := ts.GetSuffixBits()
	before := int64(count-1) << min(bits, 18)
	if ts.GetPhysical() <= 0 || ts.GetPhysical() >= 1<<45 || ts.GetLogical() < before || ts.GetLogical() > nodes.MaxLogical || bits > 17 {
		return 0, 0, fmt.Errorf("%d timestamps up to physical %d, logical %d with %d suffix bits make no sense",
			count, ts.GetPhysical(), ts.GetLogical(), bits)
	}
	first = nodes.MakeTSO(time.UnixMilli(ts.GetPhysical()), ts.GetLogical()-before)
	return first, 1 << bits, nil
}
