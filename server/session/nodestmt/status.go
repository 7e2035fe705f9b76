package nodestmt

import (
	"context"
	"slices"
	"sync"
	"time"

	"pumphouse/nodes"
	"pumphouse/server/engine"
	"pumphouse/server/session/catalog"
	"pumphouse/server/session/result"
	"pumphouse/sqlext"
)

// statusColumns are those of SHOW PUMP|DRAINER STATUS (docs/wire-contract.md).
func statusColumns() []engine.Column {
	return []engine.Column{
		result.Text("NodeID", 255), result.Text("Address", 255), result.Text("State", 16), result.Number("Max_Commit_Ts"), result.Text("Update_Time", 19),
	}
}

// statusRows is one snapshot's SHOW … STATUS, ready to be sent. It never changes once
// made, so sessions share it, and whoever encodes it may remember the bytes for as
// long as the *engine.Result is the same.
type statusRows struct {
	snap   *nodes.Snapshot
	zone   string // @@time_zone it was made for
	result *engine.Result
	kept   result.Kept   // for the encoding of result
	listed []nodes.Entry // the nodes of the rows, in their order

	// What advise must look at: false with all reports newer than three heartbeats
	// before now, there is nothing to warn about.
	suspect bool
	oldest  time.Time // of the last reports of nodes that ought to run
}

// Views keeps what SHOW PUMP|DRAINER STATUS shows of the latest snapshot, so that
// sessions that ask the same do not each make it. It is safe for concurrent use.
type Views struct {
	mu   sync.Mutex
	rows map[viewKey]*statusRows
}

type viewKey struct {
	kind   nodes.Kind
	zone   string
	compat Compat
}

// maxViews bounds how many time zones are kept at once.
const maxViews = 16

// NewViews makes an empty one.
func NewViews() *Views { return &Views{rows: map[viewKey]*statusRows{}} }

// of gives the rows of a snapshot. Rows of nodes that did not change since the last
// snapshot are taken over.
func (v *Views) of(snap *nodes.Snapshot, key viewKey, loc *time.Location) *statusRows {
	v.mu.Lock()
	last := v.rows[key]
	v.mu.Unlock()
	if last != nil && last.snap == snap {
		return last
	}
	made := renderStatus(snap, key, loc, last)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.rows[key] == nil && len(v.rows) >= maxViews {
		clear(v.rows)
	}
	// A session that holds an older snapshot must not take the newer one's place.
	if now := v.rows[key]; now == nil || now.snap.Revision <= snap.Revision {
		v.rows[key] = made
	}
	return made
}

// renderStatus makes the rows of the nodes that are not offline, sorted by node ID as
// the snapshot is.
func renderStatus(snap *nodes.Snapshot, key viewKey, loc *time.Location, last *statusRows) *statusRows {
	entries := snap.Of(key.kind)
	made := &statusRows{
		snap: snap, zone: key.zone,
		result: &engine.Result{Columns: statusColumns(), Rows: make([][]engine.Value, 0, len(entries))},
		listed: make([]nodes.Entry, 0, len(entries)),
	}
	old := 0
	for i := range entries {
		e := &entries[i]
		if e.Record.State == nodes.Offline {
			continue
		}
		made.listed = append(made.listed, *e)
		var row []engine.Value
		if last != nil {
			row = last.take(&old, e)
		}
		if row == nil {
			row = statusRow(e.Record, key.compat, loc)
		}
		made.result.Rows = append(made.result.Rows, row)
	}
	made.suspect, made.oldest = suspicion(snap, key.kind)
	return made
}

// take gives the row of a node if it is still as it was; at moves along the sorted
// list.
func (r *statusRows) take(at *int, e *nodes.Entry) []engine.Value {
	for *at < len(r.listed) && r.listed[*at].Record.NodeID < e.Record.NodeID {
		*at++
	}
	if *at < len(r.listed) && r.listed[*at].ModRevision == e.ModRevision && r.listed[*at].Record == e.Record {
		return r.result.Rows[*at]
	}
	return nil
}

func statusRow(r nodes.Record, compat Compat, loc *time.Location) []engine.Value {
	state := r.State.Title()
	if compat == CompatTiDB {
		state = string(r.State)
	}
	return []engine.Value{
		engine.String(r.NodeID), engine.String(r.Host), engine.String(state), engine.Int(int64(r.MaxCommitTS)),
		engine.String(r.UpdateTS.Time().In(loc).Format(time.DateTime)),
	}
}

// Show carries out SHOW [FULL] PUMP|DRAINER STATUS. Without FULL, LIKE or WHERE it gives the very same rows
// until the cluster changes, with what the protocol keeps of them; nil = they will not come again.
func (n *Nodes) Show(ctx context.Context, st *sqlext.ShowNodes) (*engine.Result, *result.Kept, error) {
	kind := nodeKind(st.Kind)
	snap, err := n.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	vars := n.own.Vars
	rows := n.shown[kind]
	if rows == nil || rows.snap != snap || rows.zone != vars.Zone {
		rows = n.cfg.Views.of(snap, viewKey{kind, vars.Zone, n.cfg.Compat}, vars.Location)
		n.shown[kind] = rows
	}
	shown, kept := rows.result, &rows.kept
	if st.Full || st.Pattern != nil || st.Where != nil {
		kept = nil
	}
	if st.Full {
		if shown, err = n.fullStatus(ctx, kind); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case st.Pattern != nil:
		shown, err = n.own.Exec.FilterLike(ctx, shown, st.Pattern)
	case st.Where != nil:
		shown, err = n.own.Exec.Filter(ctx, shown, st.Where)
	}
	if err != nil {
		return nil, nil, err
	}
	n.advise(rows, kind)
	return shown, kept, nil
}

func nodeKind(k sqlext.Kind) nodes.Kind {
	if k == sqlext.Pump {
		return nodes.Pump
	}
	return nodes.Drainer
}

// fullStatus gives the rows of SHOW FULL PUMP|DRAINER STATUS: offline nodes too.
func (n *Nodes) fullStatus(ctx context.Context, kind nodes.Kind) (*engine.Result, error) {
	r := result.New(fullColumns(kind)...)
	need := make([]bool, len(r.Columns))
	for i := range need {
		need[i] = true
	}
	err := n.nodeRows(kind)(ctx, need, func(row []engine.Value) bool {
		r.Rows = append(r.Rows, slices.Clone(row))
		return true
	})
	return r, err
}

// fullColumns are those: all that the table of these nodes in the database binlog has, under the same names.
func fullColumns(kind nodes.Kind) []engine.Column {
	return catalog.Find(catalog.Binlog, kind.String()+"s").Fields
}
