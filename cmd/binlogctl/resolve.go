package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
)

// verdict is what -start-ts, -commit-ts and -rollback say of a transaction.
type verdict struct {
	startTS  nodes.TSO
	commitTS nodes.TSO // 0 with rollback
	rollback bool
}

// tsoFlag sets a TSO.
func tsoFlag(ts *nodes.TSO) func(string) error {
	return func(text string) error {
		n, err := nodes.ParseTSO(text)
		if err == nil && n == 0 {
			err = errors.New("0 is not a TSO: want that of the transaction, as -cmd unresolved prints it")
		}
		*ts = n
		return err
	}
}

// check says what is wrong with the flags for a command.
func (v verdict) check(cmd string) error {
	if cmd != "resolve" {
		if v != (verdict{}) {
			return fmt.Errorf("-start-ts, -commit-ts and -rollback do not go with -cmd %s: they are for -cmd resolve", cmd)
		}
		return nil
	}
	switch {
	case v.startTS == 0:
		return errors.New("-cmd resolve needs -start-ts: -cmd unresolved lists the transactions")
	case v.rollback == (v.commitTS != 0):
		return errors.New("-cmd resolve needs one of -commit-ts and -rollback: how the transaction ended")
	}
	return nil
}

// String is the command's end as one types it.
func (v verdict) String() string {
	if v.rollback {
		return fmt.Sprintf("-start-ts %s -rollback", v.startTS)
	}
	return fmt.Sprintf("-start-ts %s -commit-ts %s", v.startTS, v.commitTS)
}

// resolve decides an unresolved transaction of a pump. It prints success only when the pump
// has the decision on disk.
func resolve(ctx context.Context, c *cluster, e nodes.Entry, o options, stdout, stderr io.Writer) error {
	ev := event(o, c.now(ctx, stderr), e.Record.State, audit.Done)
	ev.Kind, ev.NodeID, ev.Host, ev.Old = nodes.Pump, o.nodeID, e.Record.Host, e.Record.State
	ev.Statement += " " + o.verdict.String()
	message, err := c.control.Resolve(ctx, e.Record, o.verdict.startTS, o.verdict.commitTS, fmt.Sprintf("%s@%s (binlogctl)", ev.User, ev.From))
	if err != nil {
		ev.Result = audit.Failure(err)
	}
	c.audit.Record(ctx, ev)
	c.trim(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "pump %s: %s\n", o.nodeID, message)
	return nil
}
