package rewrite

import (
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
)

// TiDB has AUTO_INCREMENT of any column. Other servers ask for a key that begins with it (1075), so it is left
// out where there is none: binlogs have the values.

// autoIncrement reports whether a column can be AUTO_INCREMENT on the server.
func (r *rewriter) autoIncrement(def *ast.ColumnDef) bool {
	if r.to.Kind == TiDB || !r.known() || beginsKey(r.d.After, def.Name.Name.O) {
		return true
	}
	r.warn("column `%s` is not AUTO_INCREMENT: no key begins with it, as %s asks for", def.Name.Name.O, r.to)
	return false
}

// beginsKey reports whether a key begins with a column.
func beginsKey(t *schema.Table, name string) bool {
	is := func(i int) bool {
		return i >= 0 && i < len(t.Columns) && strings.EqualFold(t.Columns[i].Name, name)
	}
	if pk := t.PrimaryKey(); pk != nil && t.Info.PKIsHandle && len(pk.Columns) > 0 && is(pk.Columns[0]) {
		return true
	}
	return slices.ContainsFunc(t.Info.Indices, func(x schema.IndexInfo) bool {
		return x.State == schema.StatePublic && len(x.Columns) > 0 && is(x.Columns[0].Offset)
	})
}

// losesKey is the AUTO_INCREMENT column with whose last key a statement does away; nil: there is none.
func (r *rewriter) losesKey() *schema.Column { return r.counted(true, false) }

// gainsKey is the AUTO_INCREMENT column for which a statement makes the first key, so that it can be that downstream.
func (r *rewriter) gainsKey() *schema.Column { return r.counted(false, true) }

// counted is the AUTO_INCREMENT column that began a key before or not, and does so now or not.
func (r *rewriter) counted(before, now bool) *schema.Column {
	if r.to.Kind == TiDB || !r.known() || r.d.Before == nil || r.d.Before.Info == nil {
		return nil
	}
	i := slices.IndexFunc(r.d.After.Columns, func(c schema.Column) bool {
		return c.Public && mysql.HasAutoIncrementFlag(c.Type.GetFlag()) && beginsKey(r.d.Before, c.Name) == before && beginsKey(r.d.After, c.Name) == now
	})
	if i < 0 {
		return nil
	}
	return &r.d.After.Columns[i]
}

// indexes makes CREATE INDEX and DROP INDEX an ALTER TABLE where a column has to be changed with them.
func (r *rewriter) indexes(n ast.StmtNode) ast.StmtNode {
	switch n := n.(type) {
	case *ast.DropIndexStmt:
		if r.losesKey() != nil {
			return &ast.AlterTableStmt{Table: n.Table, Specs: []*ast.AlterTableSpec{{Tp: ast.AlterTableDropIndex, IfExists: n.IfExists, Name: n.IndexName}}}
		}
	case *ast.CreateIndexStmt:
		c := &ast.Constraint{Tp: ast.ConstraintIndex, Name: n.IndexName, Keys: n.IndexPartSpecifications, Option: n.IndexOption, IfNotExists: n.IfNotExists}
		if n.KeyType == ast.IndexKeyTypeUnique {
			c.Tp = ast.ConstraintUniqIndex
		}
		if r.gainsKey() != nil {
			return &ast.AlterTableStmt{Table: n.Table, Specs: []*ast.AlterTableSpec{{Tp: ast.AlterTableAddConstraint, Constraint: c}}}
		}
	}
	return n
}
