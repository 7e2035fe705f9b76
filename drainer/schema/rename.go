package schema

import (
	"encoding/json"
	"fmt"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// renamedTo finds the database each table of a RENAME TABLE of several is in afterwards: for
// each entry of job.Result.Tables the database's ID. Old versions keep the IDs in the job's
// arguments, new ones the names beside them; of those between, only the statement tells.
func (ts *Tables) renamedTo(job *Job) ([]int64, error) {
	if ids := renameArgs(job); ids != nil {
		return ids, nil
	}
	if ids := ts.renameInvolving(job); ids != nil {
		return ids, nil
	}
	pairs, err := renamePairs(job)
	if err != nil {
		return nil, err
	}
	if len(pairs) != len(job.Result.Tables) {
		return nil, fmt.Errorf("%w: it renames %d tables, its statement %d: %.200q",
			ErrBadJob, len(job.Result.Tables), len(pairs), job.Query)
	}
	session, known := ts.sessionDatabase(job, pairs)
	ids := make([]int64, len(pairs))
	for i, p := range pairs {
		if known && p.NewTable.Schema.L == "" {
			ids[i] = session
		} else if ids[i], err = ts.databaseOf(p.NewTable); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// renameArgs are the new databases in the job's arguments, or nil.
func renameArgs(job *Job) []int64 {
	var args []json.RawMessage
	var ids []int64
	if json.Unmarshal(job.RawArgs, &args) != nil || len(args) < 2 || json.Unmarshal(args[1], &ids) != nil {
		return nil
	}
	if len(ids) != len(job.Result.Tables) {
		return nil
	}
	return ids
}

// renameInvolving are the new databases by the names in the job, or nil.
func (ts *Tables) renameInvolving(job *Job) []int64 {
	if len(job.Involving) != 2*len(job.Result.Tables) {
		return nil
	}
	var ids []int64
	for i := 1; i < len(job.Involving); i += 2 {
		db := ts.database(job.Involving[i].Database)
		if db == nil {
			return nil
		}
		ids = append(ids, db.id)
	}
	return ids
}

// renamePairs reads the statement.
func renamePairs(job *Job) ([]*ast.TableToTable, error) {
	statements, err := parseClient(job.Query)
	if err != nil {
		return nil, fmt.Errorf("%w: its statement cannot be read: %w", ErrBadJob, err)
	}
	for _, s := range statements {
		if r, ok := s.(*ast.RenameTableStmt); ok {
			return r.TableToTables, nil
		}
	}
	return nil, fmt.Errorf("%w: its statement renames nothing: %.200q", ErrBadJob, job.Query)
}

// databaseOf finds the database that a new name says.
func (ts *Tables) databaseOf(name *ast.TableName) (int64, error) {
	if name.Schema.L != "" {
		if db := ts.database(name.Schema.L); db != nil {
			return db.id, nil
		}
		return 0, fmt.Errorf("%w: there is no database %s: %w", ErrBadJob, name.Schema, errIncomplete)
	}
	return 0, fmt.Errorf("%w: the new name %s has no database, and nothing says which was that of the client: run the statement by hand downstream, "+
		"leave this transaction out, and start the drainer once more with -load-schema-snapshot when it is past it", ErrBadJob, name.Name)
}

// sessionDatabase is the database of names without one, if the job or the statement gives it away.
func (ts *Tables) sessionDatabase(job *Job, pairs []*ast.TableToTable) (int64, bool) {
	seen := make(map[int64]bool) // renamed by an earlier pair: not where it was
	for i, p := range pairs {
		id := job.Result.Tables[i].ID
		if t, ok := ts.tables[id]; ok && !seen[id] && p.OldTable.Schema.L == "" {
			return t.SchemaID, true
		}
		seen[id] = true
	}
	// The job says the database of the last new name.
	if pairs[len(pairs)-1].NewTable.Schema.L == "" {
		return job.SchemaID, true
	}
	// That, too, is where all tables were: a client that works on one database, and names it here and there.
	for id := range seen {
		if t, ok := ts.tables[id]; !ok || t.SchemaID != job.SchemaID {
			return 0, false
		}
	}
	return job.SchemaID, true
}
