package pump

import (
	"context"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/life"
)

// live is the pump's life after the start: when its states are over everything is stopped, and only then does PD say paused or
// offline.
func (p *Pump) live() {
	ctx, endWorkers := context.WithCancel(context.Background())
	p.RunAgent()
	p.Workers.Run("clock", func() error { return p.tell(ctx) })
	if p.safePoint != nil {
		p.Workers.Run("GC safe point", func() error { return p.safePoint.keep(ctx) })
	}
	p.Workers.Run("health", func() error { return p.Health().Run(ctx, p.lookHere, p.lookInPD) })
	p.Workers.Run("what PD is told", func() error { return p.remember(ctx) })
	p.Workers.Run("janitor", func() error { return p.clean(ctx) })
	p.Live(ctx)

	// Streams end, calls that were let in are finished, nothing more comes in.
	p.endPulls()
	p.StopServing(p.opts.stopGrace)
	endWorkers()
	p.Workers.Wait()
	if p.safePoint != nil {
		p.safePoint.leave(p.Life.Hurried, p.Final == nodes.Offline)
	}
	p.LeaveExit(0)
	p.End(p.Leave(p.closeStore(), p.Finish), nil)
}

// obey gives the state that an order leads to from the start or from online.
func (p *Pump) obey(order nodes.Order) life.State {
	switch order {
	case nodes.Pause:
		return p.pausing
	case nodes.Leave, nodes.Abandon:
		return p.closing
	}
	return p.online
}

// online is the state in which TiDB writes.
func (p *Pump) online(context.Context) life.State {
	order, _, err := p.Online(nil, func() error { return nodes.WithProblem(p.store.Failed(), nodes.ProblemFsyncFailed, diskCure) })
	if err != nil {
		return p.broken(err)
	}
	return p.obey(order)
}

// broken pauses because something does not work; the pump ends with the error.
func (p *Pump) broken(err error) life.State {
	p.Broken(err)
	return p.pausing
}

// pausing refuses prewrites; when the gate has changed, all that were let through are
// stored.
func (p *Pump) pausing(context.Context) life.State {
	signalled := p.Life.Leaving.Swap(true)
	p.Final = nodes.Paused
	p.gate.set(nodes.Pausing)
	if p.Move(nodes.Pausing) == nodes.Leave && p.Cause == nil && !signalled {
		return p.closing // the record was set to closing before we came: it wins
	}
	return nil
}

// drainInterval is how often a closing pump looks at what drainers have consumed.
const drainInterval = 200 * time.Millisecond

// closing refuses prewrites and waits until every drainer has consumed everything, or
// until it is told not to wait any longer.
func (p *Pump) closing(ctx context.Context) life.State {
	p.Life.Leaving.Store(true)
	p.gate.set(nodes.Closing)
	look := time.NewTicker(drainInterval)
	defer look.Stop()
	for {
		// Again as long as PD is away.
		if p.Agent.State() != nodes.Closing && p.Move(nodes.Closing) == nodes.Pause {
			return p.pausing // the record was set to paused before we came: it wins
		}
		if p.drained(ctx) {
			p.Final = nodes.Offline
			return nil
		}
		var order nodes.Order
		select {
		case <-look.C:
		case in := <-p.Agent.Orders():
			order = in.Order
		case r := <-p.Life.Requests():
			r.Reply(p.Life.Refuse())
			if r.Signalled() { // Close: as a signal
				return p.pausing
			}
		case <-p.Life.Hurried.Done():
			// A signal does not wait for drainers; the pump has not been drained, so it will
			// have to come back.
			return p.pausing
		case err := <-p.Workers.Failed:
			return p.broken(err)
		case err := <-p.Port.Failed():
			return p.broken(err)
		}
		switch order {
		case nodes.Resume:
			return p.resume()
		case nodes.Pause:
			return p.pausing
		case nodes.Abandon:
			p.abandon()
			p.Final = nodes.Offline
			return nil
		}
	}
}

// resume takes writes again: going offline is cancelled.
func (p *Pump) resume() life.State {
	p.Log.Info("going offline is cancelled: the pump takes writes again")
	p.Life.Leaving.Store(false)
	p.waitFor(nil, 0)
	p.gate.set(nodes.Online)
	p.Move(nodes.Online)
	return p.online
}
