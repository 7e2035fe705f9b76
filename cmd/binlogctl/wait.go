package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"pumphouse/nodes"
)

// lateError says that a node which has accepted was not there in time.
type lateError struct {
	entry  nodes.Entry // as its record was last seen
	want   nodes.State
	waited time.Duration
	why    string
}

func (e *lateError) Error() string {
	return fmt.Sprintf("%s %s is %s after %s, not yet %s, and goes on: %s",
		e.entry.Kind, e.entry.Record.NodeID, e.entry.Record.State, e.waited, e.want, e.why)
}

// How often a wait looks, and how often it repeats what the node waits for.
const (
	lookInterval = 500 * time.Millisecond
	sayAgain     = 10 * time.Second
)

// await waits until a node that has accepted an action is where that leads to. Progress
// goes to stderr: every state, and what the node waits for.
func (c *cluster) await(ctx context.Context, o options, e nodes.Entry, action nodes.Action, stdout, stderr io.Writer) error {
	bounded, cancel := context.WithTimeout(ctx, o.wait.time)
	defer cancel()
	type outcome struct {
		entry nodes.Entry
		err   error
	}
	there := make(chan outcome, 1)
	go func() {
		e, err := nodes.WaitState(bounded, c.registry, e.Kind, o.nodeID, action.Final())
		there <- outcome{e, err}
	}()
	began := time.Now()
	p := progress{c: c, o: o, entry: e, stderr: stderr, bar: newBar(stderr, o.wait.time)}
	defer p.bar.pause()
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		select {
		case got := <-there:
			p.bar.pause()
			switch {
			case got.err == nil:
				fmt.Fprintf(stdout, "%s %s is %s, after %s.\n", e.Kind, o.nodeID, action.Final(), time.Since(began).Round(time.Millisecond))
				return nil
			case ctx.Err() != nil:
				return fmt.Errorf("interrupted; %s %s has accepted and goes on: %w", e.Kind, o.nodeID, context.Cause(ctx))
			case bounded.Err() == nil:
				return got.err
			}
			return &lateError{entry: p.entry, want: action.Final(), waited: o.wait.time, why: p.why(ctx)}
		case <-tick.C:
			p.look(bounded)
		}
	}
}

// progress is what a wait has said.
type progress struct {
	c      *cluster
	o      options
	entry  nodes.Entry
	stderr io.Writer
	said   time.Time
	bar    *bar
}

// look says what is new.
func (p *progress) look(ctx context.Context) {
	defer func() { p.bar.show(fmt.Sprintf("%s %s is %s", p.entry.Kind, p.o.nodeID, p.entry.Record.State)) }()
	e, err := p.c.registry.Get(ctx, p.entry.Kind, p.o.nodeID)
	if err != nil {
		return // the wait itself tells
	}
	if e.Record.State != p.entry.Record.State {
		p.bar.pause()
		fmt.Fprintf(p.stderr, "%s %s: %s -> %s\n", e.Kind, p.o.nodeID, p.entry.Record.State, e.Record.State)
	}
	p.entry = e
	if time.Since(p.said) < sayAgain {
		return
	}
	st, err := p.c.control.Status(ctx, e.Kind, e.Record)
	if err == nil && len(st.Waiting) > 0 {
		p.said = time.Now()
		p.bar.pause()
		fmt.Fprintf(p.stderr, "%s %s waits for %s\n", e.Kind, p.o.nodeID, strings.Join(st.Waiting, "; and for "))
	}
}

// why asks a node that is late what it waits for.
func (p *progress) why(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if e, err := p.c.registry.Get(ctx, p.entry.Kind, p.o.nodeID); err == nil {
		p.entry = e
	}
	return p.c.control.HoldUp(ctx, p.entry.Kind, p.entry.Record)
}
