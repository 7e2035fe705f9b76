package engine

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/shopspring/decimal"
)

// maxGroupConcat is group_concat_max_len: GROUP_CONCAT cuts beyond it.
const maxGroupConcat = 1 << 20

// aggregates are the aggregate functions of a block, in the order of their slots.
type aggregates struct{ list []*aggregate }

// aggregate is one COUNT, SUM, … of a block.
type aggregate struct {
	args     []*expr
	distinct bool
	order    []orderKey
	start    func() accumulator
}

// accumulator takes the rows of one group.
type accumulator interface {
	add(f *frame, v []Value) error
	result(f *frame) Value
}

// aggregate compiles an aggregate function: its place in the row of finished ones.
func (c *compiler) aggregate(n *ast.AggregateFuncExpr) (*expr, error) {
	if c.aggs == nil {
		return nil, errGroupFunction()
	}
	inner := *c
	inner.aggs = nil
	args, err := inner.compileAll(n.Args)
	if err != nil {
		return nil, err
	}
	if c.grouping { // MySQL's temporary table of groups holds rounded decimals
		for i, arg := range args {
			args[i] = rounded(arg)
		}
	}
	a := &aggregate{args: args, distinct: n.Distinct}
	name := strings.ToLower(n.F)
	t, err := c.startAggregate(a, name, n)
	if err != nil {
		return nil, err
	}
	if n.Order != nil {
		sub := inner
		sub.clause = inOrder
		if a.order, err = sub.compileOrder(n.Order.Items); err != nil {
			return nil, err
		}
	}
	slot := len(c.aggs.list)
	c.aggs.list = append(c.aggs.list, a)
	return &expr{typ: t, eval: func(f *frame) (Value, error) { return f.aggs[slot], nil }}, nil
}

func (c *compiler) startAggregate(a *aggregate, name string, n *ast.AggregateFuncExpr) (typ, error) {
	switch name {
	case ast.AggFuncCount:
		a.start = func() accumulator { return &counter{} }
		return intType(21), nil
	case ast.AggFuncSum:
		return startSum(a), nil
	case ast.AggFuncAvg:
		return startAvg(a), nil
	case ast.AggFuncMin, ast.AggFuncMax:
		sign := 1
		if name == ast.AggFuncMin {
			sign = -1
		}
		order, err := c.comparer(name, a.args[0], a.args[0])
		if err != nil {
			return typ{}, err
		}
		a.start = func() accumulator { return &best{order: order, sign: sign} }
		t := a.args[0].typ.nullable()
		t.flags, t.boolean, t.hex = 0, false, false
		return t, nil
	case ast.AggFuncGroupConcat:
		return c.startGroupConcat(a, n)
	case ast.AggFuncBitAnd, ast.AggFuncBitOr, ast.AggFuncBitXor:
		a.start = func() accumulator {
			b := &bitAggregate{op: name}
			if name == ast.AggFuncBitAnd {
				b.bits = ^uint64(0)
			}
			return b
		}
		return uintType(21), nil
	}
	return typ{}, errNotSupported("the function " + strings.ToUpper(n.F))
}

// runGroups computes the groups and hands each to the sink.
func (s *selection) runGroups(outer *frame, sink *rowSink) error {
	type group struct {
		row    []Value
		states []*groupState
	}
	var groups []*group
	byKey := map[string]*group{}
	types := make([]typ, len(s.groupBy))
	for i, e := range s.groupBy {
		types[i] = e.typ
	}
	start := func(row []Value) *group {
		g := &group{row: append([]Value(nil), row...)}
		for _, a := range s.aggs.list {
			g.states = append(g.states, newGroupState(a))
		}
		groups = append(groups, g)
		return g
	}
	f := &frame{st: s.st, outer: outer}
	key := make([]Value, len(s.groupBy))
	err := s.scan(outer, f, func() error {
		for i, e := range s.groupBy {
			v, err := e.eval(f)
			if err != nil {
				return err
			}
			key[i] = e.shown(v)
		}
		id := rowKey(types, key)
		g := byKey[id]
		if g == nil {
			if err := s.st.hold(f.row); err != nil {
				return err
			}
			g = start(f.row)
			byKey[id] = g
		}
		for _, state := range g.states {
			if err := state.add(f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(groups) == 0 && len(s.groupBy) == 0 {
		start(make([]Value, len(s.src.cols)))
	}
	for _, g := range groups {
		gf := &frame{st: s.st, outer: outer, row: g.row, aggs: make([]Value, len(g.states))}
		for i, state := range g.states {
			v, err := state.result(gf)
			if err != nil {
				return err
			}
			gf.aggs[i] = v
		}
		if err := sink.add(gf); err != nil {
			return err
		}
	}
	return nil
}

// groupState is one aggregate in one group.
type groupState struct {
	a    *aggregate
	acc  accumulator
	seen map[string]bool
	rows [][]Value // kept for GROUP_CONCAT … ORDER BY
	vals []Value
}

func newGroupState(a *aggregate) *groupState {
	g := &groupState{a: a, acc: a.start(), vals: make([]Value, len(a.args))}
	if a.distinct {
		g.seen = map[string]bool{}
	}
	return g
}

// add takes a row; rows with a NULL argument do not count.
func (g *groupState) add(f *frame) error {
	for i, e := range g.a.args {
		v, err := e.eval(f)
		if err != nil {
			return err
		}
		if v.IsNull() {
			return nil
		}
		g.vals[i] = v
	}
	if g.a.distinct {
		types := make([]typ, len(g.a.args))
		for i, e := range g.a.args {
			types[i] = e.typ
		}
		key := rowKey(types, g.vals)
		if g.seen[key] {
			return nil
		}
		if err := f.st.holdBytes(int64(len(key)) + 16); err != nil {
			return err
		}
		g.seen[key] = true
	}
	if len(g.a.order) == 0 {
		return g.acc.add(f, g.vals)
	}
	row := append([]Value(nil), g.vals...)
	for _, o := range g.a.order {
		v, err := o.expr.eval(f)
		if err != nil {
			return err
		}
		row = append(row, v)
	}
	g.rows = append(g.rows, row)
	return f.st.hold(row)
}

func (g *groupState) result(f *frame) (Value, error) {
	if len(g.a.order) > 0 {
		if err := sortRows(f.st, g.rows, len(g.a.args), g.a.order); err != nil {
			return Null(), err
		}
		for _, row := range g.rows {
			if err := g.acc.add(f, row[:len(g.a.args)]); err != nil {
				return Null(), err
			}
		}
	}
	return g.acc.result(f), nil
}

type counter struct{ n int64 }

func (c *counter) add(*frame, []Value) error { c.n++; return nil }
func (c *counter) result(*frame) Value       { return Int(c.n) }

// sum adds exactly, or as doubles.
type sum struct {
	float bool
	total float64
	exact decimal.Decimal
	n     int64
	scale uint8 // of the sum, also where the mean is asked for
	avg   bool
}

func startSum(a *aggregate) typ {
	x := numeric(a.args[0])
	a.args[0] = x
	if numberKind(x.typ) == KindFloat {
		a.start = func() accumulator { return &sum{float: true} }
		return floatSum(x.typ, 0)
	}
	scale := x.scale()
	a.start = func() accumulator { return &sum{scale: scale} }
	return decimalType(x.intDigits()+int(scale)+22, scale).nullable()
}

// floatSum is the type of a sum or mean of doubles: fixed decimals stay fixed.
func floatSum(x typ, more uint8) typ {
	if x.kind == KindFloat && x.dec < notFixed {
		return fixedFloatType(min(x.dec+more, notFixed)).nullable()
	}
	return floatType().nullable()
}

func startAvg(a *aggregate) typ {
	x := numeric(a.args[0])
	a.args[0] = x
	if numberKind(x.typ) == KindFloat {
		a.start = func() accumulator { return &sum{float: true, avg: true} }
		return floatSum(x.typ, divScale)
	}
	a.start = func() accumulator { return &sum{scale: x.scale(), avg: true} }
	scale := min(x.scale()+divScale, maxDecimalScale)
	return decimalType(x.intDigits()+int(scale), scale).nullable()
}

func (s *sum) add(f *frame, v []Value) error {
	s.n++
	if s.float {
		s.total += v[0].float(f.warn)
	} else {
		s.exact = s.exact.Add(v[0].decimal(f.warn))
	}
	return nil
}

func (s *sum) result(*frame) Value {
	switch {
	case s.n == 0:
		return Null()
	case s.float && s.avg:
		return Float(s.total / float64(s.n))
	case s.float:
		return Float(s.total)
	case s.avg:
		exact := s.exact
		if -exact.Exponent() < int32(s.scale) { // more digits, of quotients, stay
			exact = rescale(exact, int32(s.scale))
		}
		mean := divide(exact, decimal.NewFromInt(s.n))
		return Decimal(rescale(mean, int32(min(s.scale+divScale, maxDecimalScale))))
	}
	return Decimal(rescale(s.exact, int32(s.scale)))
}

// best is MIN and MAX.
type best struct {
	order compareFunc
	sign  int
	have  Value
}

func (b *best) add(f *frame, v []Value) error {
	if b.have.IsNull() || b.sign*b.order(f, v[0], b.have) > 0 {
		b.have = v[0]
	}
	return nil
}

func (b *best) result(*frame) Value { return b.have }

type bitAggregate struct {
	op   string
	bits uint64
}

func (b *bitAggregate) add(f *frame, v []Value) error {
	x := v[0].bits(f.warn)
	switch b.op {
	case ast.AggFuncBitAnd:
		b.bits &= x
	case ast.AggFuncBitOr:
		b.bits |= x
	default:
		b.bits ^= x
	}
	return nil
}

func (b *bitAggregate) result(*frame) Value { return Uint(b.bits) }

// startGroupConcat: the parser puts the separator last among the arguments.
func (c *compiler) startGroupConcat(a *aggregate, n *ast.AggregateFuncExpr) (typ, error) {
	last := len(a.args) - 1
	sep, err := a.args[last].eval(&frame{st: c.st})
	if err != nil {
		return typ{}, err
	}
	a.args = a.args[:last]
	t, err := c.textResult("group_concat", maxGroupConcat*4, a.args...)
	if err != nil {
		return typ{}, err
	}
	a.start = func() accumulator { return &concatenation{sep: sep.Text(), t: t} }
	return t.nullable(), nil
}

type concatenation struct {
	sep  string
	t    typ
	b    []byte
	rows int
}

func (c *concatenation) add(f *frame, v []Value) error {
	if len(c.b) >= maxGroupConcat {
		return nil
	}
	before := len(c.b)
	if c.rows > 0 {
		c.b = append(c.b, c.sep...)
	}
	c.rows++
	for _, x := range v {
		c.b = x.AppendText(c.b)
	}
	if len(c.b) > maxGroupConcat {
		c.b = c.b[:maxGroupConcat]
		f.warn(1260, "Row "+Int(int64(c.rows)).Text()+" was cut by GROUP_CONCAT()")
	}
	return f.st.holdBytes(int64(len(c.b) - before))
}

func (c *concatenation) result(*frame) Value {
	if c.rows == 0 {
		return Null()
	}
	return textValue(string(c.b), c.t)
}
