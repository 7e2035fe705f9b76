package drainer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"pumphouse/internal/version"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/port"
	"pumphouse/nodes/standby"
)

// ErrStandby says that a drainer with [Options.Standby] has ended because its turn is over: the process is to make a new one
// with [Options.Returning], which waits for the next turn.
var ErrStandby = errors.New("this drainer is a standby now")

// Standbys is a Downstream that two processes can take turns to write to.
type Standbys interface {
	// CheckStandby says why they cannot: what would not be there, or could not be refused, when another machine takes over.
	CheckStandby() error
}

// CheckStandby refuses a downstream for which there can be no standby.
func CheckStandby(down Downstream) error {
	s, ok := down.(Standbys)
	if !ok {
		return fmt.Errorf("standby: %s cannot be written to by two processes in turn: leave standby out", down)
	}
	return s.CheckStandby()
}

// turn is what a drainer with a standby has of its place; nil: it runs alone.
type turn struct {
	*standby.Candidate
	handover bool // it is to be given to a standby
	held     bool // the node was ordered to pause or to go offline: nobody is to take the place
}

// await returns when this process is the active one.
func (d *Drainer) await(ctx context.Context) error {
	d.Log.Info("this process is a standby: it waits until it is the active drainer")
	began := d.opts.Now()
	if err := d.turn.Wait(ctx); err != nil {
		return err
	}
	d.metrics.standby.Set(0)
	d.Log.WithField("waited", d.opts.Now().Sub(began).Round(time.Millisecond).String()).Info("this process is the active drainer")
	return nil
}

// elect makes the candidate, before anybody asks for it.
func (d *Drainer) elect(context.Context) error {
	d.turn = &turn{Candidate: standby.New(standby.Options{Registry: d.opts.Registry, Kind: nodes.Drainer, NodeID: d.ID, Host: d.Port.Advertised(),
		Version: version.Number, Fresh: !d.opts.Returning, Logger: d.Log})}
	d.metrics.standby.Set(1)
	return nil
}

// whileActive gives a context that ends when the place is lost.
func (d *Drainer) whileActive(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	lost := d.turn.Lost()
	go func() {
		select {
		case <-lost:
			cancel(d.turn.Err())
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// watchTurn cuts everything that writes as soon as the place is lost: nothing may be waited for then.
func (d *Drainer) watchTurn(ctx context.Context) error {
	select {
	case <-d.turn.Lost():
		d.silence()
		return d.turn.Err()
	case <-ctx.Done():
		return nil
	}
}

// silence ends all writing.
func (d *Drainer) silence() {
	d.Life.HurryUp()
	f := d.current.get()
	f.stopTaking()
	f.cut()
	_ = d.sink.Close() // what it says is that it was closed
}

// superseded ends the turn of a drainer whose place is another's, or may be. What it had begun to write is refused or
// found downstream by the next one; its record, and why it ended, are the next one's to write.
func (d *Drainer) superseded(err error) life.State {
	d.Log.WithError(err).Warn("this process is not the active drainer any more: it has stopped writing, and becomes a standby")
	d.Life.Leaving.Store(true)
	d.silence()
	<-d.current.get().done
	d.lost = err
	return nil
}

// isSuperseded reports whether a failure comes from another process having the place, or maybe having it. What it has written to, which
// refuses this one then, may know that before this one does.
func (d *Drainer) isSuperseded(err error) bool {
	if d.turn == nil {
		return false
	}
	var held *nodes.HeldError
	if !errors.As(err, &held) && nodes.ProblemOf(err).Code != nodes.ProblemTakeover {
		return d.turn.Err() != nil
	}
	select {
	case <-d.turn.Lost():
		return true
	case <-time.After(standby.TTL):
		return false // a process that takes no part in the turns
	}
}

// endTurn gives the place to the next one, or holds it.
func (d *Drainer) endTurn() {
	if d.turn == nil || d.turn.Candidate == nil {
		return
	}
	held := nodes.State("")
	if d.turn.held && d.Cause == nil {
		held = d.Final
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if d.lost != nil {
		d.turn.Close()
	} else if err := d.turn.Resign(ctx, held); err != nil {
		d.Log.WithError(err).Warn("the place of the active drainer was not given up in PD: it is free when the lease is over")
	}
	d.metrics.standby.Set(1)
}

// putSwitch carries out PUT /state/{node}/switch: the active drainer gives its place to a standby.
func (d *Drainer) putSwitch(r *http.Request) (any, error) {
	refuse := func(why string) (any, error) {
		return nil, &port.HTTPError{Code: http.StatusConflict, Err: errors.New(why)}
	}
	switch node := r.PathValue("node"); {
	case node != d.ID:
		return nil, &port.HTTPError{Code: http.StatusNotFound, Err: fmt.Errorf("this is drainer %s, not %s: look its address up with binlogctl -cmd drainers", d.ID, node)}
	case d.turn == nil:
		return refuse("this drainer runs alone: set standby = true, or -standby, here and where another process with this node ID is to wait (docs/standby.md)")
	case !d.turn.Active():
		return refuse("this process is a standby itself: ask the active one")
	}
	g, err := d.turn.Group(r.Context())
	if err != nil {
		return nil, err
	}
	if len(g.Waiting()) == 0 {
		return refuse("no standby waits for its place: start another drainer with this node ID and -standby first")
	}
	if err := d.Life.Ask(r.Context(), handOver); err != nil {
		return nil, &port.HTTPError{Code: http.StatusConflict, Err: err}
	}
	return nodes.Reply{Message: "it hands over to the standby at " + g.Waiting()[0].Host + ".", Code: http.StatusOK, Data: g.Waiting()[0].Host}, nil
}

// handOver is an order that only a drainer knows: to pause, and let a standby take the place.
const handOver = nodes.Order(100)

// turnStatus is what GET /status says of the processes of this node ID.
type turnStatus struct {
	Role    string           `json:"Role"`             // active or standby
	Active  string           `json:"Active,omitempty"` // address of the active one
	Waiting []standby.Member `json:"Waiting"`          // those that wait, the first one next
	Held    nodes.State      `json:"Held,omitempty"`   // nobody takes the place: the node was ordered to be so
	Err     string           `json:"Err,omitempty"`    // why this process does not even wait, or why this is not known
}

// turnNow is that; nil: this drainer runs alone.
func (d *Drainer) turnNow(ctx context.Context) *turnStatus {
	if d.turn == nil {
		return nil
	}
	st := &turnStatus{Role: "standby", Waiting: []standby.Member{}}
	if d.turn.Active() {
		st.Role = "active"
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	g, err := d.turn.Group(ctx)
	if trouble := d.turn.Trouble(); trouble != nil {
		err = trouble
	}
	if err != nil {
		st.Err = err.Error()
		return st
	}
	if a, ok := g.Active(); ok {
		st.Active = a.Host
	}
	st.Waiting, st.Held = append(st.Waiting, g.Waiting()...), g.Held
	return st
}
