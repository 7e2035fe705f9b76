package pump

import (
	"context"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// ForgottenError says that a pump's log knows less than the pump has told PD: it is not the log that the pump had, or not
// all of it.
type ForgottenError struct {
	NodeID   string
	Dir      string
	Known    nodes.TSO // the log is complete up to here; 0: it is empty
	Recorded nodes.TSO // by the record in PD it was up to here
}

func (e *ForgottenError) Error() string {
	return e.lost() + ". Check -data-dir and that its disk is mounted. If the log is gone for good, start the pump once with -accept-loss, " +
		"compare downstream (drainer -compare) or start the drainers again from a new dump"
}

// lost says what is missing.
func (e *ForgottenError) lost() string {
	has := "is empty"
	if e.Known != 0 {
		has = "goes up to commit TS " + dated(e.Known)
	}
	return fmt.Sprintf("the log in %s %s, but by its record in PD pump %q had one up to commit TS %s: transactions in between that no drainer has are lost with it",
		e.Dir, has, e.NodeID, dated(e.Recorded))
}

// Problem implements [nodes.Problematic].
func (e *ForgottenError) Problem() nodes.Problem {
	return nodes.Problem{Code: nodes.ProblemDataMissing, CommitTS: e.Known}
}

// compareWithRecord refuses a log that knows less than the pump's record in PD. A pump that went offline has given its log up,
// so a new one under its ID begins with nothing. Nothing is missing when another process runs with the ID: it has the log.
func (p *Pump) compareWithRecord(ctx context.Context) error {
	known, sure := p.store.Known()
	if p.Recorded.NodeID == "" || p.Recorded.State == nodes.Offline || !sure || known >= p.Recorded.MaxCommitTS {
		if p.opts.AcceptLoss {
			p.Log.Warn("-accept-loss: nothing is lost; remove the flag, so that a lost log is noticed next time")
		}
		return nil
	}
	if err := p.agentOptions().Held(ctx); err != nil {
		return err
	}
	err := &ForgottenError{NodeID: p.ID, Dir: storeDir(p.opts.DataDir), Known: known, Recorded: p.Recorded.MaxCommitTS}
	if !p.opts.AcceptLoss {
		return err
	}
	return p.acceptLoss(ctx, err)
}

// acceptLoss says what is given up, in the log, a metric and the audit, and has the store remember that it was.
func (p *Pump) acceptLoss(ctx context.Context, lost *ForgottenError) error {
	p.metrics.accepted.Inc()
	p.Log.WithFields(logrus.Fields{"known": lost.Known, "commit_ts": lost.Recorded}).
		Error("started with -accept-loss: " + lost.lost() + "; compare downstream (drainer -compare)")
	snap, err := p.opts.Registry.List(ctx)
	if err != nil {
		return err
	}
	for _, e := range snap.Drainers {
		if r := e.Record; r.State != nodes.Offline && r.MaxCommitTS < lost.Recorded {
			p.Log.WithFields(logrus.Fields{"drainer": r.NodeID, "consumed": r.MaxCommitTS}).
				Errorf("drainer %q has not consumed what is lost after commit TS %s", r.NodeID, dated(max(r.MaxCommitTS, lost.Known)))
		}
	}
	p.LossAccepted(ctx, fmt.Sprintf("binlogs after commit TS %s up to %s are given up", lost.Known, lost.Recorded))
	if err := p.store.Remember(lost.Recorded); err != nil {
		return fmt.Errorf("note that the loss is accepted: %w", err)
	}
	return nil
}

// reportable is the commit TS that the record may say: what the log will know after a crash.
func (p *Pump) reportable() nodes.TSO { return min(p.store.MaxCommitTS(), p.store.Reported()) }

// remember makes durable how far the log has come, before the record says so, until ctx ends.
func (p *Pump) remember(ctx context.Context) error {
	tick := time.NewTicker(p.opts.Heartbeat / 2)
	defer tick.Stop()
	failing := false
	for {
		err := p.store.Remember(p.store.MaxCommitTS())
		if (err != nil) != failing {
			failing = err != nil
			log := p.Log.WithField("commit_ts", p.store.Reported())
			if failing {
				log.WithError(err).Warn("how far the log has come cannot be noted on disk: the record's MaxCommitTS stays where it is")
			} else {
				log.Info("how far the log has come is noted again")
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
