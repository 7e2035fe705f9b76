package rewrite

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/drainer/schema"
)

// qualifier gives names without a database that of the job, and the job's table its letters.
type qualifier struct {
	d       *schema.DDL
	queries map[string]bool // names of WITH, in lower case
}

// Enter implements ast.Visitor.
func (q *qualifier) Enter(n ast.Node) (ast.Node, bool) {
	switch n := n.(type) {
	case *ast.WithClause:
		for _, query := range n.CTEs {
			q.queries[query.Name.L] = true
		}
	case *ast.TableName:
		if n.Schema.O == "" && q.queries[n.Name.L] {
			break
		}
		if n.Schema.O == "" || strings.EqualFold(n.Schema.O, q.d.Schema) {
			n.Schema = ast.NewCIStr(q.d.Schema)
			if strings.EqualFold(n.Name.O, q.d.Table) {
				n.Name = ast.NewCIStr(q.d.Table)
			}
		}
	case *ast.CreateDatabaseStmt:
		n.Name = q.database(n.Name)
	case *ast.DropDatabaseStmt:
		n.Name = q.database(n.Name)
	case *ast.AlterDatabaseStmt:
		n.Name, n.AlterDefaultDatabase = q.database(n.Name), false
	case *ast.DropTableStmt:
		if len(n.Tables) > 1 && q.d.Table != "" { // a job for each, and each with the whole statement
			n.Tables = []*ast.TableName{{Schema: ast.NewCIStr(q.d.Schema), Name: ast.NewCIStr(q.d.Table)}}
		}
	}
	return n, false
}

func (q *qualifier) database(name ast.CIStr) ast.CIStr {
	if name.O == "" || strings.EqualFold(name.O, q.d.Schema) {
		return ast.NewCIStr(q.d.Schema)
	}
	return name
}

// Leave implements ast.Visitor.
func (q *qualifier) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// router replaces names of the upstream by those downstream.
type router func(schema, table string) (string, string)

// Enter implements ast.Visitor.
func (r router) Enter(n ast.Node) (ast.Node, bool) {
	switch n := n.(type) {
	case *ast.TableName:
		if n.Schema.O != "" { // otherwise it is a name of WITH
			n.Schema, n.Name = r.to(n.Schema, n.Name)
		}
	case *ast.ColumnName:
		if n.Schema.O != "" {
			n.Schema, n.Table = r.to(n.Schema, n.Table)
		}
	case *ast.CreateDatabaseStmt:
		n.Name, _ = r.to(n.Name, ast.CIStr{})
	case *ast.DropDatabaseStmt:
		n.Name, _ = r.to(n.Name, ast.CIStr{})
	case *ast.AlterDatabaseStmt:
		n.Name, _ = r.to(n.Name, ast.CIStr{})
	}
	return n, false
}

// Leave implements ast.Visitor.
func (r router) Leave(n ast.Node) (ast.Node, bool) { return n, true }

func (r router) to(schema, table ast.CIStr) (ast.CIStr, ast.CIStr) {
	s, t := r(schema.O, table.O)
	return ast.NewCIStr(s), ast.NewCIStr(t)
}
