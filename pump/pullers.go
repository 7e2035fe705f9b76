package pump

import (
	"context"
	"sync/atomic"
	"time"

	"pumphouse/binlogpb"
)

// pullers counts the streams that are open, and wakes the clock for those who pull.
type pullers struct {
	n     atomic.Int64
	plain atomic.Int64  // of them: those who do not wake a clock that rests
	came  chan struct{} // capacity 1: ends the clock's sleep

	news  atomic.Bool // somebody has use for the time, since the last wasWoken
	rests atomic.Bool // the clock sleeps until there is news
}

// enter counts a stream until leave is called.
func (p *pullers) enter(wakes bool) (leave func()) {
	p.n.Add(1)
	if !wakes {
		p.plain.Add(1)
	}
	p.news.Store(true)
	p.endSleep()
	return func() {
		p.n.Add(-1)
		if !wakes {
			p.plain.Add(-1)
		}
	}
}

// allWake reports whether all who pull wake a clock that rests.
func (p *pullers) allWake() bool { return p.plain.Load() == 0 }

// wake ends the rest of the clock. One that does not rest goes on as it does: nobody makes it
// faster than traffic would.
func (p *pullers) wake() {
	if !p.news.Load() {
		p.news.Store(true)
	}
	if p.rests.Load() && p.rests.CompareAndSwap(true, false) {
		p.endSleep()
	}
}

// wasWoken reports whether there was news since the last call.
func (p *pullers) wasWoken() bool { return p.news.Swap(false) }

func (p *pullers) endSleep() {
	select {
	case p.came <- struct{}{}:
	default:
	}
}

// sleep waits for d, but not longer than until somebody begins to pull, or, if the clock rests, until it is woken.
func (p *pullers) sleep(ctx context.Context, d time.Duration, rests bool) bool {
	if rests {
		p.rests.Store(true)
		defer p.rests.Store(false)
		if p.news.Load() { // since the clock has looked
			return ctx.Err() == nil
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-p.came:
		return true
	case <-ctx.Done():
		return false
	}
}

// Wake implements [binlogpb.WakeServer].
func (s service) Wake(ctx context.Context, req *binlogpb.PullBinlogReq) (*binlogpb.WriteBinlogResp, error) {
	if req.ClusterID != s.clusterID {
		return nil, s.wrongCluster(req.ClusterID)
	}
	vouch(ctx)
	s.pullers.wake()
	return &binlogpb.WriteBinlogResp{}, nil
}
