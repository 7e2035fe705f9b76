package txn_test

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
	"pumphouse/testsuite/tidbtest/golden"
)

// cell is a value of a stored row: nil is NULL.
type cell = *string

// replica is a downstream in memory. It does what the statements of the golden workload do to
// rows that are there, which binlogs do not tell.
type replica struct {
	t      testing.TB
	tables map[int64]*replicaTable
}

type replicaTable struct {
	def  *schema.Table
	rows []map[int64]cell // by column ID; public columns that are not virtual
}

func newReplica(t testing.TB) *replica { return &replica{t, make(map[int64]*replicaTable)} }

// printed is a value in the form of golden.Table.
func printed(c *schema.Column, v txn.Value) cell {
	text := v.String()
	switch v.Kind {
	case txn.Null:
		return nil
	case txn.Bytes, txn.Bit:
		text = hex.EncodeToString(v.Bytes)
	}
	return &text
}

func (r *replica) defaultOf(c *schema.Column) cell {
	v, err := txn.Default(c, time.UTC)
	if err != nil {
		r.t.Error(err)
	}
	return printed(c, v)
}

// change applies a row's change.
func (r *replica) change(c *txn.Change) {
	tab, ok := r.tables[c.Table.ID]
	if !ok {
		tab = &replicaTable{def: c.Table}
		r.tables[c.Table.ID] = tab
	}
	place := -1
	if c.Op != txn.Insert {
		if place = tab.find(c.Old); place < 0 {
			r.t.Fatalf("%s: no row is %v", c.Table, c.Old)
		}
	}
	if c.Op == txn.Delete {
		tab.rows = slices.Delete(tab.rows, place, place+1)
		return
	}
	row := make(map[int64]cell)
	if c.Op == txn.Update {
		row = tab.rows[place]
	}
	for i := range c.Table.Columns {
		col := &c.Table.Columns[i]
		switch {
		case !col.Public || col.Virtual():
		case c.New[i].Kind != txn.Missing:
			row[col.ID] = printed(col, c.New[i])
		case c.Op == txn.Insert:
			row[col.ID] = r.defaultOf(col)
		}
	}
	if c.Op == txn.Insert {
		tab.rows = append(tab.rows, row)
	}
}

// find is the place of a row.
func (tab *replicaTable) find(want txn.Row) int {
	keys := make([]cell, len(want))
	for i := range want {
		if col := &tab.def.Columns[i]; col.Public && !col.Virtual() && want[i].Kind != txn.Missing {
			keys[i] = printed(col, want[i])
		}
	}
	return slices.IndexFunc(tab.rows, func(row map[int64]cell) bool {
		for i := range want {
			col := &tab.def.Columns[i]
			if !col.Public || col.Virtual() || want[i].Kind == txn.Missing {
				continue
			}
			if got := row[col.ID]; (got == nil) != (keys[i] == nil) || got != nil && *got != *keys[i] {
				return false
			}
		}
		return true
	})
}

// ddl does what a DDL statement does to rows.
func (r *replica) ddl(before, after *schema.Tables, d *schema.DDL) {
	switch query := strings.TrimSpace(d.Job.Query); {
	case query == "alter table by_range truncate partition p1;":
		r.deleteRange(d.Job.TableID, 10, 20)
	case query == "alter table by_range drop partition p2;":
		r.deleteRange(d.Job.TableID, 20, 30)
	case d.Job.Type == schema.ActionExchangePartition:
		plain, _ := after.Named("parts", "swap")
		parted := r.tables[d.After.ID]
		swapped := r.tables[d.Job.TableID].rows
		r.tables[plain.ID] = &replicaTable{def: plain, rows: r.deleteRange(parted.def.ID, 0, 10)}
		parted.rows = append(parted.rows, swapped...)
		delete(r.tables, d.Job.TableID)
	}
	for id, tab := range r.tables {
		def, ok := after.Table(id)
		if !ok {
			delete(r.tables, id)
			continue
		}
		if def != tab.def {
			r.alter(tab, def)
		}
	}
}

// deleteRange takes out the rows with an id in a range.
func (r *replica) deleteRange(table int64, from, to int) (gone []map[int64]cell) {
	tab := r.tables[table]
	tab.rows = slices.DeleteFunc(tab.rows, func(row map[int64]cell) bool {
		id, err := strconv.Atoi(*row[1])
		if err != nil {
			r.t.Fatal(err)
		}
		if id >= from && id < to {
			gone = append(gone, row)
			return true
		}
		return false
	})
	return gone
}

// alter gives rows the columns of a new definition. A column whose type changed has a new ID.
func (r *replica) alter(tab *replicaTable, def *schema.Table) {
	for _, row := range tab.rows {
		for i := range def.Columns {
			c := &def.Columns[i]
			if _, ok := row[c.ID]; ok || !c.Public || c.Virtual() {
				continue
			}
			row[c.ID] = r.defaultOf(c)
			for _, old := range tab.def.Columns {
				if v, ok := row[old.ID]; ok && strings.EqualFold(old.Name, c.Name) {
					row[c.ID] = v
				}
			}
		}
		for id := range row {
			if def.Column(id) < 0 {
				delete(row, id)
			}
		}
	}
	tab.def = def
}

// check compares a table with what the upstream had in the end.
func (r *replica) check(after *schema.Tables, want golden.Table) {
	def, ok := after.Table(want.ID)
	if !ok || def.Schema != want.Schema || def.Name != want.Name {
		r.t.Errorf("table %d is %v, want %s.%s", want.ID, def, want.Schema, want.Name)
		return
	}
	var public []*schema.Column
	for i := range def.Columns {
		if def.Columns[i].Public {
			public = append(public, &def.Columns[i])
		}
	}
	if len(public) != len(want.Columns) {
		r.t.Errorf("%s has %d columns, want %d", def, len(public), len(want.Columns))
		return
	}
	tab := r.tables[want.ID]
	if tab == nil {
		tab = new(replicaTable)
	}
	var got, exp []string
	for _, row := range tab.rows {
		var text []string
		for _, c := range public {
			if !c.Virtual() {
				text = append(text, show(row[c.ID]))
			}
		}
		got = append(got, strings.Join(text, "|"))
	}
	for _, row := range want.Rows {
		var text []string
		for i, v := range row {
			if public[i].Name != want.Columns[i].Name {
				r.t.Errorf("column %d of %s is %s, want %s", i, def, public[i].Name, want.Columns[i].Name)
			}
			if !public[i].Virtual() {
				text = append(text, show(v))
			}
		}
		exp = append(exp, strings.Join(text, "|"))
	}
	slices.Sort(got)
	slices.Sort(exp)
	for i := range max(len(got), len(exp)) {
		if i >= len(got) || i >= len(exp) || got[i] != exp[i] {
			r.t.Errorf("%s: %d rows, want %d; the first different one:\n%.3000s\n%.3000s", def, len(got), len(exp),
				strings.Join(got[min(i, len(got)):min(i+1, len(got))], ""), strings.Join(exp[min(i, len(exp)):min(i+1, len(exp))], ""))
			return
		}
	}
}

func show(c cell) string {
	if c == nil {
		return "NULL"
	}
	return strconv.Quote(*c)
}

// TestReplay replays what real TiDBs sent into a replica in memory: it ends with what they had.
// Once in one go, once with a drainer that starts anew, from its checkpoint, after every DDL
// binlog and the transactions next to it.
func TestReplay(t *testing.T) {
	for _, year := range golden.Years() {
		data, err := golden.Load(year)
		if err != nil {
			t.Fatal(err)
		}
		source := data.History(t)
		for _, name := range []string{"once", "restarted"} {
			t.Run(fmt.Sprintf("%d %s", year, name), func(t *testing.T) {
				open := func(at schema.Position) *schema.History {
					h, err := schema.Open(t.Context(), source, at, schema.Options{JobTimeout: time.Nanosecond})
					if err != nil {
						t.Fatal(err)
					}
					return h
				}
				h := open(schema.Position{Exact: true})
				r := newReplica(t)
				near := 0 // binlogs since the last DDL binlog
				for _, payload := range data.Committed(t) {
					b := replayOne(t, t.Context(), h, r, payload)
					if near++; b.DDL() {
						near = 0
					}
					if name == "once" || near > 1 {
						continue
					}
					h = open(h.Position(b.CommitTS))
				}
				for _, tab := range data.Tables {
					r.check(h.Tables(), tab)
				}
			})
		}
	}
}

func replayOne(t *testing.T, ctx context.Context, h *schema.History, r *replica, payload []byte) *txn.Binlog {
	t.Helper()
	b, err := txn.Parse(payload)
	if err != nil {
		t.Fatal(err)
	}
	if b.DDL() {
		before := h.Tables()
		d, err := h.Reach(ctx, b.CommitTS, b.DDLJobID, b.DDLState, string(b.DDLQuery))
		if err != nil {
			t.Fatal(err)
		}
		if d.Skip == "" && !d.Setval {
			r.ddl(before, h.Tables(), d)
		}
		return b
	}
	if err := h.Advance(ctx, b.CommitTS, b.SchemaVersion); err != nil {
		t.Fatal(err)
	}
	find := func(id int64) (*schema.Table, error) { return h.Find(ctx, id, b.CommitTS) }
	err = b.Tables(find, func(table *schema.Table, unknown func() []int64) error {
		before := h.Tables()
		d, err := h.Early(ctx, b.CommitTS, b.SchemaVersion, table.ID, unknown)
		if d != nil {
			r.ddl(before, h.Tables(), d)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Each(find, time.UTC, func(c *txn.Change) error {
		r.change(c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unzip reads gzip.
func unzip(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
