package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
)

// update writes a state into a node's record, and nothing else. A running node takes it
// as an order; for a dead one it is the repair.
func update(kind nodes.Kind) func(context.Context, options, io.Writer, io.Writer) error {
	return func(ctx context.Context, o options, stdout, stderr io.Writer) error {
		c, err := connect(o)
		if err != nil {
			return err
		}
		defer c.close()
		if _, err := c.registry.Find(ctx, kind, o.nodeID); err != nil {
			return err
		}
		state, err := nodes.ParseState(o.state)
		if err != nil {
			return err
		}
		now := c.now(ctx, stderr)
		old, _, err := c.registry.SetState(ctx, kind, o.nodeID, state, c.audit.Note(event(o, now, state, audit.Done)))
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s %s: %s -> %s\n", kind, o.nodeID, old.State, state)
		if order := nodes.OrderFor(old.State, state); order != nodes.NoOrder && reporting(old, now) == "yes" {
			fmt.Fprintf(stdout, "%s %s is running (it reported %s ago) and takes this as an order to %s.\n",
				kind, o.nodeID, now.Sub(old.UpdateTS.Time()).Round(time.Second), order)
		}
		c.trim(ctx)
		return nil
	}
}

// drop removes an offline node's record.
func drop(kind nodes.Kind) func(context.Context, options, io.Writer, io.Writer) error {
	return func(ctx context.Context, o options, stdout, stderr io.Writer) error {
		c, err := connect(o)
		if err != nil {
			return err
		}
		defer c.close()
		old, _, err := c.registry.Drop(ctx, kind, o.nodeID, c.audit.Note(event(o, c.now(ctx, stderr), "", audit.Done)))
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s %s at %s, offline since %s: its record is removed\n",
			kind, o.nodeID, old.Host, old.UpdateTS.Time().Local().Format(time.DateTime))
		c.trim(ctx)
		return nil
	}
}

// act asks a running node to pause or to go offline. It prints success only when the node
// has accepted; with -wait it stays until the node is there.
func act(kind nodes.Kind, action nodes.Action) func(context.Context, options, io.Writer, io.Writer) error {
	return func(ctx context.Context, o options, stdout, stderr io.Writer) error {
		c, err := connect(o)
		if err != nil {
			return err
		}
		defer c.close()
		e, err := c.registry.Find(ctx, kind, o.nodeID)
		if err != nil {
			return err
		}
		ev := event(o, c.now(ctx, stderr), action.Final(), audit.Accepted)
		ev.Kind, ev.NodeID, ev.Host, ev.Old = kind, o.nodeID, e.Record.Host, e.Record.State
		message, err := c.control.Ask(ctx, kind, e.Record, action)
		if err != nil {
			ev.Result = audit.Failure(err)
		}
		c.audit.Record(ctx, ev)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s %s at %s: %s It will end as %s", kind, o.nodeID, e.Record.Host, message, action.Final())
		if o.wait.set {
			fmt.Fprintln(stdout, ".")
			err = c.await(ctx, o, e, action, stdout, stderr)
		} else {
			fmt.Fprintf(stdout, "; -cmd status -node-id %s shows how far it is.\n", o.nodeID)
		}
		c.trim(ctx)
		return err
	}
}
