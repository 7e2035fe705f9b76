package pump

import (
	"context"
	"time"

	"pumphouse/nodes"
)

// How soon the clock is forwarded while somebody pulls: soon after traffic, when other
// pumps are likely to have some too, and less often the longer it is quiet.
const (
	clockSoon = 20 * time.Millisecond
	clockIdle = 100 * time.Millisecond
)

// tell forwards PD's clock to the store while there is no traffic that does, so that a
// drainer which merges several pumps is not held back by an idle one. A TSO of PD is
// larger than the commit TS of everything acknowledged before it was asked for or is
// still unresolved here, which is what [storage.Store.Advance] wants.
func (p *Pump) tell(ctx context.Context) error {
	pace := clockSoon
	seen := p.store.MaxCommitTS()
	written := p.store.LastCommitTS()
	for {
		wait := min(pace, p.opts.FakeInterval)
		if p.pullers.n.Load() == 0 {
			wait = p.opts.FakeInterval
		}
		if !p.clockSleep(ctx, wait) {
			return nil
		}
		if now := p.store.LastCommitTS(); now != written { // real traffic
			written, pace = now, clockSoon
		} else {
			pace = min(pace+pace/20+time.Millisecond, clockIdle)
		}
		if now := p.store.MaxCommitTS(); now != seen { // it moves by itself
			seen = now
			continue
		}
		ts, err := p.opts.PD.TSO(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			// The agent's heartbeat says that PD is away; here it is enough not to press it.
			pace = clockIdle
			if !p.clockSleep(ctx, time.Second) {
				return nil
			}
			continue
		}
		p.store.Advance(ts)
		seen = max(p.store.MaxCommitTS(), nodes.TSO(0))
	}
}

// clockSleep waits, but not longer than until somebody begins to pull.
func (p *Pump) clockSleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.pullers.came:
		return true
	case <-ctx.Done():
		return false
	}
}
