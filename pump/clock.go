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
	// clockQuiet is after how many times without news the clock rests, if it may: three and a half
	// seconds. A drainer that waits for the pump wakes it more often than that.
	clockQuiet = 80
	// clockRetry is how long a PD that gave no answer is left alone.
	clockRetry = time.Second
)

// clock forwards PD's time to the store, so that a drainer which merges several pumps is
// not held back by one without traffic. Every prewrite that is acknowledged after PD gave
// out a TSO commits after that TSO, whenever its news arrives here; what was acknowledged
// before and is still unresolved holds the order in the store. That is all that
// [storage.Store.Advance] wants.
//
// When nobody needs it the clock rests: it forwards the time once an interval, and not even that while
// what the pump asks PD anyway does it ([Pump.tso]). A write wakes it, and a drainer that has transactions of
// other pumps. A drainer that does not say that it does so is told the time as if there were traffic.
type clock struct {
	store    *storage.Store
	tso      func(context.Context) (nodes.TSO, error)
	pulled   func() bool   // whether anybody pulls
	mayRest  func() bool   // whether all who pull wake a clock that rests
	woken    func() bool   // whether somebody has, since the last call
	interval time.Duration // the longest pace, and the one when nobody pulls
	// sleep waits for d, or until a pull begins, or, if it rests, until it is woken; false: ctx has ended.
	sleep func(ctx context.Context, d time.Duration, rests bool) bool

	pace  time.Duration
	quiet int       // times without news, up to clockQuiet
	last  nodes.TSO // of the store's transactions at the last look
}

// run forwards the time until ctx ends. It never gives up: while PD is away writes go on,
// and the agent's heartbeat says that it is.
func (c *clock) run(ctx context.Context) {
	c.last, c.pace = c.store.LastCommitTS(), clockSoon
	for newest := c.store.NewestTS(); ; newest = c.store.NewestTS() {
		d, rests := c.wait()
		if !c.sleep(ctx, d, rests) {
			return
		}
		woken := c.woken()
		if rests && !woken && c.store.NewestTS() > newest {
			continue // it has been forwarded meanwhile
		}
		ts, err := c.tso(ctx)
		if err != nil {
			c.pace = clockRetry
			continue
		}
		c.store.Advance(ts)
		c.adapt(woken)
	}
}

// adapt chooses the pace after the time was forwarded. Somebody who waits keeps the clock awake, at the pace of
// a pump without traffic.
func (c *clock) adapt(woken bool) {
	last := c.store.LastCommitTS()
	if last != c.last || c.pace == clockRetry { // real traffic, or PD is back
		c.last, c.pace, c.quiet = last, clockSoon, 0
		return
	}
	c.pace, c.quiet = min(c.pace+time.Millisecond, clockIdle), min(c.quiet+1, clockQuiet)
	if woken {
		c.quiet = 0
	}
}

// wait is how long to wait before the time is forwarded next, and whether that is a rest.
func (c *clock) wait() (d time.Duration, rests bool) {
	switch {
	case c.pace == clockRetry:
		return c.pace, false
	case !c.pulled():
		return c.interval, false
	case c.quiet == clockQuiet && c.mayRest():
		return c.interval, true
	}
	return min(c.pace, c.interval), false
}

// tell is the goroutine that forwards the clock.
func (p *Pump) tell(ctx context.Context) error {
	c := &clock{
		store: p.store, tso: p.horizon.tso, interval: p.opts.FakeInterval,
		pulled: func() bool { return p.pullers.n.Load() > 0 }, mayRest: p.pullers.allWake, woken: p.pullers.wasWoken,
		sleep: p.pullers.sleep,
	}
	p.forwards.Store(true)
	defer p.forwards.Store(false)
	c.run(ctx)
	return nil
}

// tso asks PD for a timestamp and forwards the clock by it, while the clock runs. Before that the store has to know only what is in
// the log: it is compared with the record in PD, and a log that was lost must not look complete.
func (p *Pump) tso(ctx context.Context) (nodes.TSO, error) {
	ts, err := p.horizon.tso(ctx)
	if err == nil && p.forwards.Load() {
		p.store.Advance(ts)
	}
	return ts, err
}
