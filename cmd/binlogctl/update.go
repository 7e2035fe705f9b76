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
func update(ctx context.Context, c *cluster, e nodes.Entry, o options, stdout, stderr io.Writer) error {
	state, err := nodes.ParseState(o.state)
	if err != nil {
		return err
	}
	now := c.now(ctx, stderr)
	old, _, err := c.registry.SetState(ctx, e.Kind, o.nodeID, state, c.audit.Note(event(o, now, state, audit.Done)))
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s %s: %s -> %s\n", e.Kind, o.nodeID, old.State, state)
	if order := nodes.OrderFor(old.State, state); order != nodes.NoOrder && reporting(old, now) == "yes" {
		fmt.Fprintf(stdout, "%s %s is running (it reported %s ago) and takes this as an order to %s.\n",
			e.Kind, o.nodeID, now.Sub(old.UpdateTS.Time()).Round(time.Second), order)
	}
	c.trim(ctx)
	return nil
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

// ask asks a running node to do something that leads to a state, which is an event whether it accepts or not, and gives its message.
func (c *cluster) ask(ctx context.Context, o options, e nodes.Entry, action nodes.Action, to nodes.State, stderr io.Writer) (message string, err error) {
	ev := event(o, c.now(ctx, stderr), to, audit.Accepted)
	ev.Kind, ev.NodeID, ev.Host, ev.Old = e.Kind, o.nodeID, e.Record.Host, e.Record.State
	message, err = c.control.Ask(ctx, e.Kind, e.Record, action)
	if err != nil {
		ev.Result = audit.Failure(err)
	}
	c.audit.Record(ctx, ev)
	return message, err
}

// act asks a running node to pause or to go offline. It prints success only when the node
// has accepted; with -wait it stays until the node is there.
func act(action nodes.Action) func(context.Context, *cluster, nodes.Entry, options, io.Writer, io.Writer) error {
	return func(ctx context.Context, c *cluster, e nodes.Entry, o options, stdout, stderr io.Writer) error {
		message, err := c.ask(ctx, o, e, action, action.Final(), stderr)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s %s at %s: %s It will end as %s", e.Kind, o.nodeID, e.Record.Host, message, action.Final())
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
