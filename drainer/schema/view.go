package schema

import (
	"fmt"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// createView takes a view's columns and query from its definition, where TiDB keeps them with
// every table's database and * spelled out.
func (r *resolver) createView(n *ast.CreateViewStmt) error {
	n.ViewName = r.called()
	t := r.made()
	if t == nil || t.Info == nil || t.Info.View == nil || t.Info.View.Select == "" {
		return nil
	}
	nodes, err := parseAs(t.Info.View.Select, mysql.ModeNoBackslashEscapes)
	if err != nil {
		return fmt.Errorf("query of view %s: %w", t, err)
	}
	if len(nodes) != 1 {
		return fmt.Errorf("%w: the query of view %s has %d statements", ErrBadJob, t, len(nodes))
	}
	n.Select = nodes[0]
	if cols := t.Info.View.Columns; len(cols) > 0 {
		n.Cols = cols
	}
	(&letters{r: r}).of(n.Select)
	return nil
}

// letters brings tables' names in a query to the letters they have in the definitions, and those
// of columns that repeat them.
type letters struct {
	r     *resolver
	named map[string]string // what columns call a table or its alias, by that in lower case
}

func (l *letters) of(n ast.Node) {
	l.named = make(map[string]string)
	n.Accept(l)
	n.Accept(columnLetters{l}) // FROM comes after the columns
}

// Enter implements ast.Visitor.
func (l *letters) Enter(n ast.Node) (ast.Node, bool) {
	s, ok := n.(*ast.TableSource)
	if !ok {
		return n, false
	}
	if t, ok := s.Source.(*ast.TableName); ok {
		if t.Schema.O != "" { // otherwise it is a name of WITH
			to := l.r.named(t.Schema.O, t.Name.O)
			t.Schema, t.Name = to.Schema, to.Name
		}
		if s.AsName.O == "" {
			l.named[t.Name.L] = t.Name.O
		}
	}
	if s.AsName.O != "" {
		l.named[s.AsName.L] = s.AsName.O
	}
	return n, false
}

// Leave implements ast.Visitor.
func (l *letters) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// columnLetters does so for `schema`.`table`.`column`.
type columnLetters struct{ *letters }

// Enter implements ast.Visitor.
func (l columnLetters) Enter(n ast.Node) (ast.Node, bool) {
	c, ok := n.(*ast.ColumnName)
	if !ok || c.Table.O == "" {
		return n, false
	}
	if c.Schema.O != "" {
		to := l.r.named(c.Schema.O, c.Table.O)
		c.Schema, c.Table = to.Schema, to.Name
	} else if name, ok := l.named[c.Table.L]; ok {
		c.Table = ast.NewCIStr(name)
	}
	return n, false
}
