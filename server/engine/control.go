package engine

import (
	"cmp"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/opcode"
)

// unify finds the type that can hold any of the expressions' values, as CASE, IF,
// COALESCE and UNION need it.
func (c *compiler) unify(op string, args ...*expr) (typ, error) {
	var t typ
	null, seen, sameWire := false, false, true
	for _, a := range args {
		null = null || a.null
		if a.kind == KindNull {
			null = true
			continue
		}
		if !seen {
			t, seen = a.typ, true
			continue
		}
		sameWire = sameWire && t.wire == a.wire
		t = mergeTypes(t, a.typ)
	}
	if !seen {
		return nullType(), nil
	}
	t.null, t.hex = null, false
	if !sameWire {
		t.wire = 0
	}
	if t.isText() {
		length := uint32(0)
		for _, a := range args {
			length = max(length, a.length)
		}
		coll, coer, err := c.aggregateCollation(op, args...)
		if err != nil {
			return t, err
		}
		wire := t.wire
		t = textType(length, coll.id, coer).orNull(null)
		t.wire = wire
	}
	return t, nil
}

// mergeTypes is the type of two alternatives.
func mergeTypes(a, b typ) typ {
	boolean := a.boolean && b.boolean
	lit := a.lit && b.lit
	out := a
	switch {
	case a.isText() || b.isText():
		out = typ{kind: KindString}
	case a.isTemporal() || b.isTemporal():
		fsp := max(a.dec, b.dec)
		switch {
		case a.kind == b.kind && a.kind == KindDate:
		case a.kind == b.kind && a.kind == KindDuration:
			out = timeType(fsp)
		case a.isTemporal() && b.isTemporal():
			out = datetimeType(fsp)
		default:
			out = typ{kind: KindString}
		}
	case a.kind == KindFloat || b.kind == KindFloat:
		out = fixedFloatType(max(a.dec, b.dec))
	case a.kind == KindDecimal || b.kind == KindDecimal || a.kind != b.kind:
		scale := max(a.scale(), b.scale())
		out = decimalType(max(a.intDigits(), b.intDigits())+int(scale), scale)
		out.loose = a.loose || b.loose
	default:
		out.length = max(a.length, b.length)
		if out.kind == KindInt && !boolean && (a.lit || b.lit) {
			out.length = max(out.length, uint32(max(a.intDigits(), b.intDigits()))+1)
			lit = false
		}
		out.counted = a.counted && b.counted
	}
	if a.wire == b.wire {
		out.wire = a.wire
	}
	out.boolean, out.lit = boolean, lit
	return out
}

// to converts a value to a unified type.
func (t typ) to(f *frame, v Value) Value {
	if v.IsNull() {
		return v
	}
	switch t.kind {
	case KindString, KindBytes:
		if v.kind == t.kind {
			return v
		}
		return textValue(v.Text(), t)
	case KindDecimal:
		if t.loose && v.kind == KindDecimal {
			return v
		}
		return Decimal(rescale(v.decimal(f.warn), int32(t.dec)))
	case KindFloat:
		if v.kind != KindFloat {
			return Float(v.float(f.warn))
		}
	case KindDate, KindDatetime:
		if v.kind == t.kind && v.fsp == t.dec {
			return v
		}
		at, _, _, ok := v.datetime(f.st.now, f.warn)
		if !ok {
			return Null()
		}
		if t.kind == KindDate {
			return Date(dayOf(at))
		}
		return Datetime(at, t.dec)
	case KindDuration:
		d, _, ok := v.duration(f.warn)
		if !ok {
			return Null()
		}
		return Duration(d, t.dec)
	}
	return v
}

// converted gives an expression's values as type t.
func converted(e *expr, t typ) *expr {
	if e.kind == t.kind && !t.isTemporal() && t.kind != KindDecimal {
		return e
	}
	return &expr{typ: t, fixed: e.fixed, src: e.src, eval: func(f *frame) (Value, error) {
		v, err := e.eval(f)
		if err != nil {
			return v, err
		}
		if t.isText() {
			v = e.asShown(v)
		}
		return t.to(f, v), nil
	}}
}

// caseExpr compiles CASE in both its forms.
func (c *compiler) caseExpr(n *ast.CaseExpr) (*expr, error) {
	var tests, results []*expr
	var subject *expr
	var err error
	if n.Value != nil {
		if subject, err = c.compile(n.Value); err != nil {
			return nil, err
		}
	}
	for _, w := range n.WhenClauses {
		when, err := c.compile(w.Expr)
		if err != nil {
			return nil, err
		}
		if subject != nil {
			when, err = c.compareExprs(opcode.EQ, subject, when)
			if err != nil {
				return nil, err
			}
		}
		then, err := c.compile(w.Result)
		if err != nil {
			return nil, err
		}
		tests, results = append(tests, numeric(when)), append(results, then)
	}
	otherwise := constant(nullType(), Null())
	if n.ElseClause != nil {
		if otherwise, err = c.compile(n.ElseClause); err != nil {
			return nil, err
		}
	}
	results = append(results, otherwise)
	return c.choose("case", tests, results)
}

// choose gives the first result whose test is true, or the last one.
func (c *compiler) choose(op string, tests, results []*expr) (*expr, error) {
	t, err := c.unify(op, results...)
	if err != nil {
		return nil, err
	}
	for i := range results {
		results[i] = converted(results[i], t)
	}
	return &expr{typ: t, fixed: allConst(tests...) && allConst(results...), eval: func(f *frame) (Value, error) {
		for i, test := range tests {
			is, _, err := test.condition(f)
			if err != nil {
				return Null(), err
			}
			if is {
				return results[i].eval(f)
			}
		}
		return results[len(tests)].eval(f)
	}}, nil
}

// controlFunction finds IF, IFNULL and their kin.
func controlFunction(name string) (function, bool) {
	switch name {
	case "if":
		return function{3, 3, func(c *compiler, k call) (*expr, error) {
			return c.choose("if", []*expr{numeric(k.args[0])}, k.args[1:])
		}}, true
	case "ifnull", "nvl":
		return function{2, 2, coalesce}, true
	case "coalesce":
		return function{1, -1, coalesce}, true
	case "nullif":
		return function{2, 2, nullIf}, true
	case "isnull":
		return function{1, 1, func(c *compiler, k call) (*expr, error) {
			return c.isNull(&ast.IsNullExpr{Expr: k.nodes[0]})
		}}, true
	case "greatest":
		return function{2, -1, func(c *compiler, k call) (*expr, error) { return extreme(c, k, 1) }}, true
	case "least":
		return function{2, -1, func(c *compiler, k call) (*expr, error) { return extreme(c, k, -1) }}, true
	case "interval":
		return function{2, -1, intervalIndex}, true
	case "any_value":
		return function{1, 1, func(c *compiler, k call) (*expr, error) { return k.args[0], nil }}, true
	}
	return function{}, false
}

func coalesce(c *compiler, k call) (*expr, error) {
	t, err := c.unify(k.name, k.args...)
	if err != nil {
		return nil, err
	}
	t.null = true
	for _, a := range k.args {
		t.null = t.null && a.null
	}
	args := make([]*expr, len(k.args))
	for i, a := range k.args {
		args[i] = converted(a, t)
	}
	return &expr{typ: t, fixed: allConst(args...), eval: func(f *frame) (Value, error) {
		for _, a := range args {
			if v, err := a.eval(f); err != nil || !v.IsNull() {
				return v, err
			}
		}
		return Null(), nil
	}}, nil
}

func nullIf(c *compiler, k call) (*expr, error) {
	equal, err := c.compareExprs(opcode.EQ, k.args[0], k.args[1])
	if err != nil {
		return nil, err
	}
	x := k.args[0]
	return &expr{typ: x.typ.nullable(), fixed: allConst(k.args...), eval: func(f *frame) (Value, error) {
		is, _, err := equal.condition(f)
		if err != nil || is {
			return Null(), err
		}
		return x.eval(f)
	}}, nil
}

// extreme is GREATEST (sign 1) and LEAST (sign -1).
func extreme(c *compiler, k call, sign int) (*expr, error) {
	t, err := c.extremeType(k)
	if err != nil {
		return nil, err
	}
	t.null = anyNull(k.args...)
	as := &expr{typ: t}
	order, err := c.comparer(k.name, as, as)
	if err != nil {
		return nil, err
	}
	return strict(t, k.args, func(f *frame, v []Value) (Value, error) {
		best := t.to(f, v[0])
		for _, next := range v[1:] {
			next = t.to(f, next)
			if next.IsNull() || best.IsNull() {
				return Null(), nil
			}
			if sign*order(f, next, best) > 0 {
				best = next
			}
		}
		return best, nil
	}), nil
}

// extremeType differs from unify: a text among numbers becomes a number, and one among
// dates a date.
func (c *compiler) extremeType(k call) (typ, error) {
	var texts, temporals, numbers []*expr
	for _, a := range k.args {
		switch {
		case a.isText():
			texts = append(texts, a)
		case a.isTemporal():
			temporals = append(temporals, a)
		case a.isNumber():
			numbers = append(numbers, a)
		}
	}
	nulls := len(k.args) - len(texts) - len(temporals) - len(numbers)
	switch {
	case len(numbers) > 0 && (len(texts) > 0 || nulls > 0):
		return floatType(), nil
	case len(texts) > 0 && len(temporals) > 0:
		t, err := c.unify(k.name, temporals...)
		return t.nullable(), err
	}
	return c.unify(k.name, k.args...)
}

// intervalIndex is INTERVAL(n, n1, n2, …): how many of the sorted n1… are not above n.
func intervalIndex(c *compiler, k call) (*expr, error) {
	exact := true
	for _, a := range k.args {
		exact = exact && (isExact(a.typ) || a.isText() || a.kind == KindNull)
	}
	order := func(f *frame, a, b Value) int { return cmp.Compare(a.float(f.warn), b.float(f.warn)) }
	if exact {
		order = compareNumbers
	}
	return &expr{typ: intType(2), fixed: allConst(k.args...), eval: func(f *frame) (Value, error) {
		n, err := k.args[0].eval(f)
		if err != nil {
			return Null(), err
		}
		if n.IsNull() {
			return Int(-1), nil
		}
		for i, a := range k.args[1:] {
			v, err := a.eval(f)
			if err != nil {
				return Null(), err
			}
			if !v.IsNull() && order(f, n, v) < 0 {
				return Int(int64(i)), nil
			}
		}
		return Int(int64(len(k.args) - 1)), nil
	}}, nil
}
