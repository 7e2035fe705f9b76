package applier

import (
	"fmt"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/drainer/schema"
)

// statement is a statement of DDL as files and messages have it.
type statement struct {
	ddl   *schema.DDL
	query string
	node  ast.StmtNode // nil: the parser does not know it
	named []name       // the tables it changes, with their databases; of a database: one without a table
	drops []name       // the tables, views or sequences it drops, if these are several
}

type name struct{ schema, table string }

func (n name) String() string {
	if n.table == "" {
		return n.schema
	}
	return n.schema + "." + n.table
}

// parse reads a statement of a session whose database is db; it may begin with USE `db`; in place of that.
func parse(db, text string) (*statement, error) {
	query := strings.TrimSuffix(strings.TrimSpace(text), ";")
	st := &statement{query: query, ddl: &schema.DDL{Schema: db, Job: &schema.Job{}}}
	if db, rest, ok := cutUse(query); ok {
		st.ddl.Schema, st.query = db, rest
	}
	st.ddl.Job.Query = st.query
	nodes, err := schema.ParseStatements(st.query)
	if err != nil {
		nodes = []ast.StmtNode{nil} // the sink says so, if it is to be run
	}
	for _, st.node = range nodes { // several: CREATE TABLE of many
		st.look()
	}
	for i := range st.named {
		if st.named[i].schema == "" {
			st.named[i].schema = st.ddl.Schema
		}
	}
	if len(st.named) == 0 && st.node != nil && !st.ddl.OnlyTiDB {
		return nil, fmt.Errorf("the statement %.200q names no table and no database that is known here", text)
	}
	if len(st.named) > 0 {
		st.ddl.Table = st.named[0].table
		if st.ddl.Schema == "" { // else names without a database are in it
			st.ddl.Schema = st.named[0].schema
		}
	}
	st.ddl.Job.SchemaName, st.ddl.Job.TableName = st.ddl.Schema, st.ddl.Table
	return st, nil
}

// cutUse takes USE with a database, in backquotes, off the beginning.
func cutUse(text string) (db, rest string, ok bool) {
	const use = "use `"
	if len(text) < len(use) || !strings.EqualFold(text[:len(use)], use) {
		return "", text, false
	}
	var b strings.Builder
	for text = text[len(use):]; ; {
		part, more, ok := strings.Cut(text, "`")
		b.WriteString(part)
		switch {
		case !ok:
			return "", text, false
		case strings.HasPrefix(more, "`"):
			b.WriteByte('`')
			text = more[1:]
		default:
			more, ok = strings.CutPrefix(strings.TrimSpace(more), ";")
			return b.String(), strings.TrimSpace(more), ok
		}
	}
}

// look finds out what a statement is about.
func (st *statement) look() {
	add := func(list ...*ast.TableName) {
		for _, t := range list {
			st.named = append(st.named, name{t.Schema.O, t.Name.O})
		}
	}
	switch n := st.node.(type) {
	case *ast.CreateDatabaseStmt:
		st.database(n.Name.O, schema.ActionCreateSchema)
	case *ast.DropDatabaseStmt:
		st.database(n.Name.O, schema.ActionDropSchema)
	case *ast.AlterDatabaseStmt:
		st.named = []name{{schema: n.Name.O}}
	case *ast.RenameTableStmt:
		for _, t := range n.TableToTables {
			add(t.OldTable, t.NewTable)
		}
	case *ast.DropTableStmt:
		add(n.Tables...)
		st.drops = st.named
	case *ast.DropSequenceStmt:
		add(n.Sequences...)
		st.drops = st.named
	case *ast.AlterTableStmt:
		add(n.Table)
		st.ddl.OnlyTiDB = len(n.Specs) > 0
		for _, s := range n.Specs {
			if s.NewTable != nil && (s.Tp == ast.AlterTableRenameTable || s.Tp == ast.AlterTableExchangePartition) {
				add(s.NewTable)
			}
			st.ddl.OnlyTiDB = st.ddl.OnlyTiDB && onlyTiDB(s.Tp)
		}
	case *ast.CreateTableStmt:
		add(n.Table)
		st.ddl.OnlyTiDB = n.TemporaryKeyword != ast.TemporaryNone
	case *ast.CreateViewStmt:
		add(n.ViewName)
	case *ast.TruncateTableStmt:
		add(n.Table)
	case *ast.CreateIndexStmt:
		add(n.Table)
	case *ast.DropIndexStmt:
		add(n.Table)
	case *ast.RepairTableStmt:
		add(n.Table)
	case *ast.CreateSequenceStmt:
		add(n.Name)
		st.ddl.OnlyTiDB = true
	case *ast.AlterSequenceStmt:
		add(n.Name)
		st.ddl.OnlyTiDB = true
	case *ast.RecoverTableStmt:
		if n.Table != nil {
			add(n.Table)
		}
	case *ast.FlashBackTableStmt:
		add(n.Table)
	case *ast.FlashBackDatabaseStmt:
		st.named = []name{{schema: n.DBName.O}}
	case *ast.CreatePlacementPolicyStmt, *ast.AlterPlacementPolicyStmt, *ast.DropPlacementPolicyStmt,
		*ast.CreateResourceGroupStmt, *ast.AlterResourceGroupStmt, *ast.DropResourceGroupStmt:
		st.ddl.OnlyTiDB = true
	default:
		if st.ddl.Schema != "" {
			st.named = []name{{schema: st.ddl.Schema}}
		}
	}
	if len(st.drops) < 2 {
		st.drops = nil
	}
	if _, ok := st.node.(*ast.DropSequenceStmt); ok {
		st.ddl.OnlyTiDB = true
	}
}

func (st *statement) database(n string, action schema.Action) {
	st.named = []name{{schema: n}}
	st.ddl.Job.Type = action
}

// onlyTiDB reports whether a change of a table means nothing to a MySQL.
func onlyTiDB(t ast.AlterTableType) bool {
	switch t {
	case ast.AlterTableSetTiFlashReplica, ast.AlterTableCache, ast.AlterTableNoCache, ast.AlterTableAttributes,
		ast.AlterTablePartitionAttributes, ast.AlterTablePartitionOptions, ast.AlterTableStatsOptions, ast.AlterTableRemoveTTL:
		return true
	}
	return false
}

// only is the same statement for one of the tables it drops.
func (st *statement) only(n name) {
	keep := func(list []*ast.TableName) []*ast.TableName {
		for i, t := range list {
			if strings.EqualFold(t.Name.O, n.table) && (t.Schema.O == "" || strings.EqualFold(t.Schema.O, n.schema)) {
				return list[i : i+1]
			}
		}
		return list
	}
	switch s := st.node.(type) {
	case *ast.DropTableStmt:
		s.Tables = keep(s.Tables)
	case *ast.DropSequenceStmt:
		s.Sequences = keep(s.Sequences)
	}
	text, err := schema.RestoreStatements([]ast.StmtNode{st.node})
	if err != nil {
		return // it stays whole
	}
	st.query, st.named = text, []name{n}
	st.ddl.Job.Query, st.ddl.Job.TableName, st.ddl.Table = text, n.table, n.table
}
