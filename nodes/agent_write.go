package nodes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// maxAttempts bounds how many writes without an answer the agent remembers.
const maxAttempts = 16

// Register claims the record with the state the service starts in. Any state may stand
// there from before; labels and score stay. It refuses with a [*HeldError] when a live
// process at another address holds the ID: the record is neither paused nor offline and
// younger than three heartbeats, by PD's clock. PD that cannot be reached is an error at
// once: a service that starts must be able to say so.
func (a *Agent) Register(ctx context.Context, initial State) error {
	if !a.take(ctx) {
		return context.Cause(ctx)
	}
	defer a.release()
	if a.claimed {
		return fmt.Errorf("%s %s is registered already", a.opts.Kind, a.opts.NodeID)
	}
	for {
		if err := a.inspect(ctx); err != nil {
			return err
		}
		if err := a.borrow(ctx, initial); err != nil {
			return fmt.Errorf("register: %w", err)
		}
		err := a.put(ctx, initial)
		var c *ConflictError
		if errors.As(err, &c) {
			continue // somebody wrote in between: look again
		}
		if err != nil {
			return fmt.Errorf("register: %w", err)
		}
		a.claimed = true
		a.mu.Lock()
		a.own = initial
		a.mu.Unlock()
		return nil
	}
}

// inspect reads what stands in the record before it is claimed, and refuses if a live
// process does. Caller has the turn.
func (a *Agent) inspect(ctx context.Context) error {
	now, err := a.opts.TSO(ctx)
	if err != nil {
		return WithProblem(fmt.Errorf("register %s %s: PD at %v gives no TSO: %w; check that PD runs and has a leader (-pd-urls)",
			a.opts.Kind, a.opts.NodeID, a.opts.Registry.Endpoints(), err), ProblemPDAway, "")
	}
	a.got(now)
	a.before, a.loan.first = nil, false
	found, err := a.opts.Registry.Get(ctx, a.opts.Kind, a.opts.NodeID)
	var broken *Broken
	switch {
	case errors.Is(err, ErrNotFound):
		a.revision, a.loan.first = 0, true
		return nil
	case errors.As(err, &broken):
		a.log.WithError(err).WithField("value", string(broken.Raw)).Error("the record of this node in PD is invalid: replacing it")
		a.revision = broken.ModRevision
		return nil
	case err != nil:
		return fmt.Errorf("register: %w", err)
	}
	rec := found.Record
	if err := held(a.opts, rec, now); err != nil {
		return err
	}
	a.revision, a.label, a.score, a.maxTS, a.loan.first = found.ModRevision, rec.Label, rec.Score, rec.MaxCommitTS, found.lent
	if !found.lent { // else the process before this one was killed in its first start
		a.before = &found
	}
	return nil
}

// held is a [*HeldError] when a live process at another address holds a record at a time by PD's clock.
func held(o AgentOptions, rec Record, now TSO) error {
	running := rec.State != Paused && rec.State != Offline
	age := now.Time().Sub(rec.UpdateTS.Time())
	if rec.NodeID == "" || !running || rec.Host == o.Host || slices.Contains(o.Succeeds, rec.Host) || age > 3*o.Heartbeat {
		return nil
	}
	return &HeldError{Kind: o.Kind, NodeID: o.NodeID, Host: rec.Host, State: rec.State, Age: age}
}

// Held asks PD whether another process runs the node, as Register does: a [*HeldError] if so, nil if not. For this Kind,
// NodeID, Host, Registry, TSO and Heartbeat are needed. Any other error is PD's.
func (o AgentOptions) Held(ctx context.Context) error {
	now, err := o.TSO(ctx)
	if err != nil {
		return err
	}
	rec, err := o.Registry.LastRecord(ctx, o.Kind, o.NodeID)
	if err != nil {
		return err
	}
	return held(o, rec, now)
}

// SetState makes s the service's state and writes it to PD at once; while PD is away it
// goes on trying until ctx ends. paused and offline are final: they end Run, and nothing
// is written after them. Errors: an [*OrderedError] (see [Agent]), a [*HeldError], a move
// that the table of transitions does not know, or the last failure when ctx ended; then
// PD may or may not show s, and the next heartbeat writes the state from before again.
func (a *Agent) SetState(ctx context.Context, s State) error {
	wait := retryPause
	for {
		done, err := a.trySetState(ctx, s)
		if done {
			return err
		}
		if !Sleep(ctx, wait) {
			return fmt.Errorf("set %s %s to %s: %w", a.opts.Kind, a.opts.NodeID, s, err)
		}
		wait = min(2*wait, a.opts.Heartbeat)
	}
}

// trySetState makes one attempt; done is false when trying again can help.
func (a *Agent) trySetState(ctx context.Context, s State) (done bool, err error) {
	if !a.take(ctx) {
		return true, fmt.Errorf("set %s %s to %s: %w", a.opts.Kind, a.opts.NodeID, s, context.Cause(ctx))
	}
	defer a.release()
	for {
		if err := a.mayBecome(s); err != nil {
			return true, err
		}
		err := a.put(ctx, s)
		var c *ConflictError
		switch {
		case err == nil:
			a.became(s)
			return true, nil
		case errors.As(err, &c):
		case ctx.Err() != nil:
			return true, fmt.Errorf("set %s %s to %s: %w", a.opts.Kind, a.opts.NodeID, s, err)
		default:
			a.note(&a.outage, "the record cannot be written", err)
			return false, err
		}
		taken := a.tookEffect(c, s)
		if taken {
			a.became(s)
		}
		if taken && a.isOver() {
			return true, nil
		}
		if err := a.absorb(c); taken || err != nil {
			return true, err
		}
	}
}

// tookEffect reports whether a record that somebody else wrote replaced the agent's own
// write of state s, whose answer was lost. Caller has the turn.
func (a *Agent) tookEffect(c *ConflictError, s State) bool {
	if c.Found == nil || a.isOwn(*c.Found) {
		return false // gone, or PD holds the write itself: it is repeated, which changes nothing
	}
	found := c.Found.Record
	for _, rec := range a.attempts {
		if rec.State == s && rec.UpdateTS == found.UpdateTS && rec.Host == found.Host {
			a.written = rec.UpdateTS
			return true
		}
	}
	return false
}

// mayBecome refuses what the tables forbid, and once what an unseen order forbids.
// Caller has the turn.
func (a *Agent) mayBecome(s State) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	what := fmt.Sprintf("set %s %s to %s", a.opts.Kind, a.opts.NodeID, s)
	switch {
	case a.fatal != nil:
		return a.fatal
	case !a.claimed:
		return fmt.Errorf("%s: it is not registered", what)
	case a.ended:
		return fmt.Errorf("%s: it has ended as %s", what, a.own)
	case !CanMove(a.own, s):
		return fmt.Errorf("%s: a node that is %s cannot", what, a.own)
	case a.pending != nil && !a.seen && !a.pending.Order.FulfilledBy(s):
		a.seen, a.told = true, true
		return &OrderedError{Kind: a.opts.Kind, NodeID: a.opts.NodeID, Wanted: s, Instruction: *a.pending}
	}
	return nil
}

// became notes that the service is in state s. Caller has the turn.
func (a *Agent) became(s State) {
	var next *Instruction
	a.mu.Lock()
	if p := a.pending; p != nil && !p.Order.FulfilledBy(s) {
		a.log.WithField("order", p.Order.String()).WithField("state", string(s)).
			Warn("the service knows an order given through its record and goes another way")
		if order := OrderFor(s, p.Found); order != NoOrder {
			next = &Instruction{Order: order, Found: p.Found, Revision: p.Revision}
		}
	}
	a.own, a.told = s, false
	a.mu.Unlock()
	a.log.WithField("state", string(s)).Info("state changed")
	if s == Paused || s == Offline {
		next = nil
		a.end(nil)
	}
	a.setPending(next)
}

// beat refreshes the record once, with the state it shows.
func (a *Agent) beat(ctx context.Context) {
	if !a.take(ctx) {
		return
	}
	defer a.release()
	a.refresh(ctx)
}

// refresh writes the record until it is written or cannot be. Caller has the turn.
func (a *Agent) refresh(ctx context.Context) {
	for !a.isOver() {
		err := a.put(ctx, a.shown)
		var c *ConflictError
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case !errors.As(err, &c):
			a.note(&a.outage, "the record cannot be written", err)
			return
		}
		if err := a.absorb(c); err != nil {
			return
		}
	}
}

func (a *Agent) isOver() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended
}

// put writes the record with a state over the revision last known. Caller has the turn.
func (a *Agent) put(ctx context.Context, s State) error {
	rec := Record{
		NodeID: a.opts.NodeID, Host: a.opts.Host, State: s,
		Score: a.score, Label: a.label, MaxCommitTS: a.maxTS, UpdateTS: a.now(ctx),
	}
	if a.opts.MaxCommitTS != nil {
		if ts := a.opts.MaxCommitTS(); ts != 0 {
			rec.MaxCommitTS = ts
		}
	}
	lease := clientv3.NoLease
	if s == Paused {
		lease = a.loan.lease
	}
	revision, err := a.opts.Registry.put(ctx, a.opts.Kind, rec, a.revision, lease)
	var unsure *PDError
	var c *ConflictError
	switch {
	case err == nil:
		a.revision, a.shown, a.written, a.maxTS, a.attempts = revision, s, rec.UpdateTS, rec.MaxCommitTS, nil
		a.note(&a.outage, "the record cannot be written", nil)
		if s != Paused {
			a.loan.stop()
			a.loan.lease = clientv3.NoLease
		}
	case errors.As(err, &unsure) && unsure.Unknown || errors.As(err, &c) || ctx.Err() != nil:
		if len(a.attempts) == maxAttempts {
			a.attempts = a.attempts[1:]
		}
		a.attempts = append(a.attempts, rec)
	}
	return err
}

// now gives a TSO from PD, or an estimate when PD gave one a moment ago or gives none: a change of state must not
// wait for it. Each is larger than the one before, so that the bytes of every attempt
// are unlike all others. Caller has the turn.
func (a *Agent) now(ctx context.Context) TSO {
	ts := a.justAsked()
	if ts == 0 {
		ts = a.ask(ctx)
	}
	a.issued = max(ts, a.issued+1)
	return a.issued
}

// ask gives a TSO from PD, or an estimate when PD gives none. Caller has the turn.
func (a *Agent) ask(ctx context.Context) TSO {
	bounded, cancel := context.WithTimeout(ctx, a.opts.Heartbeat/2)
	defer cancel()
	ts, err := a.opts.TSO(bounded)
	if err == nil {
		a.got(ts)
	} else {
		ts = later(a.tso, a.opts.Now().Sub(a.tsoAt))
	}
	if ctx.Err() == nil {
		a.note(&a.noTSO, "PD gives no TSO", err)
	}
	return ts
}

// got notes a TSO that PD has just given. Caller has the turn.
func (a *Agent) got(ts TSO) {
	a.tso, a.tsoAt = ts, a.opts.Now()
	a.compareClock(ts, a.tsoAt)
}

// absorb takes in what a failed compare found. Caller has the turn.
func (a *Agent) absorb(c *ConflictError) error {
	switch {
	case c.Found != nil:
		return a.takeIn(*c.Found)
	case c.Broken != nil:
		a.log.WithError(c.Broken).WithField("value", string(c.Broken.Raw)).
			Error("somebody replaced the record of this node with an invalid one: writing it again")
		a.revision = c.Broken.ModRevision
	case a.loan.lease != clientv3.NoLease:
		return fmt.Errorf("%s %s: PD has removed the record of its first start, because it heard nothing of it for %s: start it again", a.opts.Kind, a.opts.NodeID, firstLease)
	default:
		a.gone()
	}
	return nil
}

func (a *Agent) gone() {
	if a.revision != 0 {
		a.log.Error("somebody deleted the record of this node while it is alive: it is made again at the next heartbeat")
	}
	a.revision = 0
}

// takeIn takes in a record that somebody else wrote: its place, what is kept of it, and
// the order that its state gives. Caller has the turn.
func (a *Agent) takeIn(e Entry) error {
	if a.isOwn(e) {
		a.revision, a.written, a.attempts = e.ModRevision, e.Record.UpdateTS, nil
		return nil
	}
	rec := e.Record
	if rec.Host != a.opts.Host && rec.UpdateTS > a.written {
		err := &HeldError{
			Kind: a.opts.Kind, NodeID: a.opts.NodeID, Host: rec.Host, State: rec.State,
			Age: max(0, a.opts.Now().Sub(rec.UpdateTS.Time())),
		}
		a.log.WithError(err).Error("another process has claimed this node ID: stopping")
		a.end(err)
		return err
	}
	a.revision, a.label, a.score, a.attempts = e.ModRevision, rec.Label, rec.Score, nil
	own := a.State()
	order := OrderFor(own, rec.State)
	log := a.log.WithField("state", string(own)).WithField("found", string(rec.State)).WithField("order", order.String())
	if order == NoOrder {
		a.shown = own
		if rec.State == own {
			a.takeBack(e)
			return nil
		}
		log.Warn("ignoring an external change of the record: it is not valid in this state; writing the own record again")
		a.setPending(nil)
		return nil
	}
	log.Info("somebody set the record of this node: obeying")
	a.shown = rec.State
	a.setPending(&Instruction{Order: order, Found: rec.State, Revision: e.ModRevision})
	return nil
}

// isOwn reports whether a record is one of the writes whose answer never came.
func (a *Agent) isOwn(e Entry) bool {
	return slices.ContainsFunc(a.attempts, func(rec Record) bool {
		raw, err := EncodeRecord(rec)
		return err == nil && bytes.Equal(raw, e.Raw)
	})
}

// look reads the record after a hint that somebody wrote it, unless revision is the
// agent's own last write (0: in any case).
func (a *Agent) look(ctx context.Context, revision int64) {
	if !a.take(ctx) {
		return
	}
	defer a.release()
	if a.isOver() || revision != 0 && revision == a.revision {
		return
	}
	found, err := a.opts.Registry.Get(ctx, a.opts.Kind, a.opts.NodeID)
	var broken *Broken
	switch {
	case errors.Is(err, ErrNotFound):
		a.gone()
	case errors.As(err, &broken):
		_ = a.absorb(&ConflictError{Broken: broken}) // gives no error for what is broken
	case err != nil || found.ModRevision == a.revision:
		// The next heartbeat meets PD's failure too, and says so.
	default:
		if err := a.takeIn(found); err == nil && found.Record.State != a.shown {
			a.refresh(ctx)
		}
	}
}

// watchLife is how long one watch of the agent lasts: after PD's history was reset it would
// wait for a revision that does not come.
const watchLife = time.Minute

// watch looks at the record as soon as somebody writes it. While the watch is broken,
// the heartbeats still find every foreign write.
func (a *Agent) watch(ctx context.Context) {
	wait := retryPause
	for ctx.Err() == nil {
		a.look(ctx, 0) // what happened while there was no watch
		wctx, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), watchLife)
		for resp := range a.opts.Registry.client.Watch(wctx, a.opts.Kind.Key(a.opts.NodeID), clientv3.WithCreatedNotify()) {
			if resp.Err() != nil {
				break
			}
			wait = retryPause
			revision := int64(0)
			if n := len(resp.Events); n > 0 {
				revision = resp.Events[n-1].Kv.ModRevision
			}
			a.look(ctx, revision)
		}
		cancel()
		Sleep(ctx, wait)
		wait = min(2*wait, a.opts.Heartbeat, time.Second)
	}
}
