package engine

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"
)

// cast compiles CAST, CONVERT(x, type), and BINARY x.
func (c *compiler) cast(n *ast.FuncCastExpr) (*expr, error) {
	v, err := c.compile(n.Expr)
	if err != nil {
		return nil, err
	}
	switch n.Tp.GetType() {
	case mysql.TypeLonglong, mysql.TypeLong:
		return castInt(numeric(v), n.Tp.GetFlag()&mysql.UnsignedFlag != 0), nil
	case mysql.TypeNewDecimal:
		return castDecimal(numeric(v), n)
	case mysql.TypeDouble, mysql.TypeFloat:
		v = numeric(v)
		t := floatType()
		t.length = 22
		return strict(t.nullable(), []*expr{v}, func(f *frame, a []Value) (Value, error) {
			return Float(a[0].float(f.warn)), nil
		}), nil
	case mysql.TypeVarString, mysql.TypeString, mysql.TypeVarchar:
		return c.castText(v, n.Tp)
	case mysql.TypeDate:
		return castDate(v), nil
	case mysql.TypeDatetime, mysql.TypeTimestamp:
		return castDatetime(v, castFsp(n.Tp)), nil
	case mysql.TypeDuration:
		return castTime(v, castFsp(n.Tp)), nil
	case mysql.TypeYear:
		return strict(intType(4).nullable(), []*expr{v}, func(f *frame, a []Value) (Value, error) {
			if a[0].kind >= KindDate {
				return Int(int64(a[0].tim.Year())), nil
			}
			return Int(a[0].int64(f.warn)), nil
		}), nil
	}
	return nil, errNotSupported("CAST to " + types.TypeToStr(n.Tp.GetType(), n.Tp.GetCharset()))
}

func castFsp(tp *types.FieldType) uint8 {
	if d := tp.GetDecimal(); d > 0 && d <= 6 {
		return uint8(d)
	}
	return 0
}

func castInt(v *expr, unsigned bool) *expr {
	t := intType(min(max(uint32(v.intDigits())+1, 2), 20))
	if v.isText() {
		t.length = min(max(v.length, 2), 20)
	}
	if unsigned { // what is negative comes out with twenty digits
		t.kind, t.length = KindUint, 20
	}
	return strict(t, []*expr{v}, func(f *frame, a []Value) (Value, error) {
		if s := a[0].str; v.isText() {
			if _, rest := numericPrefix(s); !rest && strings.TrimRight(s, " \t\n\v\f\r") != s {
				warner(f.warn).truncated("INTEGER", s)
			}
			if unsigned && strings.HasPrefix(strings.TrimLeft(s, " \t\n\v\f\r"), "-") {
				f.warn(1105, "Cast to unsigned converted negative integer to its positive complement")
			}
		}
		if v.kind == KindFloat && unsigned && a[0].flt < 0 {
			return Uint(uint64(int64(math.RoundToEven(a[0].flt)))), nil
		}
		n, isUnsigned := a[0].integer(f.warn)
		if unsigned {
			return Uint(uint64(n)), nil
		}
		if isUnsigned && n < 0 && (v.kind == KindDecimal || v.kind == KindFloat) {
			n = math.MaxInt64
		}
		return Int(n), nil
	})
}

func castDecimal(v *expr, n *ast.FuncCastExpr) (*expr, error) {
	precision, scale := n.Tp.GetFlen(), n.Tp.GetDecimal()
	if precision <= 0 {
		precision = 10
	}
	if scale < 0 {
		scale = 0
	}
	switch {
	case precision > maxDecimalPrecision:
		return nil, fail(1426, "42000", "Too big precision %d specified for '%s'. Maximum is %d", precision, exprText(n.Expr), maxDecimalPrecision)
	case scale > maxDecimalScale:
		return nil, fail(1425, "42000", "Too big scale %d specified for '%s'. Maximum is %d", scale, exprText(n.Expr), maxDecimalScale)
	case scale > precision:
		return nil, fail(1427, "42000", "For float(M,D), double(M,D) or decimal(M,D), M must be >= D (column '%s').", exprText(n.Expr))
	}
	t := decimalType(precision, uint8(scale))
	limit := parseDecimal("1e" + Int(int64(precision-scale)).Text())
	nines := limit.Sub(parseDecimal("1e-" + Int(int64(scale)).Text()))
	return strict(t, []*expr{v}, func(f *frame, a []Value) (Value, error) {
		d := rescale(a[0].decimal(f.warn), int32(scale))
		if d.Abs().Cmp(limit) >= 0 {
			f.warn(1264, "Out of range value for column '"+exprText(n)+"' at row 1")
			d = rescale(nines, int32(scale))
			if a[0].decimal(nil).Sign() < 0 {
				d = d.Neg()
			}
		}
		return Decimal(d), nil
	}), nil
}

// castText is CAST(x AS CHAR), AS BINARY, and BINARY x; a length cuts.
func (c *compiler) castText(v *expr, tp *types.FieldType) (*expr, error) {
	limit := tp.GetFlen()
	coll := collatorByID(collBinary)
	if tp.GetCharset() != "binary" {
		coll = collatorByID(c.st.collation())
		if cs := tp.GetCharset(); cs != "" && cs != coll.charset {
			d, err := defaultCollator(cs)
			if err != nil {
				return nil, err
			}
			coll = d
		}
	}
	length := v.length
	if coll.id == collBinary && v.kind == KindString {
		length *= collatorByID(v.coll).width
	}
	if limit >= 0 {
		length = uint32(limit)
	}
	t := textType(length, coll.id, coerColumn).orNull(v.null)
	return strict(t.nullable(), []*expr{v}, func(f *frame, a []Value) (Value, error) {
		s := v.asShown(a[0]).Text()
		if limit >= 0 {
			s = cutText(f, s, limit, t)
		}
		return textValue(s, t), nil
	}), nil
}

func cutText(f *frame, s string, limit int, t typ) string {
	if t.kind == KindBytes {
		if len(s) > limit {
			f.warn(1292, "Truncated incorrect BINARY("+Int(int64(limit)).Text()+") value: '"+s+"'")
			return s[:limit]
		}
		if limit <= maxText {
			return s + strings.Repeat("\x00", limit-len(s))
		}
		return s
	}
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	f.warn(1292, "Truncated incorrect CHAR("+Int(int64(limit)).Text()+") value: '"+s+"'")
	return string([]rune(s)[:limit])
}

func castDate(v *expr) *expr {
	return strict(dateType().nullable(), []*expr{v}, func(f *frame, a []Value) (Value, error) {
		t, _, _, ok := a[0].datetime(f.st.now, f.warn)
		if !ok {
			return Null(), nil
		}
		return Date(dayOf(t)), nil
	})
}

func castDatetime(v *expr, fsp uint8) *expr {
	return strict(datetimeType(fsp).nullable(), []*expr{v}, func(f *frame, a []Value) (Value, error) {
		t, _, _, ok := a[0].datetime(f.st.now, f.warn)
		if !ok {
			return Null(), nil
		}
		return Datetime(truncateFsp(t, fsp), fsp), nil
	})
}

func castTime(v *expr, fsp uint8) *expr {
	return strict(timeType(fsp).nullable(), []*expr{v}, func(f *frame, a []Value) (Value, error) {
		d, _, ok := a[0].duration(f.warn)
		if !ok {
			return Null(), nil
		}
		return Duration(truncateDuration(d, fsp), fsp), nil
	})
}

func truncateDuration(d time.Duration, fsp uint8) time.Duration {
	unit := time.Second
	for i := uint8(0); i < fsp; i++ {
		unit /= 10
	}
	return d.Truncate(unit)
}

// dayOf is a point in time without its time of day; the zero date stays what it is.
func dayOf(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}
