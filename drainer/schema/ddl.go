package schema

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/nodes"
)

// DDL is what a DDL binlog means.
type DDL struct {
	// Skip, if not empty, is why the statement is not to be run downstream.
	Skip string
	// Job is the job; nil for what is no job (SETVAL).
	Job *Job
	// Schema and Table name what the job is about as its statement finds it: the database to USE,
	// and the table's name before the statement (for CREATE after it; empty for a database).
	Schema, Table string
	// Before and After are the table as it was before the job and as the job left it, nil when there
	// was or is none. Of a job on several tables, [DDL.Changes] has them all.
	Before, After *Table
	// TablesBefore and TablesAfter are all definitions before and after the job: immutable. Nil for
	// what is no job or failed. They take memory ([Tables.Bytes]): keep a DDL no longer than needed.
	TablesBefore, TablesAfter *Tables
	// Route gives the names downstream of a table, or of a database (table empty), of the upstream;
	// nil: they are the same. Whoever writes the statement for the downstream uses it.
	Route func(schema, table string) (string, string)
	// Statement is the statement with every name as the definitions have it, with its database, in
	// TiDB's own form ([ParseStatements] reads it). Empty when the parser does not know the statement.
	Statement string
	// Like is the table that CREATE TABLE … LIKE has copied, database and name. A TiDB downstream copies it as well:
	// EXCHANGE PARTITION compares the numbers of columns, which no definition can ask for. Empty for other statements,
	// and where that cannot be told.
	Like [2]string
	// OnlyTiDB: the statement means nothing to a MySQL.
	OnlyTiDB bool
	// Setval: it is no job, but where a sequence's cache has come to: SELECT SETVAL(…).
	Setval bool
}

// Name names what the DDL is about in errors and logs: a table with its database, or a database.
func (d *DDL) Name() string {
	if d.Table == "" {
		return d.Schema
	}
	return d.Schema + "." + d.Table
}

// Reasons for DDL.Skip.
const (
	skipFailed     = "the job was rolled back"
	skipDropColumn = "the column was dropped with the job's first binlog"
	skipSetval     = "the parser does not know this SETVAL"
	skipEarly      = "the statement was run before the first rows that needed it"
)

// Reach is called for a DDL binlog, with what it carries. It waits for the job to come into the
// history, which it does a moment later, and applies it.
func (h *History) Reach(ctx context.Context, commitTS nodes.TSO, jobID int64, state State, query string) (*DDL, error) {
	if isSetval(query) {
		return h.setval(query), nil // its job ID is in no history
	}
	job, err := h.ended(ctx, jobID)
	if err != nil {
		return nil, fmt.Errorf("DDL binlog with commit TS %d, %.100q: %w", commitTS, query, err)
	}
	if err := h.lookUpBefore(ctx, job, commitTS); err != nil {
		return nil, fmt.Errorf("DDL binlog with commit TS %d, %.100q: %w", commitTS, query, err)
	}
	d := &DDL{Job: job, OnlyTiDB: job.Type.OnlyTiDB()}
	d.name(h.tables)
	switch {
	case !job.Succeeded():
		d.Skip = skipFailed
		return d, nil
	case job.Type == ActionDropColumn && h.begun(job.ID):
		d.Skip = skipDropColumn
	case h.wasEarly(job.ID):
		d.Skip = skipEarly
	}
	if err := h.describe(ctx, d, commitTS, ParseStatements, query); err != nil {
		return nil, err
	}
	if d.After != nil && d.After.Kind == TemporaryTable || d.Before != nil && d.Before.Kind == TemporaryTable {
		d.OnlyTiDB = true
	}
	return d, nil
}

// describe applies the job of a DDL and fills in the definitions before and after it, and the
// statement as they have it.
func (h *History) describe(ctx context.Context, d *DDL, commitTS nodes.TSO, parse func(string) ([]ast.StmtNode, error), query string) error {
	d.TablesBefore = h.Tables()
	d.Before = d.TablesBefore.tables[d.Job.TableID]
	if err := h.reach(ctx, d.Job, commitTS); err != nil {
		return err
	}
	d.TablesAfter = h.Tables()
	if info := d.Job.Result.TableInfo; info != nil {
		d.After = d.TablesAfter.tables[info.ID]
	}
	return d.resolve(parse, query)
}

// TableChange is a table that a job changed: Before is nil when it made it, After when it removed it.
type TableChange struct {
	Before, After *Table
}

// Changes are the tables that the job made, changed, renamed or removed. A table that got another
// ID under its name (TRUNCATE, EXCHANGE PARTITION) is one change. It looks at all tables: some
// microseconds for a thousand. None when the definitions are not known.
func (d *DDL) Changes() []TableChange {
	if d.TablesBefore == nil || d.TablesAfter == nil || d.TablesBefore == d.TablesAfter {
		return nil
	}
	var list []TableChange
	gone := make(map[tableKey]*Table)
	for id, t := range d.TablesBefore.tables {
		if d.TablesAfter.tables[id] == nil {
			gone[t.key()] = t
		}
	}
	for id, t := range d.TablesAfter.tables {
		before := d.TablesBefore.tables[id]
		if before == t {
			continue
		}
		if before == nil {
			before = gone[t.key()]
			delete(gone, t.key())
		}
		list = append(list, TableChange{Before: before, After: t})
	}
	for _, t := range gone {
		list = append(list, TableChange{Before: t})
	}
	slices.SortFunc(list, func(a, b TableChange) int { return cmp.Compare(a.id(), b.id()) })
	return list
}

func (c TableChange) id() int64 {
	if c.After != nil {
		return c.After.ID
	}
	return c.Before.ID
}

// begun reports whether a job was reached before.
func (h *History) begun(id int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.reached[id]
	return ok
}

// wasEarly reports whether a job was reached before its binlog.
func (h *History) wasEarly(id int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reached[id].early
}

// name fills in the names, as they are in the tables before the job. The job's own are those
// after it and, in old versions, not there.
func (d *DDL) name(ts *Tables) {
	d.Schema, d.Table = d.Job.SchemaName, d.Job.TableName
	if db, ok := ts.databases[d.Job.SchemaID]; ok {
		d.Schema = db.name
	}
	if info := d.Job.Result.DBInfo; info != nil && (d.Schema == "" || strings.EqualFold(d.Schema, info.Name.O)) {
		d.Schema = info.Name.O // the job's own are in lower case
	}
	if info := d.Job.Result.TableInfo; info != nil && (d.Table == "" || strings.EqualFold(d.Table, info.Name.O)) {
		d.Table = info.Name.O
	}
	if t, ok := ts.tables[d.Job.TableID]; ok {
		d.Schema, d.Table = t.Schema, t.Name
	}
}

// setval is what such a text means: the sequence's next value.
func (h *History) setval(query string) *DDL {
	d := &DDL{OnlyTiDB: true, Setval: true}
	nodes, err := ParseStatements(query)
	if err != nil || len(nodes) != 1 {
		d.Skip = skipSetval
		return d
	}
	r := &resolver{d: d, after: h.tables}
	v := &sequenceName{r: r}
	nodes[0].Accept(v)
	if d.Statement, err = RestoreStatements(nodes); err != nil || v.name == nil {
		d.Skip = skipSetval
		return d
	}
	d.Schema, d.Table = v.name.Schema.O, v.name.Name.O
	return d
}

// sequenceName finds the sequence in SETVAL, and gives it the definition's letters.
type sequenceName struct {
	r    *resolver
	name *ast.TableName
}

// Enter implements ast.Visitor.
func (v *sequenceName) Enter(n ast.Node) (ast.Node, bool) {
	if t, ok := n.(*ast.TableName); ok {
		to := v.r.named(t.Schema.O, t.Name.O)
		t.Schema, t.Name = to.Schema, to.Name
		v.name = t
	}
	return n, false
}

// Leave implements ast.Visitor.
func (v *sequenceName) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// isSetval knows the text that a sequence's cache writes as a DDL binlog.
func isSetval(query string) bool {
	const head = "select setval("
	query = strings.TrimSpace(query)
	return len(query) >= len(head) && strings.EqualFold(query[:len(head)], head)
}
