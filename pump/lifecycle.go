package pump

import (
	"context"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/daemon"
)

// Pause asks the pump to pause, as a signal does, and returns when the pump has heard it.
// When the pump is pausing or going offline already, it stops waiting for anything and
// ends as paused.
func (p *Pump) Pause() { p.life.Pause() }

// Offline asks the pump to drain and to leave the cluster, as PUT /state/ID/close does.
func (p *Pump) Offline(ctx context.Context) error { return p.life.Ask(ctx, nodes.Leave) }

// live is the pump's life after the start. The states are functions, each of which returns
// the next; after the last one everything is stopped, and only then does PD say paused or
// offline.
func (p *Pump) live() {
	ctx, endWorkers := context.WithCancel(context.Background())
	agent, endAgent := context.WithCancel(context.Background())
	p.keeper.Run("agent", func() error { return p.agent.Run(agent) })
	p.workers.Run("clock", func() error { return p.tell(ctx) })
	if p.safePoint != nil {
		p.workers.Run("GC safe point", func() error { return p.safePoint.keep(ctx) })
	}
	p.workers.Run("health", func() error { return p.health().Run(ctx, p.lookHere, p.lookInPD) })
	p.workers.Run("what PD is told", func() error { return p.remember(ctx) })
	p.workers.Run("janitor", func() error { return p.clean(ctx) })
	for state := p.first; state != nil; {
		state = state(p, ctx)
	}
	p.life.TakeNoMore()

	// Streams end, calls that were let in are finished, nothing more comes in.
	p.endPulls()
	p.stopServing(p.opts.stopGrace)
	endWorkers()
	p.workers.Wait()
	if p.safePoint != nil {
		p.safePoint.leave(p.life.Hurried, p.final == nodes.Offline)
	}
	p.exit().Write(p.life, p.cause, false, "told to become "+string(p.final))
	err := p.leave(func() error { return daemon.Finish(p.life.Hurried, nodes.Pump, p.nodeID, p.agent, p.final) }, p.cause)
	endAgent()
	p.keeper.Wait()
	p.log.WithField("state", p.final).Info("pump has stopped")
	p.life.End(err)
}

// stateFunc is one state of the pump's life; it gives the next, nil = stop everything.
type stateFunc func(p *Pump, ctx context.Context) stateFunc

// online is the state in which TiDB writes.
func (p *Pump) online(ctx context.Context) stateFunc {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		var order nodes.Order
		select {
		case in := <-p.agent.Orders():
			order = in.Order
		case r := <-p.life.Requests():
			order = r.Order
			r.Reply(nil)
		case err := <-p.workers.Failed:
			return p.broken(err)
		case err := <-p.port.Failed():
			return p.broken(err)
		case <-look.C:
			if err := p.store.Failed(); err != nil {
				return p.broken(nodes.WithProblem(err, nodes.ProblemFsyncFailed, diskCure))
			}
			if p.agent.State() != nodes.Online { // PD was away when the pump came back here
				p.move(nodes.Online)
			}
		}
		switch order {
		case nodes.Pause:
			return (*Pump).pausing
		case nodes.Leave, nodes.Abandon:
			return (*Pump).closing
		}
	}
}

// broken pauses because something does not work; the pump ends with the error.
func (p *Pump) broken(err error) stateFunc {
	p.log.WithError(err).Error("the pump cannot go on and pauses")
	p.cause = err
	p.problems.Set(nodes.ProblemOf(err))
	return (*Pump).pausing
}

// pausing refuses prewrites; when the gate has changed, all that were let through are
// stored.
func (p *Pump) pausing(context.Context) stateFunc {
	signalled := p.life.Leaving.Swap(true)
	p.final = nodes.Paused
	p.gate.set(nodes.Pausing)
	if p.move(nodes.Pausing) == nodes.Leave && p.cause == nil && !signalled {
		return (*Pump).closing // the record was set to closing before we came: it wins
	}
	return nil
}

// drainInterval is how often a closing pump looks at what drainers have consumed.
const drainInterval = 200 * time.Millisecond

// closing refuses prewrites and waits until every drainer has consumed everything, or
// until it is told not to wait any longer.
func (p *Pump) closing(ctx context.Context) stateFunc {
	p.life.Leaving.Store(true)
	p.gate.set(nodes.Closing)
	look := time.NewTicker(drainInterval)
	defer look.Stop()
	for {
		// Again as long as PD is away.
		if p.agent.State() != nodes.Closing && p.move(nodes.Closing) == nodes.Pause {
			return (*Pump).pausing // the record was set to paused before we came: it wins
		}
		if p.drained(ctx) {
			p.final = nodes.Offline
			return nil
		}
		var order nodes.Order
		select {
		case <-look.C:
		case in := <-p.agent.Orders():
			order = in.Order
		case r := <-p.life.Requests():
			r.Reply(p.life.Refuse())
			if r.Signalled() { // Close: as a signal
				return (*Pump).pausing
			}
		case <-p.life.Hurried.Done():
			// A signal does not wait for drainers; the pump has not been drained, so it will
			// have to come back.
			return (*Pump).pausing
		case err := <-p.workers.Failed:
			return p.broken(err)
		case err := <-p.port.Failed():
			return p.broken(err)
		}
		switch order {
		case nodes.Resume:
			return p.resume()
		case nodes.Pause:
			return (*Pump).pausing
		case nodes.Abandon:
			p.abandon()
			p.final = nodes.Offline
			return nil
		}
	}
}

// resume takes writes again: going offline is cancelled.
func (p *Pump) resume() stateFunc {
	p.log.Info("going offline is cancelled: the pump takes writes again")
	p.life.Leaving.Store(false)
	p.waitFor(nil, 0)
	p.gate.set(nodes.Online)
	p.move(nodes.Online)
	return (*Pump).online
}

// move writes a state to PD. If somebody else's order came first, it gives that order
// when it matters for where the pump is now, and otherwise writes once more. While PD is
// away the pump behaves as the state says nevertheless.
func (p *Pump) move(s nodes.State) nodes.Order {
	return daemon.Move(p.life.Hurried, nodes.Pump, p.agent, s, p.log)
}
