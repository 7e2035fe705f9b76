package life

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/version"
	"pumphouse/nodes"
	"pumphouse/nodes/datadir"
)

// Bounds of what a node's end may take: it must be able to stop while PD is away.
const (
	exitTimeout    = 2 * time.Second // the last exit
	moveTimeout    = 5 * time.Second // a state on the way
	finalTimeout   = 10 * time.Second
	hurriedTimeout = 2 * time.Second // the final state when nothing may be waited for
)

// Move writes a state on the way to PD. If somebody else's order came first and it matters
// for where the node is now (it was online, and is told to pause or to leave), that order
// comes back; otherwise the state is written once more. While PD is away the node behaves as
// the state says nevertheless. When the node is hurried nothing is waited for.
func (n *Node) Move(s nodes.State) nodes.Order {
	ctx, cancel := context.WithTimeout(n.Life.Hurried, moveTimeout)
	defer cancel()
	err := n.Agent.SetState(ctx, s)
	var ordered *nodes.OrderedError
	if errors.As(err, &ordered) {
		if o := ordered.Instruction.Order; n.Agent.State() == nodes.Online && (o == nodes.Pause || o == nodes.Leave) {
			return o
		}
		err = n.Agent.SetState(ctx, s)
	}
	if err != nil && n.Life.Hurried.Err() == nil {
		n.Log.WithField("state", s).WithError(err).Warnf("PD does not show the %s's state", n.Kind)
	}
	return nodes.NoOrder
}

// StopServing lets calls under way finish for at most grace, or until the node is hurried, then cuts them.
func (n *Node) StopServing(grace time.Duration) {
	if n.Port == nil {
		return
	}
	ctx, cancel := context.WithTimeout(n.Life.Hurried, grace)
	defer cancel()
	n.Port.Close(ctx)
}

// Leave ends what the node has in PD and on disk, when everything has been closed that could still change its data, with the errors shut:
// the record is finished, then the directory is given back to a next process.
func (n *Node) Leave(shut error, finish func() error) error {
	err := errors.Join(n.Cause, shut, finish())
	if n.Dir != nil {
		err = errors.Join(err, n.Dir.Close())
	}
	return err
}

// Finish writes the state a node ends in, unless the record is another process's: whatever
// the record orders, it was told, and this stands. When the node is hurried it is not tried for
// long.
func (n *Node) Finish() error { return n.finish(n.Final) }

func (n *Node) finish(s nodes.State) error {
	if n.State() == "" {
		return nil
	}
	ctx, cancel := n.lastWords()
	defer cancel()
	var err error
	if !nodes.CanMove(n.Agent.State(), s) { // PD was away when the state between was due
		err = n.override(ctx, map[nodes.State]nodes.State{nodes.Paused: nodes.Pausing, nodes.Offline: nodes.Closing}[s])
	}
	if err == nil {
		err = n.override(ctx, s)
	}
	var held *nodes.HeldError
	if err != nil && !errors.As(err, &held) {
		return fmt.Errorf("the record could not be set to %s (set it with binlogctl -cmd update-%s -node-id %s -state %s): %w", s, n.Kind, n.ID, s, err)
	}
	return nil
}

// Withdraw takes back the record of a node that did not start; see [nodes.Agent.Withdraw].
func (n *Node) Withdraw() error {
	switch n.State() {
	case "":
		return nil
	case nodes.Online: // somebody ordered it back between its claim and its end
		return n.finish(nodes.Paused)
	}
	ctx, cancel := n.lastWords()
	defer cancel()
	if err := n.Agent.Withdraw(ctx); err != nil {
		return fmt.Errorf("the record of a %s that did not start could not be taken back (binlogctl -cmd update-%s -node-id %s -state paused or offline): %w", n.Kind, n.Kind, n.ID, err)
	}
	return nil
}

// lastWords bounds the last writes to the record.
func (n *Node) lastWords() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), finalTimeout)
	stop := context.AfterFunc(n.Life.Hurried, func() { time.AfterFunc(hurriedTimeout, cancel) })
	return ctx, func() { stop(); cancel() }
}

// override writes a state whatever the record orders.
func (n *Node) override(ctx context.Context, s nodes.State) error {
	err := n.Agent.SetState(ctx, s)
	var ordered *nodes.OrderedError
	if errors.As(err, &ordered) {
		err = n.Agent.SetState(ctx, s)
	}
	return err
}

// LeaveExit leaves in PD why the node ends; position: see [nodes.LastExit].
func (n *Node) LeaveExit(position nodes.TSO) {
	n.leaveExit(n.Cause, nodes.LastExit{Text: "told to become " + string(n.Final), Position: position})
}

// leaveExit leaves an exit whose cause is nil when the node was ordered to end, with a text that says how.
func (n *Node) leaveExit(cause error, e nodes.LastExit) {
	// Before the ID is decided it is known all the same, unless it was to have the ID of a port that the node did not get.
	id := cmp.Or(n.ID, datadir.KnownNodeID(n.opts.DataDir, n.opts.NodeID, cmp.Or(n.opts.AdvertiseAddr, n.opts.Addr)))
	if id == "" {
		return
	}
	e.Kind, e.Time, e.Version = nodes.ExitOrderly, n.opts.Now(), version.Number
	var sig *signalError
	switch {
	case errors.As(cause, &sig):
		e.Kind, e.Text = nodes.ExitSignal, sig.Error()
	case errors.Is(cause, errOrdered):
		e.Text = cause.Error()
	case cause != nil:
		p := nodes.ProblemOf(cause)
		if p.Code == nodes.ProblemPDAway && e.Starting {
			return // it would only take time
		}
		e.Kind, e.Code, e.Text, e.Cure, e.CommitTS = nodes.ExitError, p.Code, p.Text, p.Cure, p.CommitTS
	case n.Life.Signalled.Load():
		e.Kind = nodes.ExitSignal
	}
	ctx, cancel := context.WithTimeout(n.Life.Hurried, exitTimeout)
	defer cancel()
	if err := n.opts.Registry.PutExit(ctx, n.Kind, id, e, n.Problems.Secrets()...); err != nil {
		n.Log.WithError(err).Debug("PD does not have the reason for the end")
	}
}

// removeExit removes the last exit when the node has started. What remains, Health removes.
func (n *Node) removeExit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, exitTimeout)
	defer cancel()
	if err := n.opts.Registry.RemoveExit(ctx, n.Kind, n.ID); err != nil {
		n.Log.WithError(err).Debug("the reason for the last end stays in PD for now")
	}
}

// End says that the final state is in PD and all is over; err is what was wrong.
func (n *Node) End(err error, fields logrus.Fields) {
	n.endAgent()
	n.Keeper.Wait()
	n.Log.WithField("state", n.Final).WithFields(fields).Infof("%s has stopped", n.Kind)
	n.Life.End(err)
}
