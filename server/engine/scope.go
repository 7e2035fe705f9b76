package engine

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// scopeColumn is a column that names can refer to.
type scopeColumn struct {
	col    Column
	typ    typ
	hidden bool  // after the common column of USING or NATURAL: only by its table's name
	need   *bool // set when an expression reads the column; nil = nobody wants to know
}

// scope is what names mean inside one query block.
type scope struct {
	cols       []scopeColumn
	fields     []selectItem // the select list, for aliases
	outer      *scope
	ctes       *cte
	correlated bool // something in the block refers to a block around it
}

// selectItem is one item of the select list.
type selectItem struct {
	name string // alias or column name
	expr *expr
}

// aliasUse says how the select list's names count in a clause.
type aliasUse uint8

const (
	aliasNever aliasUse = iota
	aliasLast           // after columns: GROUP BY
	aliasFirst          // before columns: HAVING, ORDER BY
)

// The clauses as error messages name them.
const (
	inFields = "field list"
	inWhere  = "where clause"
	inOn     = "on clause"
	inGroup  = "group statement"
	inHaving = "having clause"
	inOrder  = "order clause"
)

func aliasesIn(clause string) aliasUse {
	switch clause {
	case inGroup:
		return aliasLast
	case inHaving, inOrder:
		return aliasFirst
	}
	return aliasNever
}

// column compiles a column's name: of this block, else of the blocks around it.
func (c *compiler) column(n *ast.ColumnName) (*expr, error) {
	depth := 0
	for s := c.scope; s != nil; s = s.outer {
		use := aliasNever
		if depth == 0 {
			use = aliasesIn(c.clause)
		}
		e, err := s.resolve(n, depth, use, c.clause)
		if err != nil || e != nil {
			if e != nil && depth > 0 {
				markCorrelated(c.scope, depth)
			}
			return e, err
		}
		depth++
	}
	return nil, errUnknownColumn(columnText(n), c.clause)
}

// markCorrelated marks the blocks between a name and what it means.
func markCorrelated(s *scope, depth int) {
	for ; depth > 0; depth-- {
		s.correlated = true
		s = s.outer
	}
}

func (s *scope) resolve(n *ast.ColumnName, depth int, use aliasUse, clause string) (*expr, error) {
	if use == aliasFirst && n.Table.L == "" {
		if e := s.alias(n.Name.L, false); e != nil {
			return e, nil
		}
	}
	at := -1
	for i, col := range s.cols {
		if !strings.EqualFold(col.col.Name, n.Name.O) || !tableMatches(n, col.col) || col.hidden && n.Table.L == "" {
			continue
		}
		if at >= 0 {
			return nil, errAmbiguous(columnText(n), clause)
		}
		at = i
	}
	if at >= 0 {
		return columnRef(&s.cols[at], at, depth), nil
	}
	if use == aliasLast && n.Table.L == "" {
		return s.alias(n.Name.L, true), nil
	}
	return nil, nil
}

func tableMatches(n *ast.ColumnName, col Column) bool {
	return (n.Table.L == "" || strings.EqualFold(n.Table.O, col.Table)) &&
		(n.Schema.L == "" || strings.EqualFold(n.Schema.O, col.Schema))
}

// columnRef reads column at of the row, depth blocks further out.
func columnRef(sc *scopeColumn, at, depth int) *expr {
	e := &expr{typ: sc.typ, origin: &sc.col}
	if sc.need != nil {
		*sc.need = true
	}
	if depth == 0 {
		e.eval = func(f *frame) (Value, error) { return f.row[at], nil }
		return e
	}
	e.eval = func(f *frame) (Value, error) {
		for i := 0; i < depth; i++ {
			f = f.outer
		}
		return f.row[at], nil
	}
	return e
}

// alias finds an item of the select list; compute tells to compute it anew, where its
// value is not there yet.
func (s *scope) alias(name string, compute bool) *expr {
	for i, field := range s.fields {
		if !strings.EqualFold(field.name, name) {
			continue
		}
		e := *field.expr
		if !compute {
			e.eval = func(f *frame) (Value, error) { return f.out[i], nil }
		}
		return &e
	}
	return nil
}

func columnText(n *ast.ColumnName) string {
	out := n.Name.O
	if n.Table.L != "" {
		out = n.Table.O + "." + out
	}
	if n.Schema.L != "" {
		out = n.Schema.O + "." + out
	}
	return out
}
