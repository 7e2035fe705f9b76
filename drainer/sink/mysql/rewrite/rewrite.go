package rewrite

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// Options say what is not in a job.
type Options struct {
	// Zone is the time zone of sessions upstream whose DDL job does not tell it. Nil: UTC.
	Zone *time.Location
	// Mode is the sql_mode to run statements in. Empty: one that takes what any upstream's
	// statements have, strict where the job says that its client was.
	Mode string
}

// Plan is what is to be run downstream.
type Plan struct {
	// Text is the statement, or several with semicolons between; empty: nothing of it is for this
	// server, for the reason Why.
	Text, Why string
	// Nodes are the statements of Text, nil when the parser does not know it.
	Nodes []ast.StmtNode
	// Database is the one to be in, empty when the statement names all.
	Database string
	// Mode is the sql_mode, Zone the time_zone as an offset or a name, Time the timestamp in seconds
	// (empty: the server's own) of the session.
	Mode, Zone, Time string
	// Warnings are what the downstream will not have.
	Warnings []string
	// DroppedKeys are foreign keys that the statement drops by names that may be the upstream's own:
	// see [Text].
	DroppedKeys []*DroppedKey
	// Latin1 are columns that the statement makes latin1 and that may hold more downstream: see [Text].
	Latin1 []*Latin1Column
}

// DroppedKey is a foreign key that a statement drops.
type DroppedKey struct {
	Schema, Table, Name string   // as the statement has them
	Columns             []string // none: not known
	spec                *ast.AlterTableSpec
}

// Rename gives the key another name in the statement.
func (k *DroppedKey) Rename(name string) { k.Name, k.spec.Name = name, name }

// ErrImpossible means: the downstream cannot do what the statement did upstream.
var ErrImpossible = errors.New("the downstream cannot do this")

// permissive is the sql_mode for statements: zero dates, values that do not fit.
const permissive = "ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"

// Statement makes the plan for a statement: query is its text in the binlog, d what its job tells,
// commitTS the binlog's. Errors wrap ErrImpossible or say which part of a definition cannot be read.
func Statement(query string, d *schema.DDL, commitTS nodes.TSO, to Server, o Options) (*Plan, error) {
	r := &rewriter{d: d, to: to, plan: &Plan{Mode: mode(d, to, o), Zone: utc}}
	var err error
	if r.zone, err = zone(d, o); err != nil {
		return nil, err
	}
	text := query
	if d.Statement != "" {
		text = d.Statement
	}
	nodes, err := schema.ParseStatements(text)
	if err != nil {
		return r.unread(query, err)
	}
	for _, n := range nodes {
		if d.Statement == "" {
			n.Accept(&qualifier{d: d, queries: map[string]bool{}})
		}
		if d.Route != nil {
			n.Accept(router(d.Route))
		}
		n = r.indexes(n)
		keep, err := r.statement(n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Name(), err)
		}
		if keep {
			r.plan.Nodes = append(r.plan.Nodes, n)
		}
	}
	if len(r.plan.Nodes) == 0 {
		r.plan.Why = "nothing of it is for a " + to.Kind.String()
		return r.plan, nil
	}
	if err := r.session(commitTS); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name(), err)
	}
	if r.plan.Text, err = Text(r.plan.Nodes, to); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name(), err)
	}
	if strings.Contains(r.plan.Text, `\`) {
		r.plan.Mode += ",NO_BACKSLASH_ESCAPES" // they are in the text as they are
	}
	return r.plan, nil
}

// rewriter rewrites one statement.
type rewriter struct {
	d    *schema.DDL
	to   Server
	zone *time.Location // of the session upstream
	plan *Plan

	converts bool                // values between TIMESTAMP and other types
	literals []*ast.ColumnOption // TIMESTAMP defaults, in UTC
	added    []*schema.Column    // with CURRENT_TIMESTAMP as their default
	untold   bool                // such a column was added that no definition is known of
}

func (r *rewriter) warn(format string, args ...any) {
	r.plan.Warnings = append(r.plan.Warnings, fmt.Sprintf(format, args...))
}

// known reports whether the table's definition is: its columns, keys and partitions.
func (r *rewriter) known() bool { return r.d.After != nil && r.d.After.Info != nil }

// statement rewrites a statement and reports whether anything remains of it.
func (r *rewriter) statement(n ast.StmtNode) (keep bool, err error) {
	switch n := n.(type) {
	case *ast.CreateDatabaseStmt:
		n.Options = r.databaseOptions(n.Options, true)
	case *ast.AlterDatabaseStmt:
		n.Options = r.databaseOptions(n.Options, false)
		return len(n.Options) > 0, nil
	case *ast.CreateTableStmt:
		return true, r.createTable(n)
	case *ast.AlterTableStmt:
		return r.alterTable(n)
	case *ast.CreateIndexStmt:
		return r.createIndex(n), nil
	case *ast.DropIndexStmt:
		if r.to.Kind != TiDB {
			n.LockAlg = nil
		}
		return !r.lacksIndex(n.IndexName, n.IfExists), nil
	case *ast.RecoverTableStmt, *ast.FlashBackTableStmt, *ast.FlashBackDatabaseStmt:
		return true, r.recover(n)
	case *ast.CreatePlacementPolicyStmt, *ast.AlterPlacementPolicyStmt, *ast.DropPlacementPolicyStmt:
		return false, nil
	}
	return true, nil
}

// recover rewrites what brings back something that was dropped. A TiDB may do so as well; others
// have nothing to bring back.
func (r *rewriter) recover(n ast.StmtNode) error {
	if r.to.Kind != TiDB {
		return fmt.Errorf("%w: bring back what was dropped: copy %s from the upstream as it is after this statement, then skip the statement", ErrImpossible, r.d.Name())
	}
	if n, ok := n.(*ast.RecoverTableStmt); ok && n.Table == nil {
		return fmt.Errorf("%w: RECOVER TABLE BY JOB names a job of the upstream: recover %s by its name, then skip the statement", ErrImpossible, r.d.Name())
	}
	return nil
}

// unread decides on a text that the parser does not know. It can be run as it is when the only
// table in it is the job's: a name without a database is then in the job's.
func (r *rewriter) unread(query string, why error) (*Plan, error) {
	if r.d.Job != nil {
		switch r.d.Job.Type {
		case schema.ActionAddColumn, schema.ActionDropColumn, schema.ActionAddIndex, schema.ActionModifyColumn, schema.ActionMultiSchemaChange,
			8, 10, 13, 15, 17, 18, 19, 20, 22, 23, 32, 33, 37, 38, 41, 43, 44, 45, 48, 64, 71, 72:
			if r.d.Route != nil {
				break // the text has the names of the upstream
			}
			r.plan.Text, r.plan.Database = query, r.d.Schema
			r.warn("the parser does not know this statement, which is run as it is: %v", why)
			return r.plan, nil
		}
	}
	return nil, fmt.Errorf("%w: the parser does not know this statement, whose names it would have to complete: %w; run it by hand in the right database, then skip it", ErrImpossible, why)
}
