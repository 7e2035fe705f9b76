package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"pumphouse/nodes"
)

// update writes a state into a node's record, and nothing else. A running node takes it
// as an order; for a dead one it is the repair.
func update(kind nodes.Kind) func(context.Context, options, io.Writer, io.Writer) error {
	return func(ctx context.Context, o options, stdout, stderr io.Writer) error {
		if o.state == "" {
			return errors.New("update needs -state: online, pausing, paused, closing or offline")
		}
		c, err := connect(o)
		if err != nil {
			return err
		}
		defer c.close()
		// The node is looked up before the state is judged, as the old tool does.
		if _, err := c.registry.Get(ctx, kind, o.nodeID); err != nil {
			return err
		}
		state, err := nodes.ParseState(o.state)
		if err != nil {
			return err
		}
		old, _, err := c.registry.SetState(ctx, kind, o.nodeID, state)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "%s %s: %s -> %s\n", kind, o.nodeID, old.State, state)
		return err
	}
}

// act asks a running node to pause or to go offline. It prints success only when the node
// has accepted.
func act(kind nodes.Kind, action nodes.Action) func(context.Context, options, io.Writer, io.Writer) error {
	return func(ctx context.Context, o options, stdout, stderr io.Writer) error {
		c, err := connect(o)
		if err != nil {
			return err
		}
		defer c.close()
		e, err := c.registry.Get(ctx, kind, o.nodeID)
		if err != nil {
			return err
		}
		message, err := c.control.Ask(ctx, kind, e.Record, action)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "%s %s at %s: %s It will end as %s; -cmd %ss shows how far it is.\n",
			kind, o.nodeID, e.Record.Host, message, action.Final(), kind)
		return err
	}
}
