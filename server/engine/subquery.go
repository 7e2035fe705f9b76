package engine

import (
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/opcode"
)

// subqueryOf is the subquery an expression is, nil if it is none.
func subqueryOf(n ast.ExprNode) *ast.SubqueryExpr {
	for {
		switch e := n.(type) {
		case *ast.ParenthesesExpr:
			n = e.Expr
		case *ast.SubqueryExpr:
			return e
		default:
			return nil
		}
	}
}

// subquery compiles a subquery in an expression; rows gives its rows for the row the
// frame stands on, computed once if they do not depend on it.
func (c *compiler) subquery(n ast.ExprNode) (q *query, rows func(f *frame) ([][]Value, error), err error) {
	sub := subqueryOf(n)
	if sub == nil {
		return nil, nil, errNotSupported("this form of subquery")
	}
	outer := c.scope
	if outer == nil {
		outer = &scope{}
	}
	if q, err = c.st.compileQuery(sub.Query, outer, outer.ctes); err != nil {
		return nil, nil, err
	}
	var cached [][]Value
	done := false
	return q, func(f *frame) ([][]Value, error) {
		if done {
			return cached, nil
		}
		got, err := q.run(f)
		if err == nil && !q.correlated {
			cached, done = got, true
		}
		return got, err
	}, nil
}

func (c *compiler) scalarSubquery(n *ast.SubqueryExpr) (*expr, error) {
	q, rows, err := c.subquery(n)
	if err != nil {
		return nil, err
	}
	if len(q.cols) != 1 {
		return nil, errOperand(1)
	}
	t := q.types[0].nullable()
	t.lit, t.hex = false, false
	return &expr{typ: t, eval: func(f *frame) (Value, error) {
		got, err := rows(f)
		if err != nil || len(got) == 0 {
			return Null(), err
		}
		if len(got) > 1 {
			return Null(), fail(1242, "21000", "Subquery returns more than 1 row")
		}
		return got[0][0], nil
	}}, nil
}

func (c *compiler) exists(n *ast.ExistsSubqueryExpr) (*expr, error) {
	_, rows, err := c.subquery(n.Sel)
	if err != nil {
		return nil, err
	}
	return &expr{typ: boolType(), eval: func(f *frame) (Value, error) {
		got, err := rows(f)
		return Bool((len(got) > 0) != n.Not), err
	}}, nil
}

// member compares an expression's members with a subquery's row, kept in a frame's sub.
func (c *compiler) member(op opcode.Op, left []ast.ExprNode, q *query) ([]*expr, error) {
	if len(left) != len(q.cols) {
		return nil, errOperand(len(left))
	}
	tests := make([]*expr, len(left))
	for i, n := range left {
		l, err := c.compile(n)
		if err != nil {
			return nil, err
		}
		t := q.types[i]
		r := &expr{typ: t, eval: func(f *frame) (Value, error) { return f.sub[i], nil }}
		if tests[i], err = c.compareExprs(op, l, r); err != nil {
			return nil, err
		}
	}
	return tests, nil
}

// quantified tests the left side against every row: any (or, with all, every) row must
// satisfy the test.
func quantified(test *expr, rows func(f *frame) ([][]Value, error), all bool) *expr {
	return &expr{typ: boolType().nullable(), eval: func(f *frame) (Value, error) {
		got, err := rows(f)
		if err != nil {
			return Null(), err
		}
		g := *f
		unknown := false
		for _, row := range got {
			if err := f.st.step(); err != nil {
				return Null(), err
			}
			g.sub = row
			is, known, err := test.condition(&g)
			if err != nil {
				return Null(), err
			}
			if known && is != all {
				return Bool(!all), nil
			}
			unknown = unknown || !known
		}
		if unknown {
			return Null(), nil
		}
		return Bool(all), nil
	}}
}

func members(n ast.ExprNode) []ast.ExprNode {
	if row := rowOf(n); row != nil {
		return row.Values
	}
	return []ast.ExprNode{n}
}

func (c *compiler) inSubquery(n *ast.PatternInExpr) (*expr, error) {
	q, rows, err := c.subquery(n.Sel)
	if err != nil {
		return nil, err
	}
	tests, err := c.member(opcode.EQ, members(n.Expr), q)
	if err != nil {
		return nil, err
	}
	return negated(quantified(allOf(tests), rows, false), n.Not), nil
}

func allOf(tests []*expr) *expr {
	out := tests[0]
	for _, t := range tests[1:] {
		out = conjunction(out, t)
	}
	return out
}

// compareSubquery compiles x = ANY (…) and x > ALL (…).
func (c *compiler) compareSubquery(n *ast.CompareSubqueryExpr) (*expr, error) {
	q, rows, err := c.subquery(n.R)
	if err != nil {
		return nil, err
	}
	tests, err := c.member(n.Op, members(n.L), q)
	if err != nil {
		return nil, err
	}
	if len(tests) > 1 {
		return nil, errOperand(1)
	}
	return quantified(tests[0], rows, n.All), nil
}

// rowSubquery compiles (a, b) = (SELECT …).
func (c *compiler) rowSubquery(op opcode.Op, row *ast.RowExpr, sub *ast.SubqueryExpr) (*expr, error) {
	if op != opcode.EQ && op != opcode.NullEQ {
		return nil, errNotSupported("this comparison of a row with a subquery")
	}
	q, rows, err := c.subquery(sub)
	if err != nil {
		return nil, err
	}
	tests, err := c.member(op, row.Values, q)
	if err != nil {
		return nil, err
	}
	test := allOf(tests)
	return &expr{typ: boolType().nullable(), eval: func(f *frame) (Value, error) {
		got, err := rows(f)
		if err != nil || len(got) == 0 {
			return Null(), err
		}
		if len(got) > 1 {
			return Null(), fail(1242, "21000", "Subquery returns more than 1 row")
		}
		g := *f
		g.sub = got[0]
		return test.eval(&g)
	}}, nil
}
