package nodestmt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/server/session/result"
	"pumphouse/sqlext"
)

// changeNode carries out CHANGE PUMP|DRAINER TO NODE_STATE = … FOR NODE_ID …, and logs
// who did it, whatever came of it.
func (n *Nodes) changeNode(ctx context.Context, st *sqlext.ChangeNode) error {
	kind := nodeKind(st.Kind)
	id, want := n.Literal(st.NodeID), n.Literal(st.State)
	log := n.own.Log.WithFields(logrus.Fields{"kind": kind.String(), "node": logged(id, maxLoggedName), "new_state": logged(want, maxLoggedName)})
	if err := n.mayOrder(log, "CHANGE"); err != nil {
		return err
	}
	old, err := n.writeState(ctx, kind, id, want)
	if err != nil {
		failedOrder(log, "CHANGE", err)
		return err
	}
	log.WithFields(logrus.Fields{"old_state": string(old.State), "result": "done", "revision": n.Wrote}).Info("CHANGE done")
	return nil
}

// writeState writes the state and warns of what it risks. The node is looked up before
// the state is checked; an unknown one of either writes nothing.
func (n *Nodes) writeState(ctx context.Context, kind nodes.Kind, id, want string) (nodes.Record, error) {
	state, badState := nodes.ParseState(want)
	if badState != nil {
		state = nodes.State(want) // SetState refuses it, once it has found the node
	}
	before, err := n.read(ctx)
	if err != nil {
		return nodes.Record{}, err
	}
	old, revision, err := n.cfg.Cluster.SetState(ctx, kind, id, state, n.cfg.Audit.Note(n.event("CHANGE", state, audit.Done)))
	if err != nil {
		return nodes.Record{}, n.changeError(err)
	}
	n.Wrote = max(n.Wrote, revision)
	n.warnOfRisks(before, kind, old, state)
	return old, nil
}

// changeError puts an error of SetState into the words of the compatibility mode.
func (n *Nodes) changeError(err error) error {
	var unknown *nodes.UnknownStateError
	if errors.As(err, &unknown) && n.cfg.Compat == CompatTiDB {
		return result.Errorf(result.ErrUnknown, "state %s is illegal", unknown.State)
	}
	var missing *nodes.NotFoundError
	if errors.As(err, &missing) {
		if n.cfg.Compat == CompatTiDB {
			return result.Errorf(result.ErrUnknown, "%s", missing.TiDB())
		}
		return result.Errorf(result.ErrUnknown, "%s", missing.Error())
	}
	if unknown != nil {
		return result.Errorf(result.ErrUnknown, "%s", unknown.Error())
	}
	return err
}

// warnOfRisks warns of what a state that was just written can bring about. The
// statement has been carried out: an operator in need must not be argued with.
func (n *Nodes) warnOfRisks(snap *nodes.Snapshot, kind nodes.Kind, old nodes.Record, state nodes.State) {
	warn := func(format string, args ...any) {
		n.own.Diag.Warn(format, args...)
	}
	now := n.cfg.NodeClock()
	live := supposedToRun(old.State) && old.Reporting(now, n.cfg.Heartbeat)
	if live && old.State != state {
		if order := nodes.OrderFor(old.State, state); order != nodes.NoOrder {
			warn("%s %q is live (it reported %s) and acts on this: it will %s",
				kind, old.NodeID, age(&old, now), order)
		} else {
			warn("%s %q is live (it reported %s): it is %s and finishes that first, whatever its record says",
				kind, old.NodeID, age(&old, now), old.State)
		}
	}
	if kind == nodes.Pump && old.State == nodes.Online && state != nodes.Online {
		if online, all := countPumps(snap.Pumps, old.NodeID); online == 0 {
			warn("pump %q was the last one online (0 of %d that are not offline): TiDB servers that write binlog stop "+
				"until a pump is online again", old.NodeID, all)
		}
	}
	if kind == nodes.Pump && state == nodes.Offline && old.State != nodes.Offline && (!live || old.State == nodes.Closing) {
		n.warnOfLoss(snap, old, warn)
	}
	if kind == nodes.Drainer && state == nodes.Offline && old.State != nodes.Offline {
		if top := newestPumped(snap.Pumps); top > old.MaxCommitTS {
			at, lags := "has consumed nothing yet", ""
			if old.MaxCommitTS.Physical() > 0 {
				at, lags = fmt.Sprintf("has consumed up to commit TS %d", old.MaxCommitTS), fmt.Sprintf(" (it lags by %s)", lag(old.MaxCommitTS, top))
			}
			warn("drainer %q goes offline and %s, and the pumps are at commit TS %d%s: they keep no binlogs for it any more; "+
				"to stop it for a while its state is 'paused'", old.NodeID, at, top, lags)
		}
	}
	if state == nodes.Online && !live {
		what := "pumps that cannot reach it do not start"
		if kind == nodes.Pump {
			what = "TiDB servers try to write to it"
		}
		warn("%s %q does not run (%s): while its record says online, %s",
			kind, old.NodeID, lastWord(&old, now, n.own.Vars.Location), what)
	}
}

// countPumps counts the pumps that are online but for one, and those that are not
// offline, that one included.
func countPumps(pumps []nodes.Entry, except string) (online, all int) {
	for i := range pumps {
		r := &pumps[i].Record
		if r.State != nodes.Offline {
			all++
		}
		if r.State == nodes.Online && r.NodeID != except {
			online++
		}
	}
	return online, all
}

// warnOfLoss names the drainers that have not consumed everything a pump holds which
// now counts as gone.
func (n *Nodes) warnOfLoss(snap *nodes.Snapshot, pump nodes.Record, warn func(string, ...any)) {
	for i := range snap.Drainers {
		d := &snap.Drainers[i].Record
		if d.State == nodes.Offline || d.MaxCommitTS >= pump.MaxCommitTS {
			continue
		}
		missing := fmt.Sprintf("from commit TS %d to %d (%s)", d.MaxCommitTS+1, pump.MaxCommitTS, lag(d.MaxCommitTS, pump.MaxCommitTS))
		if d.MaxCommitTS.Physical() == 0 {
			missing = fmt.Sprintf("it has consumed nothing yet, and the pump has binlogs up to commit TS %d", pump.MaxCommitTS)
		}
		warn("pump %q goes offline with binlogs that drainer %q has not consumed: %s; the drainer goes on without them",
			pump.NodeID, d.NodeID, missing)
	}
}

// newestPumped is the largest commit TS on any pump that is not offline.
func newestPumped(pumps []nodes.Entry) (top nodes.TSO) {
	for i := range pumps {
		if r := &pumps[i].Record; r.State != nodes.Offline {
			top = max(top, r.MaxCommitTS)
		}
	}
	return top
}

// lag is the time between two TSOs.
func lag(from, to nodes.TSO) time.Duration {
	return to.Time().Sub(from.Time()).Round(time.Millisecond)
}
