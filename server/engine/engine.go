package engine

import (
	"context"
	"sort"

	"github.com/pingcap/tidb/pkg/parser/ast"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver"
)

// Select runs a query: a SELECT or a set operation. Errors are *[Error] when MySQL has a
// number for them; when the context ends, its error is wrapped in the one returned.
func (x *Executor) Select(ctx context.Context, stmt ast.ResultSetNode) (*Result, error) {
	defer x.yield()
	st := x.newStatement(ctx)
	st.number(stmt)
	q, err := st.compileQuery(stmt, nil, nil)
	if err != nil {
		return nil, err
	}
	if err := st.cancelled(); err != nil {
		return nil, err
	}
	rows, err := q.run(nil)
	if err != nil {
		return nil, err
	}
	return &Result{Columns: q.cols, Rows: q.shown(rows)}, nil
}

// Describe gives the columns a query would return, without running it: for PREPARE,
// when the values of parameters are not known yet.
func (x *Executor) Describe(ctx context.Context, stmt ast.ResultSetNode) ([]Column, error) {
	st := x.newStatement(ctx)
	st.describe = true
	q, err := st.compileQuery(stmt, nil, nil)
	if err != nil {
		return nil, err
	}
	return q.cols, nil
}

// Eval computes an expression with no columns in scope.
func (x *Executor) Eval(ctx context.Context, n ast.ExprNode) (Value, error) {
	defer x.yield()
	st := x.newStatement(ctx)
	st.number(n)
	c := &compiler{st: st, clause: inFields}
	e, err := c.compile(n)
	if err != nil {
		return Null(), err
	}
	return e.eval(&frame{st: st})
}

// Filter keeps the rows of a finished result for which where is true: SHOW … WHERE.
// The columns go by their names.
func (x *Executor) Filter(ctx context.Context, in *Result, where ast.ExprNode) (*Result, error) {
	defer x.yield()
	st := x.newStatement(ctx)
	st.number(where)
	sc := &scope{}
	for _, col := range in.Columns {
		sc.cols = append(sc.cols, scopeColumn{col: col, typ: typeOfColumn(col)})
	}
	c := &compiler{st: st, scope: sc, clause: inWhere}
	e, err := c.compile(where)
	if err != nil {
		return nil, err
	}
	out := &Result{Columns: in.Columns}
	f := &frame{st: st}
	for _, row := range in.Rows {
		if err := st.step(); err != nil {
			return nil, err
		}
		f.row = row
		is, _, err := e.condition(f)
		if err != nil {
			return nil, err
		}
		if is {
			out.Rows = append(out.Rows, row)
		}
	}
	return out, nil
}

// number gives every parameter of a statement its place by where it stands in the
// text, unless the caller has numbered them already (SetOrder).
func (st *statement) number(n ast.Node) {
	if len(st.x.Params) == 0 || n == nil {
		return
	}
	v := &paramFinder{}
	n.Accept(v)
	sort.Slice(v.found, func(i, j int) bool { return v.found[i].Offset < v.found[j].Offset })
	for _, p := range v.found {
		if p.Order != 0 {
			return
		}
	}
	st.params = make(map[*driver.ParamMarkerExpr]int, len(v.found))
	for i, p := range v.found {
		st.params[p] = i
	}
}

// paramFinder collects parameters, but no deeper than expressions may nest.
type paramFinder struct {
	found []*driver.ParamMarkerExpr
	depth int
}

// Enter implements [ast.Visitor].
func (v *paramFinder) Enter(n ast.Node) (ast.Node, bool) {
	v.depth++
	if p, ok := n.(*driver.ParamMarkerExpr); ok {
		v.found = append(v.found, p)
	}
	return n, v.depth > 8*maxDepth
}

// Leave implements [ast.Visitor].
func (v *paramFinder) Leave(n ast.Node) (ast.Node, bool) {
	v.depth--
	return n, true
}
