package drainer

import (
	"context"
	"fmt"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// EarlierError says that a drainer would resume from before, or skip what follows, the commit TS up to which it has told PD that
// everything is downstream: its checkpoint is gone, or is an earlier one.
type EarlierError struct {
	NodeID   string
	Store    string    // where the checkpoint is
	None     bool      // there is no checkpoint
	Begin    nodes.TSO // where the drainer would begin
	Recorded nodes.TSO // everything up to here is downstream, by the record in PD
}

func (e *EarlierError) Error() string {
	what := fmt.Sprintf("the checkpoint in %s is %s", e.Store, dated(e.Begin))
	if e.None {
		what = fmt.Sprintf("there is no checkpoint in %s, so it would begin at %s", e.Store, dated(e.Begin))
	}
	return fmt.Sprintf("%s, but by its record in PD drainer %q has everything up to %s downstream. Check -data-dir and the downstream. "+
		"To resume where it was: -initial-commit-ts %s without a checkpoint. To begin at %s all the same, because the downstream was restored from a backup or a dump: start it once with -accept-loss",
		what, e.NodeID, dated(e.Recorded), e.Recorded, e.Begin)
}

// Problem implements [nodes.Problematic].
func (e *EarlierError) Problem() nodes.Problem {
	return nodes.Problem{Code: nodes.ProblemDataMissing, CommitTS: e.Begin}
}

func dated(ts nodes.TSO) string {
	return fmt.Sprintf("%s (%s)", ts, ts.Time().UTC().Format("2006-01-02T15:04:05Z"))
}

// compareWithRecord refuses to begin before what the record in PD says, and to skip what follows it because there is no checkpoint and nobody
// has said where to begin. A drainer that is offline has left its place.
func (d *Drainer) compareWithRecord(ctx context.Context, begin nodes.TSO, saved bool) error {
	r := d.Recorded
	skips := !saved && d.opts.InitialCommitTS < 0 && begin > r.MaxCommitTS
	if r.NodeID == "" || r.State == nodes.Offline || r.MaxCommitTS == 0 || begin >= r.MaxCommitTS && !skips {
		return nil
	}
	err := &EarlierError{NodeID: d.ID, Store: d.store.String(), None: !saved, Begin: begin, Recorded: r.MaxCommitTS}
	if !d.opts.AcceptLoss {
		return err
	}
	d.Log.WithFields(logrus.Fields{"commit_ts": begin, "recorded": r.MaxCommitTS}).Error("started with -accept-loss: " + err.Error())
	d.LossAccepted(ctx, fmt.Sprintf("begins at commit TS %s, where its record says %s", begin, r.MaxCommitTS))
	return nil
}
