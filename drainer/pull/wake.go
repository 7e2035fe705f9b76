package pull

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
)

const (
	// wakeEvery is how often pumps are woken at most. A pump that was woken tells the time often for three times as long.
	wakeEvery = time.Second
	// wakeTimeout bounds one call. Nobody waits for it.
	wakeTimeout = 5 * time.Second
)

// wakes is what the merge tells the pullers by.
type wakes struct {
	base time.Time
	last atomic.Int64  // nanoseconds after base
	ask  chan struct{} // capacity 1
}

func newWakes() *wakes {
	w := &wakes{base: time.Now(), ask: make(chan struct{}, 1)}
	w.last.Store(-int64(wakeEvery))
	return w
}

// Wake has pumps that tell the time seldom, because they are idle, tell it now and often: transactions
// of other pumps wait for it. It only takes a note, holds no lock, and may be called as often as anybody likes.
func (g *Group) Wake() {
	w := g.wakes
	now, last := int64(time.Since(w.base)), w.last.Load()
	if now-last < int64(wakeEvery) || !w.last.CompareAndSwap(last, now) {
		return
	}
	select {
	case w.ask <- struct{}{}:
	default:
	}
}

// wakeAll passes what Wake notes on to every puller, until ctx is done. Pumps with traffic are told too: that costs
// less than to find out which of them have some.
func (g *Group) wakeAll(ctx context.Context) {
	for {
		select {
		case <-g.wakes.ask:
		case <-ctx.Done():
			return
		}
		g.mu.Lock()
		for _, p := range g.pumps {
			select {
			case p.wake <- struct{}{}:
			default:
			}
		}
		g.mu.Unlock()
	}
}

// keepAwake calls the pump when it is to be woken, until its stream ends or it says that it need not be. A call that fails
// otherwise is not repeated: where the pump cannot be reached the stream ends too, and a pump that is pulled from anew is awake.
func (p *puller) keepAwake(ctx context.Context, conn *grpc.ClientConn) {
	for {
		select {
		case <-p.wake:
		case <-ctx.Done():
			return
		}
		call, cancel := context.WithTimeout(ctx, wakeTimeout)
		err := binlogpb.Wake(call, conn, p.g.opts.ClusterID, grpc.ForceCodecV2(binlogpb.Codec{}))
		cancel()
		if status.Code(err) == codes.Unimplemented { // it tells the time as often as it always did
			return
		}
	}
}
