package engine

import (
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/opcode"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver"
	"github.com/shopspring/decimal"
)

// unary compiles -x, +x, ~x and NOT.
func (c *compiler) unary(n *ast.UnaryOperationExpr) (*expr, error) {
	v, err := c.compile(n.V)
	if err != nil {
		return nil, err
	}
	switch n.Op {
	case opcode.Plus:
		return v, nil
	case opcode.Not, opcode.Not2:
		return not(v), nil
	case opcode.BitNeg:
		v = numeric(v)
		return strict(uintType(21), []*expr{v}, func(f *frame, a []Value) (Value, error) {
			return Uint(^a[0].bits(f.warn)), nil
		}), nil
	case opcode.Minus:
		return negate(numeric(v), n)
	}
	return nil, errNotSupported("the operator " + n.Op.String())
}

// isLiteral reports whether an expression is a number with nothing but signs and parentheses.
func isLiteral(n ast.ExprNode) bool {
	switch n := n.(type) {
	case *driver.ValueExpr:
		return true
	case *ast.ParenthesesExpr:
		return isLiteral(n.Expr)
	case *ast.UnaryOperationExpr:
		return n.Op == opcode.Minus && isLiteral(n.V)
	}
	return false
}

func negate(v *expr, src ast.ExprNode) (*expr, error) {
	t := v.typ
	t.boolean = false
	switch kind := numberKind(v.typ); kind {
	case KindInt, KindUint:
		t = intType(v.length + 1).orNull(v.null)
		if isLiteral(src) { // a literal is known: 9223372036854775808 fits only with its sign
			val, err := v.eval(nil)
			if err != nil {
				return nil, err
			}
			if m := magnitude(val.num, val.kind == KindUint); !m.neg && m.abs > 1<<63 || m.neg && m.abs == 1<<63 {
				d := decimal.NewFromUint64(m.abs)
				if !m.neg {
					d = d.Neg()
				}
				return constant(decimalType(d.NumDigits(), 0), Decimal(d)), nil
			}
		}
		return strict(t, []*expr{v}, func(f *frame, a []Value) (Value, error) {
			m := magnitude(a[0].integer(f.warn))
			m.neg = !m.neg
			return m.value(false, true, src)
		}), nil
	case KindDecimal:
		t = decimalType(v.intDigits()+int(v.scale()), v.scale()).orNull(v.null)
		t.loose = v.loose
		return strict(t, []*expr{v}, func(f *frame, a []Value) (Value, error) {
			return Decimal(a[0].decimal(f.warn).Neg()), nil
		}), nil
	}
	return strict(likeFloat(v.typ).orNull(v.null), []*expr{v}, func(f *frame, a []Value) (Value, error) {
		return Float(-a[0].float(f.warn) + 0), nil
	}), nil
}
