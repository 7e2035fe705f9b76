package schema

import (
	"context"
	"fmt"
	"strings"

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
	// After is the table as the job left it, nil when there is none.
	After *Table
	// OnlyTiDB: the statement means nothing to a MySQL.
	OnlyTiDB bool
}

// Reasons for DDL.Skip.
const (
	skipSequence   = "sequences are not replicated"
	skipFailed     = "the job was rolled back"
	skipDropColumn = "the column was dropped with the job's first binlog"
	skipEarly      = "the statement was run before the first rows that needed it"
)

// Reach is called for a DDL binlog, with what it carries. It waits for the job to come into the
// history, which it does a moment later, and applies it.
func (h *History) Reach(ctx context.Context, commitTS nodes.TSO, jobID int64, state State, query string) (*DDL, error) {
	if isSetval(query) {
		return &DDL{Skip: skipSequence, OnlyTiDB: true}, nil // its job ID is in no history
	}
	job, err := h.ended(ctx, jobID)
	if err != nil {
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
	case job.Type.sequence():
		d.Skip = skipSequence
	}
	if err := h.reach(ctx, job, commitTS); err != nil {
		return nil, err
	}
	if info := job.Result.TableInfo; info != nil {
		d.After = h.tables.tables[info.ID]
	}
	if d.After != nil && d.After.Kind == TemporaryTable {
		d.OnlyTiDB = true
	}
	return d, nil
}

// begun tells whether a job was reached before.
func (h *History) begun(id int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.reached[id]
	return ok
}

// wasEarly tells whether a job was reached before its binlog.
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
	if info := d.Job.Result.DBInfo; info != nil && d.Schema == "" {
		d.Schema = info.Name.O
	}
	if info := d.Job.Result.TableInfo; info != nil && d.Table == "" {
		d.Table = info.Name.O
	}
	if t, ok := ts.tables[d.Job.TableID]; ok {
		d.Schema, d.Table = t.Schema, t.Name
	}
}

// isSetval knows the text that a sequence's cache writes as a DDL binlog.
func isSetval(query string) bool {
	const head = "select setval("
	query = strings.TrimSpace(query)
	return len(query) >= len(head) && strings.EqualFold(query[:len(head)], head)
}
