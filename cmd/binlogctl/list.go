package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"pumphouse/nodes"
)

// list prints the nodes of a kind. Records that cannot be read are named on stderr and
// make the command fail after it has listed the others.
func list(kind nodes.Kind) func(context.Context, options, io.Writer, io.Writer) error {
	return func(ctx context.Context, o options, stdout, stderr io.Writer) error {
		c, err := connect(o)
		if err != nil {
			return err
		}
		defer c.close()
		snap, err := c.registry.List(ctx)
		if err != nil {
			return err
		}
		entries := snap.Of(kind)
		if !o.showOffline {
			entries = notOffline(entries)
		}
		var exits map[nodes.Kind]map[string]nodes.LastExit
		if o.output == "table" {
			if exits, err = c.registry.Exits(ctx); err != nil {
				return err
			}
		}
		err = o.print(stdout, recordsOf(entries),
			func() error { return printTable(stdout, entries, exits[kind], c.now(ctx, stderr)) },
			func() error { return printLog(stdout, kind, entries, time.Now()) })
		if err != nil {
			return fmt.Errorf("write the list: %w", err)
		}
		broken := 0
		for _, b := range snap.Broken {
			if b.Kind == kind {
				fmt.Fprintf(stderr, "binlogctl: record %s: %v\n", b.ShownKey(), b.Err)
				broken++
			}
		}
		if broken > 0 {
			return fmt.Errorf("%d of the %s records in PD cannot be read: delete or correct them (etcdctl)", broken, kind)
		}
		return nil
	}
}

func notOffline(in []nodes.Entry) []nodes.Entry {
	var out []nodes.Entry
	for _, e := range in {
		if e.Record.State != nodes.Offline {
			out = append(out, e)
		}
	}
	return out
}

func printTable(w io.Writer, entries []nodes.Entry, exits map[string]nodes.LastExit, now time.Time) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NODE ID\tADDRESS\tSTATE\tMAX COMMIT TS\tUPDATE TIME\tREPORTING")
	for _, e := range entries {
		r := e.Record
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", r.NodeID, r.Host, r.State, r.MaxCommitTS,
			r.UpdateTS.Time().Local().Format(time.DateTime), reporting(r, now)+hint(r, exits, now))
	}
	return tw.Flush()
}

// hint points to the reason why a node does not run, if that was an error.
func hint(r nodes.Record, exits map[string]nodes.LastExit, now time.Time) string {
	e, known := exits[r.NodeID]
	if !known || e.Kind != nodes.ExitError || r.State != nodes.Paused && r.State != nodes.Offline && r.Reporting(now, nodes.DefaultHeartbeat) {
		return ""
	}
	return fmt.Sprintf(" exited: [%s] (-cmd status says more)", e.Code)
}

// reporting says whether a node that should be running is: a process that was killed
// leaves its record as it was, so the state alone does not tell.
func reporting(r nodes.Record, now time.Time) string {
	switch {
	case r.State == nodes.Paused || r.State == nodes.Offline:
		return "-"
	case r.Reporting(now, nodes.DefaultHeartbeat):
		return "yes"
	}
	return "no, silent for " + now.Sub(r.UpdateTS.Time()).Round(time.Second).String()
}

func recordsOf(entries []nodes.Entry) []nodes.Record {
	records := make([]nodes.Record, len(entries))
	for i, e := range entries {
		records[i] = e.Record
	}
	return records
}

// printLog prints the log lines that scripts written for the old tool read.
func printLog(w io.Writer, kind nodes.Kind, entries []nodes.Entry, now time.Time) error {
	for _, e := range entries {
		r := e.Record
		node := fmt.Sprintf("{NodeID: %s, Addr: %s, State: %s, MaxCommitTS: %d, UpdateTime: %s}",
			r.NodeID, r.Host, r.State, r.MaxCommitTS, time.Unix(r.UpdateTS.Physical()/1000, 0))
		_, err := fmt.Fprintf(w, "[%s] [INFO] [nodes.go:53] [\"query node\"] [type=%s] [node=%s]\n",
			now.Format("2006/01/02 15:04:05.000 -07:00"), kind, strconv.Quote(node))
		if err != nil {
			return err
		}
	}
	return nil
}
