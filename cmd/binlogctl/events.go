package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
)

// events prints the audit, oldest first: all of it, or that of -node-id.
func events(ctx context.Context, o options, stdout, _ io.Writer) error {
	c, err := connect(o)
	if err != nil {
		return err
	}
	defer c.close()
	list, err := c.audit.List(ctx, 0)
	if err != nil {
		return err
	}
	if o.nodeID != "" {
		list = slices.DeleteFunc(list, func(e audit.Event) bool { return e.NodeID != o.nodeID })
	}
	slices.Reverse(list)
	type withKind struct {
		Kind string `json:"kind"`
		audit.Event
	}
	out := make([]withKind, len(list))
	for i, e := range list {
		out[i] = withKind{e.Kind.String(), e}
	}
	err = o.print(stdout, out, func() error { return printEvents(stdout, list) }, func() error { return printEventsLog(stdout, list) })
	if err != nil {
		return fmt.Errorf("write the events: %w", err)
	}
	return nil
}

func printEvents(w io.Writer, list []audit.Event) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "TIME\tKIND\tNODE ID\tFROM\tTO\tBY\tRESULT")
	for _, e := range list {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.At.Local().Format(time.DateTime), e.Kind, e.NodeID,
			stateOrNone(e.Old), stateOrNone(e.New), by(e), e.Result)
	}
	return tw.Flush()
}

// printEventsLog writes a line each in the form of the upstream tool's log.
func printEventsLog(w io.Writer, list []audit.Event) error {
	for _, e := range list {
		text := fmt.Sprintf("{NodeID: %s, Addr: %s, From: %s, To: %s, By: %s, Result: %s}", e.NodeID, e.Host, e.Old, e.New, by(e), e.Result)
		if _, err := fmt.Fprintf(w, "[%s] [INFO] [nodes.go:53] [\"node event\"] [type=%s] [event=%s]\n",
			e.At.Local().Format("2006/01/02 15:04:05.000 -07:00"), e.Kind, strconv.Quote(text)); err != nil {
			return err
		}
	}
	return nil
}

// stateOrNone is a state, or that there is no record.
func stateOrNone(s nodes.State) string {
	if s == "" {
		return "(none)"
	}
	return string(s)
}

// by says who did it: "root@10.0.0.1: PAUSE (console)", or only "node".
func by(e audit.Event) string {
	if e.Statement == "" {
		return string(e.Source)
	}
	return fmt.Sprintf("%s@%s: %s (%s)", e.User, e.From, e.Statement, e.Source)
}
