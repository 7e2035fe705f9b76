package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver"
)

// maxDepth is how deep expressions and subqueries may nest. Deeper ones would need
// stack in proportion; MySQL has a like limit (thread_stack).
const maxDepth = 4000

// statement is one execution: what all its expressions share.
type statement struct {
	ctx      context.Context
	x        *Executor
	describe bool // only columns are wanted: nothing is read, parameters are unknown
	depth    int
	now      time.Time // in the session's time zone, as a wall clock kept in UTC
	limits   Limits
	held     usage
	steps    int
	params   map[*driver.ParamMarkerExpr]int
}

// frame is what an expression sees while it is computed.
type frame struct {
	st    *statement
	row   []Value // of the tables in scope
	aggs  []Value // finished aggregates of the group
	out   []Value // the select list, for ORDER BY and HAVING
	sub   []Value // a row of the subquery it is compared with
	outer *frame  // of the query around a subquery
}

// evalFunc computes an expression. It must not keep or change the frame.
type evalFunc func(f *frame) (Value, error)

// expr is a compiled expression: its type, and how to compute it.
type expr struct {
	typ
	eval   evalFunc
	origin *Column      // the table's column this simply is
	fixed  bool         // gives the same value in every row
	src    ast.ExprNode // what it was compiled from, for error messages
}

// compiler turns the AST of one query block into expressions.
type compiler struct {
	st       *statement
	scope    *scope
	clause   string      // as error messages name it: "field list"
	aggs     *aggregates // nil where aggregate functions may not stand
	grouping bool        // the block has GROUP BY
}

func (x *Executor) newStatement(ctx context.Context) *statement {
	st := &statement{ctx: ctx, x: x, limits: x.Limits.withDefaults()}
	st.now = wallClock(x.Env.Now(), x.Env.Location())
	return st
}

// wallClock is what a clock on the wall of loc shows, kept as a time in UTC.
func wallClock(t time.Time, loc *time.Location) time.Time {
	t = t.In(loc)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

func (st *statement) warn(code uint16, message string) { st.x.Env.Warn(code, message) }

func (f *frame) warn(code uint16, message string) { f.st.warn(code, message) }

// collation of the session's literals.
func (st *statement) collation() uint16 {
	if c := st.x.Env.Collation(); c != 0 {
		return c
	}
	return collGeneralCI
}

// enter counts one level of nesting; the caller defers leave.
func (st *statement) enter() error {
	st.depth++
	if st.depth > maxDepth {
		return errTooDeep()
	}
	return nil
}

func (st *statement) leave() { st.depth-- }

// expensive is after how many steps a statement is one that has to share the processor.
const expensive = 4096

// step is called in every loop over rows: it looks at the context now and then.
func (st *statement) step() error {
	st.steps++
	switch {
	case st.steps%expensive == 0:
		return st.work()
	case st.steps&255 == 0:
		return st.cancelled()
	}
	return nil
}

func (st *statement) cancelled() error {
	if err := st.ctx.Err(); err != nil {
		return fmt.Errorf("run the statement: %w", err)
	}
	return nil
}

// compile turns any expression of one column into its compiled form.
func (c *compiler) compile(n ast.ExprNode) (*expr, error) {
	defer c.st.leave()
	if err := c.st.enter(); err != nil {
		return nil, err
	}
	e, err := c.compileNode(n)
	if err != nil {
		return nil, err
	}
	if e.src == nil {
		e.src = n
	}
	return e, nil
}

func (c *compiler) compileNode(n ast.ExprNode) (*expr, error) {
	switch n := n.(type) {
	case *ast.ParenthesesExpr:
		return c.compile(n.Expr)
	case *driver.ValueExpr:
		return c.literal(n)
	case *driver.ParamMarkerExpr:
		return c.parameter(n)
	case *ast.VariableExpr:
		return c.variable(n)
	case *ast.ColumnNameExpr:
		return c.column(n.Name)
	case *ast.BinaryOperationExpr:
		return c.binary(n)
	case *ast.UnaryOperationExpr:
		return c.unary(n)
	case *ast.BetweenExpr:
		return c.between(n)
	case *ast.IsNullExpr:
		return c.isNull(n)
	case *ast.IsTruthExpr:
		return c.isTruth(n)
	case *ast.PatternInExpr:
		return c.in(n)
	case *ast.PatternLikeOrIlikeExpr:
		return c.like(n)
	case *ast.PatternRegexpExpr:
		return c.regexp(n)
	case *ast.CaseExpr:
		return c.caseExpr(n)
	case *ast.FuncCastExpr:
		return c.cast(n)
	case *ast.SetCollationExpr:
		return c.collate(n)
	case *ast.FuncCallExpr:
		return c.call(n)
	case *ast.AggregateFuncExpr:
		return c.aggregate(n)
	case *ast.SubqueryExpr:
		return c.scalarSubquery(n)
	case *ast.ExistsSubqueryExpr:
		return c.exists(n)
	case *ast.CompareSubqueryExpr:
		return c.compareSubquery(n)
	case *ast.RowExpr:
		return nil, errOperand(1)
	case *ast.WindowFuncExpr:
		return nil, errNotSupported("window functions")
	case *ast.DefaultExpr:
		return nil, errNotSupported("DEFAULT() in an expression")
	case *ast.ValuesExpr:
		return nil, errNotSupported("VALUES() in an expression")
	case *ast.MatchAgainst:
		return nil, errNotSupported("MATCH ... AGAINST")
	}
	return nil, errNotSupported(fmt.Sprintf("this expression (%T)", n))
}

// compileAll compiles a list.
func (c *compiler) compileAll(nodes []ast.ExprNode) ([]*expr, error) {
	out := make([]*expr, len(nodes))
	for i, n := range nodes {
		e, err := c.compile(n)
		if err != nil {
			return nil, err
		}
		out[i] = e
	}
	return out, nil
}

// constant is an expression that gives v.
func constant(t typ, v Value) *expr {
	return &expr{typ: t, fixed: true, eval: func(*frame) (Value, error) { return v, nil }}
}

// allConst reports whether every operand is the same in all rows.
func allConst(args ...*expr) bool {
	for _, a := range args {
		if !a.fixed {
			return false
		}
	}
	return true
}

// anyNull reports whether any operand may be NULL.
func anyNull(args ...*expr) bool {
	for _, a := range args {
		if a.null {
			return true
		}
	}
	return false
}

// strict makes a function of its operands' values that is NULL when any of them is.
func strict(t typ, args []*expr, fn func(f *frame, v []Value) (Value, error)) *expr {
	return &expr{typ: t.orNull(anyNull(args...)), fixed: allConst(args...), eval: func(f *frame) (Value, error) {
		var buf [4]Value
		vals := buf[:0]
		for _, a := range args {
			v, err := a.eval(f)
			if err != nil || v.IsNull() {
				return Null(), err
			}
			vals = append(vals, v)
		}
		return fn(f, vals)
	}}
}
