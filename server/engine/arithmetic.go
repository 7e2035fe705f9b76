package engine

import (
	"math"
	"math/bits"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/opcode"
	"github.com/shopspring/decimal"
)

// divScale is div_precision_increment: digits a division adds to its left side's scale.
const divScale = 4

// binary compiles a binary operator.
func (c *compiler) binary(n *ast.BinaryOperationExpr) (*expr, error) {
	switch n.Op {
	case opcode.EQ, opcode.NE, opcode.LT, opcode.LE, opcode.GT, opcode.GE, opcode.NullEQ:
		return c.comparison(n.Op, n.L, n.R)
	case opcode.LogicAnd, opcode.LogicOr, opcode.LogicXor:
		return c.logic(n)
	}
	l, err := c.compile(n.L)
	if err != nil {
		return nil, err
	}
	r, err := c.compile(n.R)
	if err != nil {
		return nil, err
	}
	return arithmetic(n.Op, l, r, n)
}

// arithmetic makes the node of an arithmetic or bit operator.
func arithmetic(op opcode.Op, l, r *expr, src ast.ExprNode) (*expr, error) {
	switch op {
	case opcode.And, opcode.Or, opcode.Xor, opcode.LeftShift, opcode.RightShift:
		return bitOperation(op, numeric(l), numeric(r)), nil
	case opcode.Plus, opcode.Minus, opcode.Mul, opcode.Div, opcode.IntDiv, opcode.Mod:
	default:
		return nil, errNotSupported("the operator " + op.String())
	}
	l, r = numeric(l), numeric(r)
	a, b := numberKind(l.typ), numberKind(r.typ)
	var e *expr
	switch {
	case op == opcode.IntDiv:
		e = intDivision(l, r, src)
	case a == KindFloat || b == KindFloat:
		e = floatArithmetic(op, l, r, src)
	case op == opcode.Div || a == KindDecimal || b == KindDecimal:
		e = decimalArithmetic(op, l, r, src)
	default:
		e = intArithmetic(op, l, r, src)
	}
	e.src = src
	return e, nil
}

// numberKind is the kind of number a type becomes in arithmetic; texts and NULL are doubles.
func numberKind(t typ) Kind {
	switch t.kind {
	case KindInt, KindUint, KindDecimal, KindFloat:
		return t.kind
	case KindDate:
		return KindInt
	case KindDatetime, KindDuration:
		if t.dec > 0 {
			return KindDecimal
		}
		return KindInt
	}
	return KindFloat
}

// operands makes a node that computes both sides and is NULL if one is.
func operands(t typ, l, r *expr, fn func(f *frame, a, b Value) (Value, error)) *expr {
	return &expr{typ: t, fixed: allConst(l, r), eval: func(f *frame) (Value, error) {
		a, err := l.eval(f)
		if err != nil || a.IsNull() {
			return Null(), err
		}
		b, err := r.eval(f)
		if err != nil || b.IsNull() {
			return Null(), err
		}
		return fn(f, a, b)
	}}
}

func floatArithmetic(op opcode.Op, l, r *expr, src ast.ExprNode) *expr {
	t := floatType()
	if l.dec < notFixed && r.dec < notFixed {
		dec := max(l.dec, r.dec)
		if op == opcode.Div {
			dec += divScale
		}
		t = fixedFloatType(dec)
	}
	t = t.orNull(anyNull(l, r) || op == opcode.Div || op == opcode.Mod)
	return operands(t, l, r, func(f *frame, va, vb Value) (Value, error) {
		a, b := va.float(f.warn), vb.float(f.warn)
		var x float64
		switch op {
		case opcode.Plus:
			x = a + b
		case opcode.Minus:
			x = a - b
		case opcode.Mul:
			x = a * b
		case opcode.Div, opcode.Mod:
			if b == 0 {
				return f.divisionByZero()
			}
			if op == opcode.Div {
				x = a / b
			} else {
				x = math.Mod(a, b)
			}
		}
		return finite(x, src)
	})
}

// finite refuses infinities and NaN, which MySQL's DOUBLE does not hold.
func finite(x float64, src ast.ExprNode) (Value, error) {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return Null(), errOutOfRange("DOUBLE", exprText(src))
	}
	return Float(x), nil
}

// divisionByZero is NULL with a warning, when sql_mode wants one.
func (f *frame) divisionByZero() (Value, error) {
	if mysql.SQLMode(f.st.x.Env.SQLMode())&mysql.ModeErrorForDivisionByZero != 0 {
		f.warn(1365, "Division by 0")
	}
	return Null(), nil
}

func decimalArithmetic(op opcode.Op, l, r *expr, src ast.ExprNode) *expr {
	t := decimalResult(op, l.typ, r.typ)
	return operands(t, l, r, func(f *frame, va, vb Value) (Value, error) {
		a, b := va.decimal(f.warn), vb.decimal(f.warn)
		var x decimal.Decimal
		switch op {
		case opcode.Plus:
			x = a.Add(b)
		case opcode.Minus:
			x = a.Sub(b)
		case opcode.Mul:
			x = a.Mul(b)
		case opcode.Div:
			if b.IsZero() {
				return f.divisionByZero()
			}
			x = divide(a, b)
		case opcode.Mod:
			if b.IsZero() {
				return f.divisionByZero()
			}
			x = a.Mod(b)
		}
		if x.NumDigits()+int(x.Exponent()) > 81 {
			return Null(), errOutOfRange("DECIMAL", exprText(src))
		}
		if t.loose {
			return Decimal(clampDecimal(x)), nil
		}
		return Decimal(rescale(x, int32(t.dec))), nil
	})
}

// divide gives the digits MySQL's decimal division gives: it reckons in words of nine
// digits and cuts the rest off, so what follows sees more digits than the result's type
// shows: 1/3 shows 0.3333, and 1/3*1000000 is 333333.3330.
func divide(a, b decimal.Decimal) decimal.Decimal {
	words := func(digits int32) int32 { return (digits + 8) / 9 * 9 }
	fa, fb := max(-a.Exponent(), 0), max(-b.Exponent(), 0)
	more := max(divScale-(words(fa)-fa)-(words(fb)-fb), 0)
	q, _ := a.QuoRem(b, min(words(words(fa)+words(fb)+more), maxDecimalScale))
	return q
}

// shown rounds a decimal that carries more digits to those of its type.
func (t typ) shown(v Value) Value {
	if t.loose && v.kind == KindDecimal && uint8(-v.dec.Exponent()) != t.dec {
		return Decimal(rescale(*v.dec, int32(t.dec)))
	}
	return v
}

// rounded gives an expression's values as they are shown.
func rounded(e *expr) *expr {
	if !e.loose {
		return e
	}
	out := *e
	out.loose = false
	out.eval = func(f *frame) (Value, error) {
		v, err := e.eval(f)
		return e.shown(v), err
	}
	return &out
}

// asShown is a value where a text is wanted: with the digits its column would show.
func (t typ) asShown(v Value) Value {
	if v.kind == KindFloat && t.dec < notFixed {
		return String(string(Column{Decimals: t.dec}.AppendText(nil, v)))
	}
	return t.shown(v)
}

// decimalResult is MySQL's precision and scale of a decimal operation.
func decimalResult(op opcode.Op, l, r typ) typ {
	ls, rs := int(l.scale()), int(r.scale())
	li, ri := l.intDigits(), r.intDigits()
	var t typ
	switch op {
	case opcode.Plus, opcode.Minus:
		scale := max(ls, rs)
		t = decimalType(max(li, ri)+1+scale, uint8(scale))
	case opcode.Mul:
		scale := min(ls+rs, maxDecimalScale)
		t = decimalType(li+ls+ri+rs, uint8(scale))
	case opcode.Div:
		scale := min(ls+divScale, maxDecimalScale)
		t = decimalType(li+ls+rs+divScale, uint8(scale)).nullable()
	default:
		scale := max(ls, rs)
		t = decimalType(max(li, ri)+scale, uint8(scale)).nullable()
	}
	t.loose = op == opcode.Div || l.loose || r.loose
	return t.orNull(l.null || r.null)
}

func intArithmetic(op opcode.Op, l, r *expr, src ast.ExprNode) *expr {
	unsigned := l.kind == KindUint || r.kind == KindUint
	sign := 1
	if unsigned {
		sign = 0
	}
	t := intType(uint32(max(l.intDigits(), r.intDigits()) + 1 + sign)).orNull(anyNull(l, r))
	switch op {
	case opcode.Mul:
		t.length = uint32(l.intDigits() + r.intDigits() + sign)
	case opcode.Mod:
		t.null = true
		unsigned = l.kind == KindUint
		t.length = uint32(max(l.intDigits(), r.intDigits()))
		if !unsigned {
			t.length++
		}
	}
	t.length = min(t.length, 21)
	if unsigned {
		t.kind = KindUint
	}
	return operands(t, l, r, func(f *frame, va, vb Value) (Value, error) {
		a, au := va.integer(f.warn)
		b, bu := vb.integer(f.warn)
		x := magnitude(a, au)
		y := magnitude(b, bu)
		var ok bool
		switch op {
		case opcode.Plus:
			x, ok = x.add(y)
		case opcode.Minus:
			y.neg = !y.neg && y.abs != 0
			if b != 0 && !bu && b < 0 {
				y.neg = false
			}
			x, ok = x.add(y)
			if unsigned && mysql.SQLMode(f.st.x.Env.SQLMode())&mysql.ModeNoUnsignedSubtraction != 0 {
				return x.value(false, ok, src)
			}
		case opcode.Mul:
			x, ok = x.mul(y)
		case opcode.Mod:
			if y.abs == 0 {
				return f.divisionByZero()
			}
			x.abs %= y.abs
			ok = true
		}
		return x.value(unsigned, ok, src)
	})
}

// number is a 65-bit integer: sign and magnitude.
type number struct {
	neg bool
	abs uint64
}

func magnitude(n int64, unsigned bool) number {
	if unsigned || n >= 0 {
		return number{abs: uint64(n)}
	}
	return number{neg: true, abs: -uint64(n)}
}

func (x number) add(y number) (number, bool) {
	if x.neg == y.neg {
		sum, carry := bits.Add64(x.abs, y.abs, 0)
		return number{x.neg, sum}, carry == 0
	}
	if x.abs >= y.abs {
		return number{x.neg, x.abs - y.abs}, true
	}
	return number{y.neg, y.abs - x.abs}, true
}

func (x number) mul(y number) (number, bool) {
	hi, lo := bits.Mul64(x.abs, y.abs)
	return number{x.neg != y.neg, lo}, hi == 0
}

// value checks that the result's type can hold the number.
func (x number) value(unsigned, ok bool, src ast.ExprNode) (Value, error) {
	if unsigned {
		if !ok || x.neg && x.abs != 0 {
			return Null(), errOutOfRange("BIGINT UNSIGNED", exprText(src))
		}
		return Uint(x.abs), nil
	}
	limit := uint64(math.MaxInt64)
	if x.neg {
		limit++
	}
	if !ok || x.abs > limit {
		return Null(), errOutOfRange("BIGINT", exprText(src))
	}
	if x.neg {
		return Int(-int64(x.abs)), nil
	}
	return Int(int64(x.abs)), nil
}

// intDivision is DIV: the quotient cut to an integer.
func intDivision(l, r *expr, src ast.ExprNode) *expr {
	t := intType(uint32(l.intDigits())).nullable()
	if l.kind == KindUint || r.kind == KindUint {
		t.kind = KindUint
	}
	return operands(t, l, r, func(f *frame, va, vb Value) (Value, error) {
		if l.isInt() && r.isInt() {
			x := magnitude(va.integer(f.warn))
			y := magnitude(vb.integer(f.warn))
			if y.abs == 0 {
				return f.divisionByZero()
			}
			q := number{neg: x.neg != y.neg, abs: x.abs / y.abs}
			return q.value(t.kind == KindUint, true, src)
		}
		a, b := va.decimal(f.warn), vb.decimal(f.warn)
		if b.IsZero() {
			return f.divisionByZero()
		}
		q, _ := a.QuoRem(b, 0)
		abs := q.Abs()
		if abs.GreaterThan(maxUint) {
			return number{}.value(t.kind == KindUint, false, src)
		}
		return number{neg: q.Sign() < 0, abs: abs.BigInt().Uint64()}.value(t.kind == KindUint, true, src)
	})
}

// bitOperation computes on 64 bits without sign.
func bitOperation(op opcode.Op, l, r *expr) *expr {
	return operands(uintType(21).orNull(anyNull(l, r)), l, r, func(f *frame, va, vb Value) (Value, error) {
		a, b := va.bits(f.warn), vb.bits(f.warn)
		switch op {
		case opcode.And:
			a &= b
		case opcode.Or:
			a |= b
		case opcode.Xor:
			a ^= b
		case opcode.LeftShift:
			a <<= b
		case opcode.RightShift:
			a >>= b
		}
		return Uint(a), nil
	})
}
