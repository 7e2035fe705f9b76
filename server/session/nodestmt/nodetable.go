package nodestmt

import (
	"context"
	"encoding/json"
	"time"

	"github.com/shopspring/decimal"

	"pumphouse/nodes"
	"pumphouse/nodes/survey"
	"pumphouse/server/engine"
	"pumphouse/server/session/result"
)

// nodeRow is what a cell of binlog.pumps or binlog.drainers is made of.
type nodeRow struct {
	n      *Nodes
	kind   nodes.Kind
	snap   *nodes.Snapshot
	now    time.Time // PD's clock
	loc    *time.Location
	record *nodes.Record
	report survey.Report
	told   bool // report holds
	held   *string
}

// nodeCells make the cells, in the order of the columns.
var nodeCells = [...]func(r *nodeRow) engine.Value{
	func(r *nodeRow) engine.Value { return engine.String(r.record.NodeID) },
	func(r *nodeRow) engine.Value { return engine.String(r.record.Host) },
	func(r *nodeRow) engine.Value { return engine.String(r.n.stateText(r.record.State)) },
	func(r *nodeRow) engine.Value { return engine.Bool(r.record.Reporting(r.now, r.n.cfg.Heartbeat)) },
	func(r *nodeRow) engine.Value { return engine.Int(int64(r.record.MaxCommitTS)) },
	func(r *nodeRow) engine.Value { return timeOf(r.record.MaxCommitTS, r.loc) },
	func(r *nodeRow) engine.Value { return engine.Int(int64(r.record.UpdateTS)) },
	func(r *nodeRow) engine.Value { return timeOf(r.record.UpdateTS, r.loc) },
	func(r *nodeRow) engine.Value { return r.lag() },
	func(r *nodeRow) engine.Value { return engine.Int(r.record.Score) },
	func(r *nodeRow) engine.Value { return labels(r.record.Label) },
	func(r *nodeRow) engine.Value { return result.OrNull(r.report.Version) },
	func(r *nodeRow) engine.Value { return r.waiting() },
	func(r *nodeRow) engine.Value { return r.warning() },
	func(r *nodeRow) engine.Value {
		text, _, _ := r.n.ending(r.kind, r.record, r.now)
		return result.OrNull(text)
	},
}

const (
	versionCell = 11
	waitingCell = 12
	warningCell = 13
)

// waiting says what the node waits for: what it says itself, or an operator where it has exited with an
// error; NULL if nobody knows.
func (r *nodeRow) waiting() engine.Value {
	if r.told {
		return engine.String(r.report.WaitingFor())
	}
	if text, failed, _ := r.n.ending(r.kind, r.record, r.now); failed {
		return engine.String("an operator: it " + text)
	}
	return engine.Null()
}

// nodeRows gives the nodes of a kind, offline ones too, sorted by node ID. Only the cells
// that are asked for are made.
func (n *Nodes) nodeRows(kind nodes.Kind) result.RowSource {
	return func(ctx context.Context, need []bool, yield func([]engine.Value) bool) error {
		snap, err := n.statement(ctx)
		if err != nil {
			return err
		}
		r := &nodeRow{n: n, kind: kind, snap: snap, now: n.cfg.NodeClock(), loc: n.own.Vars.Location}
		ask := need[versionCell] || need[waitingCell] || need[warningCell]
		row := make([]engine.Value, len(nodeCells))
		entries := snap.Of(kind)
		for i := range entries {
			r.record = &entries[i].Record
			if ask {
				r.report, r.told = n.report(kind, r.record.NodeID)
			}
			for c, cell := range nodeCells {
				if need[c] {
					row[c] = cell(r)
				}
			}
			if !yield(row) {
				return nil
			}
		}
		return nil
	}
}

// stateText spells a state as SHOW … STATUS does.
func (n *Nodes) stateText(st nodes.State) string {
	if n.cfg.Compat == CompatTiDB {
		return string(st)
	}
	return st.Title()
}

// lag is what [nodes.Record.Lag] says; NULL = not known.
func (r *nodeRow) lag() engine.Value {
	lag, ok := r.record.Lag(r.now, r.n.cfg.Heartbeat)
	if !ok {
		return engine.Null()
	}
	return seconds(lag.Milliseconds())
}

// warning says what SHOW WARNINGS says of the node after SHOW … STATUS.
func (r *nodeRow) warning() engine.Value {
	var text string
	if r.n.silent(r.record, r.now) {
		text = "does not report: " + lastWord(r.record, r.now, r.loc)
	}
	switch r.kind {
	case nodes.Pump:
		if r.n.holds(r.record, r.now) && anyNotOffline(r.snap.Drainers) {
			text = join(text, "holds replication: drainers apply nothing newer than what it has shown them")
		}
	case nodes.Drainer:
		if r.record.State != nodes.Offline {
			text = join(text, r.holders())
		}
	}
	if r.told {
		for _, p := range r.report.Problems {
			text = join(text, p.String())
		}
	} else if ending, failed, _ := r.n.ending(r.kind, r.record, r.now); failed {
		text = join(text, ending)
	}
	return result.OrNull(text)
}

// holders names the pumps that hold every drainer, once for all rows.
func (r *nodeRow) holders() string {
	if r.held == nil {
		var ids []string
		for i := range r.snap.Pumps {
			if p := &r.snap.Pumps[i].Record; r.n.holds(p, r.now) {
				ids = append(ids, p.NodeID)
			}
		}
		text := ""
		if len(ids) > 0 {
			text = "held by " + few(ids)
		}
		r.held = &text
	}
	return *r.held
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// timeOf is the time of a TSO as a wall clock in loc shows it; NULL for none.
func timeOf(ts nodes.TSO, loc *time.Location) engine.Value {
	if ts.Physical() == 0 {
		return engine.Null()
	}
	return wallTime(ts.Time(), loc)
}

// wallTime is a DATETIME(3): what a wall clock in loc shows.
func wallTime(t time.Time, loc *time.Location) engine.Value {
	_, offset := t.In(loc).Zone()
	return engine.Datetime(t.Add(time.Duration(offset)*time.Second).UTC().Truncate(time.Millisecond), 3)
}

// seconds is a number of milliseconds as a DECIMAL(20,3).
func seconds(ms int64) engine.Value { return engine.Decimal(decimal.New(ms, -3)) }

// labels are the labels of a record as a JSON object, NULL for none.
func labels(l *nodes.Label) engine.Value {
	if l == nil || len(l.Labels) == 0 {
		return engine.Null()
	}
	b, err := json.Marshal(l.Labels)
	if err != nil {
		return engine.Null() // a map of texts always can be written
	}
	return engine.String(string(b))
}
