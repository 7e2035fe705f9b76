package drainer

import (
	"fmt"
	"strings"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// migrator applies table-migrate-rule: it knows under which names tables go downstream, and which of
// their changes do not. It is for one goroutine.
type migrator struct {
	rules   *txn.Migration                  // nil: none
	keep    func(schema, table string) bool // see Options.Keep: not routed
	tables  map[*schema.Table]migrated      // what was found out already
	targets map[tableName]int64             // the ID that the tables with one target share, by name in lower case
}

// migrated is a table as the rules leave it.
type migrated struct {
	table   *schema.Table // under its names downstream
	ignores [3]bool       // by txn.Op
}

// maxMigrated bounds the memory: definitions of the past are forgotten with the others.
const maxMigrated = 20000

// of gives a table under its names downstream. Tables that go to the same one have one ID there, so
// that a sink keeps their changes in order.
func (m *migrator) of(t *schema.Table) (migrated, error) {
	if m.rules == nil || m.keep != nil && m.keep(t.Schema, t.Name) {
		return migrated{table: t}, nil
	}
	if found, ok := m.tables[t]; ok {
		return found, nil
	}
	to, err := m.route(t.Schema, t.Name)
	if err != nil {
		return migrated{}, err
	}
	found := migrated{table: t, ignores: m.rules.IgnoresRows(t.Schema, t.Name)}
	if to != (tableName{t.Schema, t.Name}) {
		moved := *t
		moved.Schema, moved.Name = to.schema, to.table
		moved.ID = m.id(to, t.ID)
		found.table = &moved
	}
	if m.tables == nil || len(m.tables) >= maxMigrated {
		m.tables = map[*schema.Table]migrated{}
	}
	m.tables[t] = found
	return found, nil
}

func (m *migrator) route(schema, table string) (tableName, error) {
	s, t, err := m.rules.Route(schema, table)
	return tableName{s, t}, err
}

func (m *migrator) id(to tableName, first int64) int64 {
	to = to.fold()
	if id, ok := m.targets[to]; ok {
		return id
	}
	if m.targets == nil {
		m.targets = map[tableName]int64{}
	}
	m.targets[to] = first
	return first
}

func (n tableName) fold() tableName {
	return tableName{strings.ToLower(n.schema), strings.ToLower(n.table)}
}

// ignores reports whether the rules leave out a statement: for every table that it is about, or for
// none, else it is an error.
func (m *migrator) ignores(j *unfiltered, query string) (bool, error) {
	if m.rules == nil || j.Job == nil {
		return false, nil
	}
	event, names := eventOf(j.node), []tableName{{j.Schema, j.Table}}
	switch j.Job.Type {
	case schema.ActionRenameTables, schema.ActionCreateTables:
		names = nil
		for _, info := range j.Job.Result.Tables {
			t, ok := j.TablesBefore.Table(info.ID)
			if !ok {
				t, ok = j.TablesAfter.Table(info.ID)
			}
			if ok {
				names = append(names, tableName{t.Schema, t.Name})
			}
		}
		if j.Job.Type == schema.ActionCreateTables {
			event = "create table"
		}
	}
	left := 0
	for _, n := range names {
		if m.rules.IgnoresDDL(n.schema, n.table, event, query) {
			left++
		}
	}
	if left > 0 && left < len(names) {
		return false, fmt.Errorf("the statement %.200q is about %d tables, and binlog-filter-rule leaves it out for %d of them: "+
			"run the part for the others downstream by hand, and then leave the statement out", query, len(names), left)
	}
	return left > 0, nil
}

// redirects gives a statement its names downstream. One about a table whose target other replicated
// tables have too is an error: it is the business of all of them. Why is not empty when there is
// nothing to be done downstream: a further table for a target, a new name with the same target.
func (m *migrator) redirects(d *schema.DDL, after *schema.Tables, wants func(schema, table string) bool) (why string, err error) {
	if !m.rules.Routes() {
		return "", nil
	}
	d.Route = func(schema, table string) (string, string) {
		if to, err := m.route(schema, table); err == nil {
			return to.schema, to.table
		}
		return schema, table // two rules: whoever asked for the table first has got the error
	}
	to, err := m.route(d.Schema, d.Table)
	if err != nil || d.Table == "" || d.Job == nil || to == (tableName{d.Schema, d.Table}) {
		return "", err
	}
	if d.Job.Type == schema.ActionRenameTable && d.After != nil {
		if now, err := m.route(d.After.Schema, d.After.Name); err != nil || now.fold() == to.fold() {
			return "its new name has the same target as the old one", err
		}
	}
	for _, t := range after.All() {
		if t.Schema == d.Schema && t.Name == d.Table || d.After != nil && t.ID == d.After.ID || !wants(t.Schema, t.Name) {
			continue
		}
		other, err := m.route(t.Schema, t.Name)
		if err != nil || other.fold() != to.fold() {
			continue
		}
		if d.Job.Type == schema.ActionCreateTable {
			return fmt.Sprintf("table-migrate-rule replicates it into %s, which is there for %s already", fullName(to.schema, to.table), t), nil
		}
		return "", fmt.Errorf("table-migrate-rule brings %s and %s to the one table %s, and a statement about one of them cannot be carried out there: "+
			"change the table by hand if it is needed, and then leave the statement out", fullName(d.Schema, d.Table), t, fullName(to.schema, to.table))
	}
	return "", nil
}
