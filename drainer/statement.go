package drainer

import (
	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/drainer/schema"
)

// one is the statement of a text that has one and that the parser knows; else nil.
func one(query string) ast.StmtNode {
	if list, err := schema.ParseStatements(query); err == nil && len(list) == 1 {
		return list[0]
	}
	return nil
}

// tableName is a name as a statement has it, in the database that it is resolved to.
type tableName struct{ schema, table string }

// namesIn are the tables that a statement or a part of it names, without the names that its WITH
// clauses define. Names without a database are those of the given one.
func namesIn(n ast.Node, schema string) []tableName {
	v := &nameVisitor{schema: schema, defined: map[string]bool{}}
	n.Accept(v)
	var list []tableName
	for _, name := range v.found {
		if name.Schema.L == "" && v.defined[name.Name.L] {
			continue
		}
		list = append(list, resolve(name, schema))
	}
	return list
}

func resolve(name *ast.TableName, schema string) tableName {
	if name.Schema.O != "" {
		schema = name.Schema.O
	}
	return tableName{schema, name.Name.O}
}

type nameVisitor struct {
	schema  string
	defined map[string]bool // by WITH, in lower case
	found   []*ast.TableName
}

// Enter implements ast.Visitor.
func (v *nameVisitor) Enter(n ast.Node) (ast.Node, bool) {
	switch n := n.(type) {
	case *ast.TableName:
		v.found = append(v.found, n)
	case *ast.CommonTableExpression:
		v.defined[n.Name.L] = true
	}
	return n, false
}

// Leave implements ast.Visitor.
func (v *nameVisitor) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// eventOf is what a binlog-filter-rule calls a statement; empty: nothing that has a name there.
func eventOf(n ast.StmtNode) string {
	switch n := n.(type) {
	case *ast.CreateDatabaseStmt:
		return "create database"
	case *ast.DropDatabaseStmt:
		return "drop database"
	case *ast.AlterDatabaseStmt:
		return "alter database"
	case *ast.CreateTableStmt:
		return "create table"
	case *ast.DropTableStmt:
		if n.IsView {
			return "drop view"
		}
		return "drop table"
	case *ast.TruncateTableStmt:
		return "truncate table"
	case *ast.RenameTableStmt:
		return "rename table"
	case *ast.CreateIndexStmt:
		return "create index"
	case *ast.DropIndexStmt:
		return "drop index"
	case *ast.AlterTableStmt:
		return "alter table"
	case *ast.CreateViewStmt:
		return "create view"
	}
	return ""
}

func fullName(database, table string) string {
	return schema.QuoteName(database) + "." + schema.QuoteName(table)
}

// jobOf is a copy of a job that stands for one table's part of it.
func jobOf(job *schema.Job, as schema.Action, t *schema.Table, query string) *schema.Job {
	part := *job
	part.Type, part.Query, part.RawArgs, part.Multi = as, query, nil, nil
	part.SchemaID, part.TableID, part.SchemaName, part.TableName = t.SchemaID, t.ID, t.Schema, t.Name
	part.Result.DBInfo, part.Result.TableInfo, part.Result.Tables = nil, nil, nil
	return &part
}
