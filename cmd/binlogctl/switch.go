package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"pumphouse/nodes"
)

// switchTimeout is how long a switch may take when -wait does not say: as long as a drainer brings downstream what is in flight, and the
// other one loads the table definitions.
const switchTimeout = 2 * time.Minute

// switchDrainer has the active drainer give its place to its standby, and returns when that one is online.
func switchDrainer(ctx context.Context, c *cluster, e nodes.Entry, o options, stdout, stderr io.Writer) error {
	began := time.Now()
	message, err := c.ask(ctx, o, e, nodes.ActSwitch, nodes.Online, stderr)
	defer c.trim(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "drainer %s at %s: %s\n", o.nodeID, e.Record.Host, message)
	timeout := cmp.Or(o.wait.time, switchTimeout)
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	last := e.Record.State
	for {
		now, err := c.registry.Get(bounded, nodes.Drainer, o.nodeID)
		rec := now.Record
		if err == nil && rec.State != last {
			fmt.Fprintf(stderr, "drainer %s at %s: %s -> %s\n", o.nodeID, rec.Host, last, rec.State)
			last = rec.State
		}
		if err == nil && rec.State == nodes.Online && rec.Host != e.Record.Host {
			fmt.Fprintf(stdout, "drainer %s is online at %s, after %s.\n", o.nodeID, rec.Host, time.Since(began).Round(time.Millisecond))
			return nil
		}
		if !nodes.Sleep(bounded, 20*time.Millisecond) {
			if ctx.Err() != nil {
				return fmt.Errorf("interrupted; drainer %s has accepted and goes on: %w", o.nodeID, context.Cause(ctx))
			}
			return &lateError{entry: now, want: nodes.Online, waited: timeout, why: c.control.HoldUp(ctx, nodes.Drainer, rec)}
		}
	}
}
