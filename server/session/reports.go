package session

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

// Reports is what a session needs of whoever asks the nodes: a *survey.Survey. It answers
// from memory.
type Reports interface {
	// Report gives a node's last report; false if the node was never asked, or not lately:
	// what is old must not be shown as if it were new.
	Report(kind nodes.Kind, nodeID string) (survey.Report, bool)
	// Exit gives how the last process of a node ended that does not run; false if it left no word.
	Exit(kind nodes.Kind, nodeID string) (nodes.LastExit, bool)
	// Troubles gives the problems of the nodes of a kind, sorted by node ID: what those say that
	// run, and why those exited that do not.
	Troubles(kind nodes.Kind) []survey.Trouble
	// Own gives the problems of this console.
	Own() []nodes.Problem
}

// Audit is what a session needs of the audit: an *audit.Log.
type Audit interface {
	// Note gives the event that goes with a change of a record.
	Note(e audit.Event) nodes.Note
	// Record writes an event that goes with no write of the session.
	Record(ctx context.Context, e audit.Event)
	// List gives the newest events, at most limit of them (0: all that are kept). The list
	// is the caller's.
	List(ctx context.Context, limit int) ([]audit.Event, error)
}

// report is what a node last said of itself; false if it did not answer, or nobody asks.
func (s *Session) report(kind nodes.Kind, nodeID string) (survey.Report, bool) {
	if s.opts.Reports == nil {
		return survey.Report{}, false
	}
	r, ok := s.opts.Reports.Report(kind, nodeID)
	if !ok || r.Err != "" {
		return survey.Report{}, false
	}
	return r, true
}

// ending is how the last process of a node ended that does not run, in words; false: it runs, or never has.
func (s *Session) ending(kind nodes.Kind, r *nodes.Record, now time.Time) (text string, failed, ended bool) {
	if s.opts.Reports == nil || supposedToRun(r.State) && !s.silent(r, now) {
		return "", false, false
	}
	e, ok := s.opts.Reports.Exit(kind, r.NodeID)
	if !ok {
		return nodes.EndingUnknown, false, true
	}
	return e.Ending(s.vars.Location), e.Kind == nodes.ExitError, true
}

// positionRows gives binlog.positions: what the drainers that report say.
func (s *Session) positionRows(ctx context.Context, _ []bool, yield func([]engine.Value) bool) error {
	if s.opts.Reports == nil {
		return nil
	}
	snap, err := s.statementView(ctx)
	if err != nil {
		return err
	}
	for i := range snap.Drainers {
		drainer := snap.Drainers[i].Record.NodeID
		report, ok := s.report(nodes.Drainer, drainer)
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
			row := []engine.Value{engine.String(drainer), engine.String(pump), engine.Int(int64(at)), timeOf(at, s.vars.Location),
				engine.Null(), engine.Null(), wallTime(report.At, s.vars.Location)}
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
func (s *Session) eventRows(ctx context.Context, _ []bool, yield func([]engine.Value) bool) error {
	list, err := s.opts.Audit.List(ctx, 0)
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b audit.Event) int { return int(a.Revision - b.Revision) })
	for i := range list {
		e := &list[i]
		row := []engine.Value{engine.Int(e.Revision), wallTime(e.At, s.vars.Location), engine.String(e.Kind.String()), engine.String(e.NodeID),
			result.OrNull(e.Host), s.stateOrNull(e.Old), s.stateOrNull(e.New), engine.String(string(e.Source)), result.OrNull(e.Statement),
			result.OrNull(e.User), result.OrNull(e.From), engine.String(e.Result)}
		if !yield(row) {
			return nil
		}
	}
	return nil
}

func (s *Session) stateOrNull(st nodes.State) engine.Value {
	if st == "" {
		return engine.Null()
	}
	return engine.String(s.stateText(st))
}

// few joins names, but not too many of them.
func few(ids []string) string {
	const most = 5
	if len(ids) > most {
		ids = append(slices.Clone(ids[:most]), "…")
	}
	return strings.Join(ids, ", ")
}
