package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// Bounds of the writes of a state to PD: a node must be able to stop while PD is away.
const (
	moveTimeout    = 5 * time.Second // a state on the way
	finalTimeout   = 10 * time.Second
	hurriedTimeout = 2 * time.Second // the final state when nothing may be waited for
)

// Move writes a state on the way to PD. If somebody else's order came first and it matters
// for where the node is now (it was online, and is told to pause or to leave), that order
// comes back; otherwise the state is written once more. While PD is away the node behaves as
// the state says nevertheless. When hurried is done nothing is waited for.
func Move(hurried context.Context, kind nodes.Kind, a *nodes.Agent, s nodes.State, log logrus.FieldLogger) nodes.Order {
	ctx, cancel := context.WithTimeout(hurried, moveTimeout)
	defer cancel()
	err := a.SetState(ctx, s)
	var ordered *nodes.OrderedError
	if errors.As(err, &ordered) {
		if o := ordered.Instruction.Order; a.State() == nodes.Online && (o == nodes.Pause || o == nodes.Leave) {
			return o
		}
		err = a.SetState(ctx, s)
	}
	if err != nil && hurried.Err() == nil {
		log.WithField("state", s).WithError(err).Warnf("PD does not show the %s's state", kind)
	}
	return nodes.NoOrder
}

// Finish writes the state a node ends in, unless the record is another process's: whatever
// the record orders, it was told, and this stands. When hurried is done it is not tried for
// long.
func Finish(hurried context.Context, kind nodes.Kind, nodeID string, a *nodes.Agent, s nodes.State) error {
	ctx, cancel := context.WithTimeout(context.Background(), finalTimeout)
	defer cancel()
	defer context.AfterFunc(hurried, func() { time.AfterFunc(hurriedTimeout, cancel) })()
	var err error
	if !nodes.CanMove(a.State(), s) { // PD was away when the state between was due
		err = overrideState(ctx, a, map[nodes.State]nodes.State{nodes.Paused: nodes.Pausing, nodes.Offline: nodes.Closing}[s])
	}
	if err == nil {
		err = overrideState(ctx, a, s)
	}
	var held *nodes.HeldError
	if err != nil && !errors.As(err, &held) {
		return fmt.Errorf("the record could not be set to %s (set it with binlogctl -cmd update-%s -node-id %s -state %s): %w", s, kind, nodeID, s, err)
	}
	return nil
}

// Withdraw takes back the record of a node that did not start; see [nodes.Agent.Withdraw].
func Withdraw(hurried context.Context, kind nodes.Kind, nodeID string, a *nodes.Agent) error {
	ctx, cancel := context.WithTimeout(context.Background(), finalTimeout)
	defer cancel()
	defer context.AfterFunc(hurried, func() { time.AfterFunc(hurriedTimeout, cancel) })()
	if a.State() == nodes.Online { // somebody ordered it back between its claim and its end
		return Finish(hurried, kind, nodeID, a, nodes.Paused)
	}
	if err := a.Withdraw(ctx); err != nil {
		return fmt.Errorf("the record of a %s that did not start could not be taken back (binlogctl -cmd update-%s -node-id %s -state paused or offline): %w", kind, kind, nodeID, err)
	}
	return nil
}

// overrideState writes a state whatever the record orders.
func overrideState(ctx context.Context, a *nodes.Agent, s nodes.State) error {
	err := a.SetState(ctx, s)
	var ordered *nodes.OrderedError
	if errors.As(err, &ordered) {
		err = a.SetState(ctx, s)
	}
	return err
}
