package engine

import (
	"strings"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/ast"
	restore "github.com/pingcap/tidb/pkg/parser/format"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver"
	"github.com/shopspring/decimal"
)

// literal compiles numbers, texts, hex and bit literals, TRUE, FALSE and NULL.
func (c *compiler) literal(n *driver.ValueExpr) (*expr, error) {
	switch v := n.GetValue().(type) {
	case nil:
		return constant(nullType(), Null()), nil
	case int64:
		t := intType(digitsOf(Int(v)))
		t.lit = true
		if n.Type.GetFlag()&mysql.IsBooleanFlag != 0 {
			t = boolType()
		}
		return constant(t, Int(v)), nil
	case uint64:
		t := uintType(digitsOf(Uint(v)))
		t.lit = true
		return constant(t, Uint(v)), nil
	case float64:
		return constant(floatType(), Float(v)), nil
	case string:
		return c.textLiteral(n, v)
	case []byte:
		return constant(textType(uint32(len(v)), collBinary, coerLiteral), Bytes(v)), nil
	case *driver.MyDecimal:
		return decimalLiteral(v.String()), nil
	case driver.HexLiteral:
		return hexLiteral([]byte(v)), nil
	case driver.BitLiteral:
		return hexLiteral([]byte(v)), nil
	case driver.BinaryLiteral:
		return hexLiteral([]byte(v)), nil
	}
	return nil, errNotSupported("this literal")
}

func digitsOf(v Value) uint32 { return uint32(len(v.Text())) }

func decimalLiteral(text string) *expr {
	d, err := decimal.NewFromString(text)
	if err != nil {
		d = parseDecimal(text)
	}
	d = clampDecimal(d)
	scale := uint8(-d.Exponent())
	return constant(decimalType(max(d.NumDigits(), int(scale)+1), scale), Decimal(d))
}

// hexLiteral is a binary text that acts as a number where one is wanted.
func hexLiteral(b []byte) *expr {
	t := textType(uint32(len(b)), collBinary, coerLiteral)
	t.hex = true
	return constant(t, Bytes(b))
}

// textLiteral gives a text the collation of its introducer or else of the session.
func (c *compiler) textLiteral(n *driver.ValueExpr, s string) (*expr, error) {
	coll := c.st.collation()
	if cs := n.Type.GetCharset(); cs == "binary" {
		return constant(textType(uint32(len(s)), collBinary, coerLiteral), Bytes([]byte(s))), nil
	} else if cs != "" && cs != collatorByID(coll).charset {
		d, err := defaultCollator(cs)
		if err != nil {
			return nil, err
		}
		coll = d.id
	}
	return constant(textType(uint32(utf8.RuneCountInString(s)), coll, coerLiteral), String(s)), nil
}

// hexNumber is the number in a hex literal: its last eight bytes.
func hexNumber(s string) uint64 {
	var n uint64
	for i := max(0, len(s)-8); i < len(s); i++ {
		n = n<<8 | uint64(s[i])
	}
	return n
}

// numeric turns a hex or bit literal into its number, for a place that wants a number.
func numeric(e *expr) *expr {
	if !e.hex {
		return e
	}
	v, err := e.eval(nil) // a literal needs no frame
	if err != nil {
		return e
	}
	digits := [...]uint32{1, 3, 5, 8, 10, 13, 15, 17, 20} // of the largest number in so many bytes
	t := uintType(digits[min(e.length, 8)])
	out := constant(t, Uint(hexNumber(v.str)))
	out.src = e.src
	return out
}

// parameter compiles a ?; while describing, it is a text of unknown length.
func (c *compiler) parameter(n *driver.ParamMarkerExpr) (*expr, error) {
	i := n.Order
	if at, ok := c.st.params[n]; ok {
		i = at
	}
	if c.st.describe {
		t := textType(0, c.st.collation(), coerLiteral).nullable()
		return constant(t, Null()), nil
	}
	if i < 0 || i >= len(c.st.x.Params) {
		return nil, fail(1210, "HY000", "Incorrect arguments to EXECUTE: parameter %d has no value", i+1)
	}
	v := c.st.x.Params[i]
	return constant(typeOfValue(v, c.st.collation()), v), nil
}

// variable compiles @@x, @x and @x := value.
func (c *compiler) variable(n *ast.VariableExpr) (*expr, error) {
	env := c.st.x.Env
	if n.IsSystem {
		v, err := env.SysVar(c.st.ctx, n.Name, n.IsGlobal, n.ExplicitScope)
		if err != nil {
			return nil, err
		}
		return constant(systemVariableType(v), v), nil
	}
	if n.Value != nil {
		val, err := c.compile(n.Value)
		if err != nil {
			return nil, err
		}
		t := val.typ
		if t.kind == KindNull {
			t = textType(0, collBinary, coerColumn).nullable()
		}
		return &expr{typ: t, eval: func(f *frame) (Value, error) {
			v, err := val.eval(f)
			if err == nil {
				err = env.SetUserVar(n.Name, v)
			}
			return v, err
		}}, nil
	}
	t := typeOfValue(env.UserVar(n.Name), c.st.collation()).nullable()
	t.lit = false
	switch t.kind {
	case KindNull:
		t = textType(1<<24, collBinary, coerColumn).nullable()
	case KindString, KindBytes:
		t.length, t.coer = 1<<24-1, coerColumn
	case KindInt, KindUint:
		t.length = 20
	case KindDate, KindDatetime, KindDuration:
		t = textType(26, c.st.collation(), coerColumn).nullable()
	}
	return &expr{typ: t, eval: func(*frame) (Value, error) {
		v := env.UserVar(n.Name)
		if v.kind >= KindDate {
			v = String(v.Text())
		}
		return v, nil
	}}, nil
}

func systemVariableType(v Value) typ {
	t := typeOfValue(v, collGeneralCI)
	if t.isText() {
		t.coer = coerSystem
		t.null = true
	}
	if t.isInt() {
		t.length = 21
		t.lit = false
	}
	return t
}

// exprText writes an expression as MySQL shows it in messages. It may be slow: only
// errors need it.
func exprText(n ast.Node) string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	flags := restore.RestoreStringSingleQuotes | restore.RestoreKeyWordLowercase | restore.RestoreNameBackQuotes |
		restore.RestoreSpacesAroundBinaryOperation | restore.RestoreStringWithoutCharset
	if err := n.Restore(restore.NewRestoreCtx(flags, &b)); err != nil {
		return "(expression)"
	}
	return b.String()
}
