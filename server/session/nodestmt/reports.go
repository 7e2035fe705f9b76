package nodestmt

import (
	"context"
	"slices"
	"strings"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/survey"
	"pumphouse/server/engine"
	"pumphouse/server/session/result"
)

// report is what a node last said of itself; false if it did not answer, or nobody asks.
func (n *Nodes) report(kind nodes.Kind, nodeID string) (survey.Report, bool) {
	if n.cfg.Reports == nil {
		return survey.Report{}, false
	}
	r, ok := n.cfg.Reports.Report(kind, nodeID)
	if !ok || r.Err != "" {
		return survey.Report{}, false
	}
	return r, true
}

// ending is how the last process of a node ended that does not run, in words; false: it runs, or never has.
func (n *Nodes) ending(kind nodes.Kind, r *nodes.Record, now time.Time) (text string, failed, ended bool) {
	if n.cfg.Reports == nil || supposedToRun(r.State) && !n.silent(r, now) {
		return "", false, false
	}
	e, ok := n.cfg.Reports.Exit(kind, r.NodeID)
	if !ok {
		return nodes.EndingUnknown, false, true
	}
	return e.Ending(n.own.Vars.Location), e.Kind == nodes.ExitError, true
}

// positionRows gives binlog.positions: what the drainers that report say.
func (n *Nodes) positionRows(ctx context.Context, _ []bool, yield func([]engine.Value) bool) error {
	if n.cfg.Reports == nil {
		return nil
	}
	snap, err := n.statement(ctx)
	if err != nil {
		return err
	}
	for i := range snap.Drainers {
		drainer := snap.Drainers[i].Record.NodeID
		report, ok := n.report(nodes.Drainer, drainer)
		if !ok {
			continue
		}
		pumps := make([]string, 0, len(report.Positions))
		for pump := range report.Positions {
			pumps = append(pumps, pump)
		}
		slices.Sort(pumps)
		for _, pump := range pumps {
			at := report.Positions[pump]
			row := []engine.Value{engine.String(drainer), engine.String(pump), engine.Int(int64(at)), timeOf(at, n.own.Vars.Location),
				engine.Null(), engine.Null(), wallTime(report.At, n.own.Vars.Location)}
			if e, ok := snap.Find(nodes.Pump, pump); ok {
				last := e.Record.MaxCommitTS
				row[4] = engine.Int(int64(last))
				row[5] = seconds(max(0, last.Physical()-at.Physical()))
			}
			if !yield(row) {
				return nil
			}
		}
	}
	return nil
}

// eventRows gives binlog.events, oldest first.
func (n *Nodes) eventRows(ctx context.Context, _ []bool, yield func([]engine.Value) bool) error {
	list, err := n.cfg.Audit.List(ctx, 0)
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b audit.Event) int { return int(a.Revision - b.Revision) })
	for i := range list {
		e := &list[i]
		row := []engine.Value{engine.Int(e.Revision), wallTime(e.At, n.own.Vars.Location), engine.String(e.Kind.String()), engine.String(e.NodeID),
			result.OrNull(e.Host), n.stateOrNull(e.Old), n.stateOrNull(e.New), engine.String(string(e.Source)), result.OrNull(e.Statement),
			result.OrNull(e.User), result.OrNull(e.From), engine.String(e.Result)}
		if !yield(row) {
			return nil
		}
	}
	return nil
}

func (n *Nodes) stateOrNull(st nodes.State) engine.Value {
	if st == "" {
		return engine.Null()
	}
	return engine.String(n.stateText(st))
}

// few joins names, but not too many of them.
func few(ids []string) string {
	const most = 5
	if len(ids) > most {
		ids = append(slices.Clone(ids[:most]), "…")
	}
	return strings.Join(ids, ", ")
}
