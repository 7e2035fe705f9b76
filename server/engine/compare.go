package engine

import (
	"cmp"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/opcode"
)

// compareFunc orders two values that are not NULL.
type compareFunc func(f *frame, a, b Value) int

// comparer chooses how values of two types compare: MySQL's rules for mixed types.
func (c *compiler) comparer(op string, l, r *expr) (compareFunc, error) {
	switch {
	case l.kind == KindNull || r.kind == KindNull:
		return func(*frame, Value, Value) int { return 0 }, nil
	case l.json && r.json:
		return compareJSON, nil
	case l.isText() && r.isText():
		coll, _, err := c.aggregateCollation(op, l, r)
		if err != nil {
			return nil, err
		}
		return func(_ *frame, a, b Value) int { return coll.compare(a.str, b.str) }, nil
	case l.isTemporal() && (r.isTemporal() || r.isText()), r.isTemporal() && l.isText():
		if l.kind == KindDuration && (r.kind == KindDuration || r.isText()) || r.kind == KindDuration && l.isText() {
			return compareDurations, nil
		}
		return compareDatetimes, nil
	case l.isInt() && r.isInt():
		return compareInts, nil
	case isExact(l.typ) && (isExact(r.typ) || r.isText()), isExact(r.typ) && l.isText():
		return compareNumbers, nil
	}
	return func(f *frame, a, b Value) int { return cmp.Compare(a.float(f.warn), b.float(f.warn)) }, nil
}

// isExact reports whether a type's values are numbers without rounding.
func isExact(t typ) bool { return t.isInt() || t.kind == KindDecimal || t.isTemporal() }

func compareInts(_ *frame, a, b Value) int {
	au, bu := a.kind == KindUint, b.kind == KindUint
	switch {
	case au && bu:
		return cmp.Compare(uint64(a.num), uint64(b.num))
	case au && (a.num < 0 || b.num < 0):
		return 1
	case bu && (b.num < 0 || a.num < 0):
		return -1
	}
	return cmp.Compare(a.num, b.num)
}

func compareDatetimes(f *frame, a, b Value) int {
	x, _, _, okX := a.datetime(f.st.now, f.warn)
	y, _, _, okY := b.datetime(f.st.now, f.warn)
	if !okX || !okY {
		// No date: as texts they differ, and that is all that can be said.
		return strings.Compare(a.Text(), b.Text())
	}
	return x.Compare(y)
}

func compareDurations(f *frame, a, b Value) int {
	x, _, _ := a.duration(f.warn)
	y, _, _ := b.duration(f.warn)
	return cmp.Compare(x, y)
}

// holds reports whether an ordering satisfies a comparison operator.
func holds(op opcode.Op, order int) bool {
	switch op {
	case opcode.EQ, opcode.NullEQ:
		return order == 0
	case opcode.NE:
		return order != 0
	case opcode.LT:
		return order < 0
	case opcode.LE:
		return order <= 0
	case opcode.GT:
		return order > 0
	}
	return order >= 0
}

// opText is an operator as error messages name it.
func opText(op opcode.Op) string {
	var b strings.Builder
	op.Format(&b)
	return b.String()
}

// comparison compiles =, <>, <, <=, >, >= and <=> between values or rows.
func (c *compiler) comparison(op opcode.Op, ln, rn ast.ExprNode) (*expr, error) {
	lrow, rrow := rowOf(ln), rowOf(rn)
	if lrow != nil || rrow != nil {
		return c.compareRows(op, ln, rn, lrow, rrow)
	}
	l, err := c.compile(ln)
	if err != nil {
		return nil, err
	}
	r, err := c.compile(rn)
	if err != nil {
		return nil, err
	}
	if l.fixed && r.fixed { // MariaDB keeps constants as they are shown: 1/3 = 0.3333
		l, r = rounded(l), rounded(r)
	}
	return c.compareExprs(op, l, r)
}

// comparable turns hex literals into numbers when the other side is a number.
func comparable(l, r *expr) (*expr, *expr) {
	if l.hex && r.isNumber() {
		l = numeric(l)
	}
	if r.hex && l.isNumber() {
		r = numeric(r)
	}
	return l, r
}

func (c *compiler) compareExprs(op opcode.Op, l, r *expr) (*expr, error) {
	l, r = scalar(comparable(l, r))
	order, err := c.comparer(opText(op), l, r)
	if err != nil {
		return nil, err
	}
	if op != opcode.NullEQ {
		return operands(boolType().orNull(anyNull(l, r)), l, r, func(f *frame, a, b Value) (Value, error) {
			return Bool(holds(op, order(f, a, b))), nil
		}), nil
	}
	return &expr{typ: boolType(), fixed: allConst(l, r), eval: func(f *frame) (Value, error) {
		a, err := l.eval(f)
		if err != nil {
			return Null(), err
		}
		b, err := r.eval(f)
		if err != nil {
			return Null(), err
		}
		if a.IsNull() || b.IsNull() {
			return Bool(a.IsNull() && b.IsNull()), nil
		}
		return Bool(order(f, a, b) == 0), nil
	}}, nil
}

// rowOf is the row (a, b, …) in an expression, nil if it is none.
func rowOf(n ast.ExprNode) *ast.RowExpr {
	for {
		switch e := n.(type) {
		case *ast.ParenthesesExpr:
			n = e.Expr
		case *ast.RowExpr:
			return e
		default:
			return nil
		}
	}
}

// compareRows rewrites a comparison of rows into comparisons of their members:
// (a,b) < (c,d) is a < c OR (a = c AND b < d).
func (c *compiler) compareRows(op opcode.Op, ln, rn ast.ExprNode, l, r *ast.RowExpr) (*expr, error) {
	if l == nil || r == nil {
		if row, sub := l, subqueryOf(rn); row != nil && sub != nil {
			return c.rowSubquery(op, row, sub)
		}
		have := l
		if have == nil {
			have = r
		}
		return nil, errOperand(len(have.Values))
	}
	if len(l.Values) != len(r.Values) {
		return nil, errOperand(len(l.Values))
	}
	last := len(l.Values) - 1
	out, err := c.comparison(op, l.Values[last], r.Values[last])
	for i := last - 1; i >= 0 && err == nil; i-- {
		var step *expr
		switch op {
		case opcode.EQ, opcode.NullEQ:
			if step, err = c.comparison(op, l.Values[i], r.Values[i]); err == nil {
				out = conjunction(step, out)
			}
		case opcode.NE:
			if step, err = c.comparison(op, l.Values[i], r.Values[i]); err == nil {
				out = not(conjunction(not(step), not(out)))
			}
		default:
			var equal *expr
			if equal, err = c.comparison(opcode.EQ, l.Values[i], r.Values[i]); err != nil {
				return nil, err
			}
			if step, err = c.comparison(strictly(op), l.Values[i], r.Values[i]); err == nil {
				out = not(conjunction(not(step), not(conjunction(equal, out))))
			}
		}
	}
	return out, err
}

// strictly is < for <=, > for >=.
func strictly(op opcode.Op) opcode.Op {
	switch op {
	case opcode.LE:
		return opcode.LT
	case opcode.GE:
		return opcode.GT
	}
	return op
}

// conjunction is a AND b.
func conjunction(a, b *expr) *expr {
	return &expr{typ: boolType().orNull(anyNull(a, b)), fixed: allConst(a, b), eval: func(f *frame) (Value, error) {
		x, knownX, err := a.condition(f)
		if err != nil {
			return Null(), err
		}
		if knownX && !x {
			return Int(0), nil
		}
		y, knownY, err := b.condition(f)
		if err != nil {
			return Null(), err
		}
		switch {
		case knownY && !y:
			return Int(0), nil
		case !knownX || !knownY:
			return Null(), nil
		}
		return Int(1), nil
	}}
}

func (c *compiler) between(n *ast.BetweenExpr) (*expr, error) {
	args, err := c.compileAll([]ast.ExprNode{n.Expr, n.Left, n.Right})
	if err != nil {
		return nil, err
	}
	low, err := c.compareExprs(opcode.GE, args[0], args[1])
	if err != nil {
		return nil, err
	}
	high, err := c.compareExprs(opcode.LE, args[0], args[2])
	if err != nil {
		return nil, err
	}
	return negated(conjunction(low, high), n.Not), nil
}

// in compiles x IN (list) and x IN (subquery).
func (c *compiler) in(n *ast.PatternInExpr) (*expr, error) {
	if n.Sel != nil {
		return c.inSubquery(n)
	}
	tests := make([]*expr, len(n.List))
	if row := rowOf(n.Expr); row != nil {
		for i, item := range n.List {
			e, err := c.comparison(opcode.EQ, n.Expr, item)
			if err != nil {
				return nil, err
			}
			tests[i] = e
		}
		return negated(anyOf(tests), n.Not), nil
	}
	x, err := c.compile(n.Expr)
	if err != nil {
		return nil, err
	}
	for i, item := range n.List {
		if rowOf(item) != nil {
			return nil, errOperand(1)
		}
		e, err := c.compile(item)
		if err != nil {
			return nil, err
		}
		if tests[i], err = c.compareExprs(opcode.EQ, x, e); err != nil {
			return nil, err
		}
	}
	return negated(anyOf(tests), n.Not), nil
}

// anyOf is true if one test is, else unknown if one is unknown.
func anyOf(tests []*expr) *expr {
	return &expr{typ: boolType().orNull(anyNull(tests...)), fixed: allConst(tests...), eval: func(f *frame) (Value, error) {
		unknown := false
		for _, t := range tests {
			is, known, err := t.condition(f)
			if err != nil {
				return Null(), err
			}
			if is {
				return Int(1), nil
			}
			unknown = unknown || !known
		}
		if unknown {
			return Null(), nil
		}
		return Int(0), nil
	}}
}
