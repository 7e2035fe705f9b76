package drainer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/nodes/life"
)

// live is the drainer's life after the start: when its states are over everything is stopped, and only then does PD say paused or
// offline.
func (d *Drainer) live() {
	ctx, endWorkers := context.WithCancel(context.Background())
	agent := d.RunAgent()
	if d.turn != nil {
		d.Keeper.Run("standby", func() error { return d.watchTurn(agent) })
	}
	d.Workers.Run("saver", func() error { return d.keepSaving(ctx) })
	d.Workers.Run("progress", func() error { return d.sayCatchUp(ctx) })
	d.Workers.Run("watcher", func() error { return d.watch(ctx) })
	d.current.get().run()
	d.Live(ctx)
	endWorkers()
	d.Workers.Wait()
	d.endHealth()
	if d.lost == nil {
		d.LeaveExit(d.exact)
	}
	err := d.leave(d.Finish)
	switch {
	case d.lost != nil:
		err = fmt.Errorf("%w: %w", ErrStandby, d.lost)
	case err == nil && d.turn != nil && d.turn.handover:
		err = fmt.Errorf("%w: its place was given to another process, as it was told to", ErrStandby)
	}
	d.End(err, logrus.Fields{"commit_ts": d.consumed()})
}

// obey gives the state that an order leads to from the start or from online.
func (d *Drainer) obey(order nodes.Order) life.State {
	switch order {
	case nodes.Pause, handOver:
		return d.pausing
	case nodes.Leave, nodes.Abandon:
		return d.closing
	}
	return d.online
}

// online is the state in which the drainer pulls and applies.
func (d *Drainer) online(context.Context) life.State {
	order, signalled, err := d.Online(d.current.get().failed, func() error { return nil })
	if err != nil {
		return d.broken(err)
	}
	d.noteOrder(order, signalled)
	return d.obey(order)
}

// noteOrder notes what becomes of the place: a standby takes it after a signal or a handover, nobody after an order.
func (d *Drainer) noteOrder(order nodes.Order, signalled bool) {
	if d.turn != nil {
		d.turn.handover, d.turn.held = order == handOver, order != handOver && !signalled
	}
}

// broken pauses because something does not work; the drainer ends with the error.
func (d *Drainer) broken(err error) life.State {
	if d.isSuperseded(err) {
		return d.superseded(err)
	}
	d.Broken(err)
	return d.pausing
}

// pausing finishes what is in flight.
func (d *Drainer) pausing(context.Context) life.State {
	signalled := d.Life.Leaving.Swap(true)
	d.Final = nodes.Paused
	if d.Move(nodes.Pausing) == nodes.Leave && d.Cause == nil && !signalled {
		return d.closing // the record was set to closing before we came: it wins
	}
	if !signalled && d.turn != nil && d.Cause == nil && !d.turn.handover && !d.Life.Signalled.Load() {
		d.turn.held = true // closing was changed into this
	}
	d.settled(<-d.settle())
	return nil
}

// closing finishes what is in flight as well, and can be told otherwise meanwhile.
func (d *Drainer) closing(context.Context) life.State {
	d.Life.Leaving.Store(true)
	d.Final = nodes.Offline
	if d.turn != nil && d.Cause == nil {
		d.turn.held = true
	}
	if d.Move(nodes.Closing) == nodes.Pause {
		return d.pausing // the record was set to paused before we came: it wins
	}
	settling := d.settle()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	cancelled := false // by Resume
	abandoned := false // an operator gives up what is in flight
	for {
		select {
		case s := <-settling:
			d.settled(s)
			if cancelled && d.Cause == nil {
				return d.resume()
			}
			if d.Final == nodes.Offline && (d.Cause != nil || s.short && !abandoned) {
				d.Final = nodes.Paused // not everything that was taken is downstream: it has to come back
			}
			return nil
		case <-again.C:
			if d.Agent.State() == nodes.Online && !cancelled { // again as long as PD is away
				d.Move(nodes.Closing)
			}
		case in := <-d.Agent.Orders():
			switch in.Order {
			case nodes.Resume:
				cancelled = true
				d.Log.Info("going offline is to be cancelled: what is in flight comes first")
			case nodes.Pause:
				cancelled = false
				d.pauseInstead()
			case nodes.Leave:
				cancelled = false
			case nodes.Abandon:
				cancelled, abandoned = false, true
				d.Life.HurryUp()
			}
		case r := <-d.Life.Requests():
			r.Reply(d.Life.Refuse())
			if r.Signalled() { // Close: as a signal
				cancelled = false
				d.pauseInstead()
			}
		}
	}
}

// pauseInstead lets a drainer that is going offline pause.
func (d *Drainer) pauseInstead() {
	if d.Final == nodes.Offline {
		d.Final = nodes.Paused
		d.Move(nodes.Pausing)
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
		ctx, cancel := context.WithTimeout(d.Life.Hurried, d.opts.StopGrace)
		defer cancel()
		f := d.current.get()
		f.stop(ctx)
		err := d.sink.Flush(ctx)
		short := ctx.Err() != nil && (err != nil || d.sink.Applied() < nodes.TSO(d.passed.Load()))
		if short {
			d.Log.WithField("commit_ts", d.applied()).WithField("handed_over", nodes.TSO(d.passed.Load())).
				Warn("what is in flight is not waited for any longer: it is applied again at the next start")
			err = nil
		}
		save, end := context.WithTimeout(context.Background(), saveTimeout)
		defer end()
		defer context.AfterFunc(d.Life.Hurried, end)()
		if _, saveErr := d.save(save); saveErr != nil && err == nil && d.Life.Hurried.Err() == nil {
			err = saveErr
		}
		over <- settlement{err, short}
	}()
	return over
}

// settled notes that what was in flight is over, and what was wrong with it.
func (d *Drainer) settled(s settlement) {
	err := s.err
	if err == nil { // what failed in the flow while it was stopped
		select {
		case err = <-d.current.get().failed:
		default:
		}
	}
	if d.Cause == nil && err != nil {
		d.broken(err)
	}
	if d.Cause == nil && err == nil && !s.short && d.consumed() == d.applied() {
		d.exact = d.consumed()
	}
}

// resume goes on: going offline is cancelled.
func (d *Drainer) resume() life.State {
	if d.current.get().applying.Err() != nil {
		return d.broken(errors.New("going offline was cancelled, but in-flight transactions were not flushed downstream in time: start the drainer again"))
	}
	d.Log.Info("going offline is cancelled: the drainer goes on")
	d.exact = 0
	d.Life.Leaving.Store(false)
	if err := d.startFlow(); err != nil {
		return d.broken(err)
	}
	d.Move(nodes.Online)
	d.current.get().run()
	return d.online
}
