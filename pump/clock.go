package pump

import (
	"context"
	"time"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// How often the clock is forwarded while somebody pulls: soon after traffic, when other
// pumps are likely to have some too, and less often while it is quiet. A drainer that
// merges pumps waits that long for an idle one.
const (
	clockSoon = 20 * time.Millisecond
	clockIdle = 50 * time.Millisecond
	// clockRetry is how long a PD that gave no answer is left alone.
	clockRetry = time.Second
)

// clock forwards PD's time to the store, so that a drainer which merges several pumps is
// not held back by one without traffic. Every prewrite that is acknowledged after PD gave
// out a TSO commits after that TSO, whenever its news arrives here; what was acknowledged
// before and is still unresolved holds the order in the store. That is all that
// [storage.Store.Advance] wants.
type clock struct {
	store    *storage.Store
	tso      func(context.Context) (nodes.TSO, error)
	pulled   func() bool   // whether anybody pulls
	interval time.Duration // the longest pace, and the one when nobody pulls
	// sleep waits for d, or until a pull begins; false: ctx has ended.
	sleep func(ctx context.Context, d time.Duration) bool

	pace time.Duration
	last nodes.TSO // of the store's transactions at the last look
}

// run forwards the time until ctx ends. It never gives up: while PD is away writes go on,
// and the agent's heartbeat says that it is.
func (c *clock) run(ctx context.Context) {
	c.last, c.pace = c.store.LastCommitTS(), clockSoon
	for c.sleep(ctx, c.wait()) {
		ts, err := c.tso(ctx)
		if err != nil {
			c.pace = clockRetry
			continue
		}
		c.store.Advance(ts)
		c.adapt()
	}
}

// adapt chooses the pace after the time was forwarded.
func (c *clock) adapt() {
	last := c.store.LastCommitTS()
	switch {
	case last != c.last || c.pace > clockIdle: // real traffic, or PD is back
		c.last, c.pace = last, clockSoon
	default:
		c.pace = min(c.pace+time.Millisecond, clockIdle)
	}
}

// wait is how long to wait before the time is forwarded next.
func (c *clock) wait() time.Duration {
	switch {
	case c.pace == clockRetry:
		return c.pace
	case c.pulled():
		return min(c.pace, c.interval)
	}
	return c.interval
}

// tell is the goroutine that forwards the clock.
func (p *Pump) tell(ctx context.Context) error {
	c := &clock{
		store: p.store, tso: p.horizon.tso, interval: p.opts.FakeInterval,
		pulled: func() bool { return p.pullers.n.Load() > 0 },
		sleep:  p.pullers.sleep,
	}
	c.run(ctx)
	return nil
}

// sleep waits for d, but not longer than until somebody begins to pull.
func (p *pullers) sleep(ctx context.Context, d time.Duration) bool {
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
