package drainer

import (
	"context"
	"errors"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/daemon"
)

// Pause asks the drainer to pause, as a signal does, and returns when the drainer has heard
// it. When the drainer is pausing or going offline already, it stops waiting for anything.
func (d *Drainer) Pause() { d.life.Pause() }

// Offline asks the drainer to leave the cluster, as PUT /state/ID/close does.
func (d *Drainer) Offline(ctx context.Context) error { return d.life.Ask(ctx, nodes.Leave) }

// live is the drainer's life after the start. The states are functions, each of which
// returns the next; after the last one everything is stopped, and only then does PD say
// paused or offline.
func (d *Drainer) live() {
	ctx, endWorkers := context.WithCancel(context.Background())
	agent, endAgent := context.WithCancel(context.Background())
	d.keeper.Run("agent", func() error { return d.agent.Run(agent) })
	d.workers.Run("saver", func() error { return d.keepSaving(ctx) })
	d.workers.Run("progress", func() error { return d.sayCatchUp(ctx) })
	d.workers.Run("watcher", func() error { return d.watch(ctx) })
	d.current.get().run()
	for state := d.first; state != nil; {
		state = state(d)
	}
	d.life.TakeNoMore()
	endWorkers()
	d.workers.Wait()
	d.endHealth()
	d.exit().Write(d.life, d.cause, false, "told to become "+string(d.final))
	err := d.leave(func() error { return daemon.Finish(d.life.Hurried, nodes.Drainer, d.nodeID, d.agent, d.final) }, d.cause)
	endAgent()
	d.keeper.Wait()
	d.log.WithField("state", d.final).WithField("commit_ts", d.consumed()).Info("drainer has stopped")
	d.life.End(err)
}

// stateFunc is one state of the drainer's life; it gives the next, nil = stop everything.
type stateFunc func(d *Drainer) stateFunc

// online is the state in which the drainer pulls and applies.
func (d *Drainer) online() stateFunc {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		var order nodes.Order
		select {
		case in := <-d.agent.Orders():
			order = in.Order
		case r := <-d.life.Requests():
			order = r.Order
			r.Reply(nil)
		case err := <-d.workers.Failed:
			return d.broken(err)
		case err := <-d.current.get().failed:
			return d.broken(err)
		case err := <-d.port.Failed():
			return d.broken(err)
		case <-look.C:
			if d.agent.State() != nodes.Online { // PD was away when the drainer came back here
				d.move(nodes.Online)
			}
		}
		switch order {
		case nodes.Pause:
			return (*Drainer).pausing
		case nodes.Leave, nodes.Abandon:
			return (*Drainer).closing
		}
	}
}

// broken pauses because something does not work; the drainer ends with the error.
func (d *Drainer) broken(err error) stateFunc {
	d.log.WithError(err).Error("the drainer cannot go on and pauses")
	d.cause = err
	d.problems.Set(nodes.ProblemOf(err))
	return (*Drainer).pausing
}

// pausing finishes what is in flight.
func (d *Drainer) pausing() stateFunc {
	signalled := d.life.Leaving.Swap(true)
	d.final = nodes.Paused
	if d.move(nodes.Pausing) == nodes.Leave && d.cause == nil && !signalled {
		return (*Drainer).closing // the record was set to closing before we came: it wins
	}
	d.settled((<-d.settle()).err)
	return nil
}

// closing finishes what is in flight as well, and can be told otherwise meanwhile.
func (d *Drainer) closing() stateFunc {
	d.life.Leaving.Store(true)
	d.final = nodes.Offline
	if d.move(nodes.Closing) == nodes.Pause {
		return (*Drainer).pausing // the record was set to paused before we came: it wins
	}
	settling := d.settle()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	cancelled := false // by Resume
	abandoned := false // an operator gives up what is in flight
	for {
		select {
		case s := <-settling:
			d.settled(s.err)
			if cancelled && d.cause == nil {
				return d.resume()
			}
			if d.final == nodes.Offline && (d.cause != nil || s.short && !abandoned) {
				d.final = nodes.Paused // not everything that was taken is downstream: it has to come back
			}
			return nil
		case <-again.C:
			if d.agent.State() == nodes.Online && !cancelled { // again as long as PD is away
				d.move(nodes.Closing)
			}
		case in := <-d.agent.Orders():
			switch in.Order {
			case nodes.Resume:
				cancelled = true
				d.log.Info("going offline is to be cancelled: what is in flight comes first")
			case nodes.Pause:
				cancelled = false
				d.pauseInstead()
			case nodes.Leave:
				cancelled = false
			case nodes.Abandon:
				cancelled, abandoned = false, true
				d.life.HurryUp()
			}
		case r := <-d.life.Requests():
			r.Reply(d.life.Refuse())
			if r.Signalled() { // Close: as a signal
				cancelled = false
				d.pauseInstead()
			}
		}
	}
}

// pauseInstead lets a drainer that is going offline pause.
func (d *Drainer) pauseInstead() {
	if d.final == nodes.Offline {
		d.final = nodes.Paused
		d.move(nodes.Pausing)
	}
}

// settlement is how the flow ended.
type settlement struct {
	err   error
	short bool // not everything that was taken is downstream: it was not waited for
}

// settle ends the flow: nothing more is taken, and what was taken is brought downstream.
func (d *Drainer) settle() <-chan settlement {
	over := make(chan settlement, 1)
	go func() {
		ctx, cancel := context.WithTimeout(d.life.Hurried, d.opts.StopGrace)
		defer cancel()
		f := d.current.get()
		f.stop(ctx)
		err := d.sink.Flush(ctx)
		short := ctx.Err() != nil && (err != nil || d.sink.Applied() < nodes.TSO(d.passed.Load()))
		if short {
			d.log.WithField("commit_ts", d.applied()).WithField("handed_over", nodes.TSO(d.passed.Load())).
				Warn("what is in flight is not waited for any longer: it is applied again at the next start")
			err = nil
		}
		save, end := context.WithTimeout(context.Background(), saveTimeout)
		defer end()
		defer context.AfterFunc(d.life.Hurried, end)()
		if _, saveErr := d.save(save); saveErr != nil && err == nil && d.life.Hurried.Err() == nil {
			err = saveErr
		}
		over <- settlement{err, short}
	}()
	return over
}

// settled notes that what was in flight is over, and what was wrong with it.
func (d *Drainer) settled(err error) {
	if err == nil { // what failed in the flow while it was stopped
		select {
		case err = <-d.current.get().failed:
		default:
		}
	}
	if d.cause == nil && err != nil {
		d.broken(err)
	}
}

// resume goes on: going offline is cancelled.
func (d *Drainer) resume() stateFunc {
	if d.current.get().applying.Err() != nil {
		return d.broken(errors.New("going offline was cancelled, but in-flight transactions were not flushed downstream in time: start the drainer again"))
	}
	d.log.Info("going offline is cancelled: the drainer goes on")
	d.life.Leaving.Store(false)
	if err := d.startFlow(); err != nil {
		return d.broken(err)
	}
	d.move(nodes.Online)
	d.current.get().run()
	return (*Drainer).online
}

// move writes a state to PD and gives the order that came first, if one did that matters.
func (d *Drainer) move(s nodes.State) nodes.Order {
	return daemon.Move(d.life.Hurried, nodes.Drainer, d.agent, s, d.log)
}
