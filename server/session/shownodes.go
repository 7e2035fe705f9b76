package session

import (
	"context"
	"sync"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/nodes"
	"pumphouse/server/engine"
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
	kept   Kept          // for the encoding of result
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

// showNodes carries out SHOW [FULL] PUMP|DRAINER STATUS.
func (s *Session) showNodes(ctx context.Context, n *sqlext.ShowNodes) (*Outcome, error) {
	kind := nodeKind(n.Kind)
	snap, err := s.view(ctx)
	if err != nil {
		return nil, err
	}
	rows := s.shown[kind]
	if rows == nil || rows.snap != snap || rows.zone != s.vars.Zone {
		rows = s.opts.Views.of(snap, viewKey{kind, s.vars.Zone, s.opts.Compat}, s.vars.Location)
		s.shown[kind] = rows
	}
	result := rows.result
	if n.Full {
		if result, err = s.fullStatus(ctx, kind); err != nil {
			return nil, err
		}
	}
	switch {
	case n.Pattern != nil:
		if result, err = s.like(ctx, result, n.Pattern); err != nil {
			return nil, err
		}
	case n.Where != nil:
		if result, err = s.exec.Filter(ctx, result, n.Where); err != nil {
			return nil, err
		}
	}
	s.advise(rows, kind)
	if result == rows.result {
		return &Outcome{Rows: result, Kept: &rows.kept}, nil
	}
	return &Outcome{Rows: result}, nil
}

func nodeKind(k sqlext.Kind) nodes.Kind {
	if k == sqlext.Pump {
		return nodes.Pump
	}
	return nodes.Drainer
}

// like keeps the rows whose first column matches a pattern, without regard to letter
// case.
func (s *Session) like(ctx context.Context, in *engine.Result, p *ast.PatternLikeOrIlikeExpr) (*engine.Result, error) {
	match, err := s.matcher(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &engine.Result{Columns: in.Columns}
	for _, row := range in.Rows {
		if match(row[0].Text()) {
			out.Rows = append(out.Rows, row)
		}
	}
	return out, nil
}

// matcher gives the test that a LIKE means; nil matches everything.
func (s *Session) matcher(ctx context.Context, p *ast.PatternLikeOrIlikeExpr) (func(string) bool, error) {
	if p == nil {
		return func(string) bool { return true }, nil
	}
	v, err := s.exec.Eval(ctx, p.Pattern)
	if err != nil {
		return nil, err
	}
	if v.IsNull() {
		return func(string) bool { return false }, nil
	}
	pattern, escape := v.Text(), p.Escape
	if escape == 0 {
		escape = '\\'
	}
	if s.vars.Mode.HasNoBackslashEscapesMode() && !p.EscapeExplicit {
		escape = 0
	}
	return func(text string) bool { return engine.Like(pattern, text, escape) }, nil
}

// logBin is @@log_bin: whether binlog is enabled, in the form of the compatibility
// setting. The document's form is the other way round than one would think: 0 means
// enabled.
func (s *Session) logBin(ctx context.Context) (string, error) {
	enabled := s.opts.LogBin == "on"
	if s.opts.LogBin == "auto" {
		snap, err := s.view(ctx)
		if err != nil {
			return "", err
		}
		for i := range snap.Pumps {
			enabled = enabled || snap.Pumps[i].Record.State == nodes.Online
		}
	}
	switch {
	case s.opts.Compat == CompatTiDB && enabled:
		return "ON", nil
	case s.opts.Compat == CompatTiDB:
		return "OFF", nil
	case enabled:
		return "0", nil
	}
	return "1", nil
}
