package engine

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/opcode"
	"github.com/shopspring/decimal"
)

// mathFunction finds functions of numbers.
func mathFunction(name string) (function, bool) {
	switch name {
	case "abs":
		return function{1, 1, abs}, true
	case "ceil", "ceiling":
		return function{1, 1, func(c *compiler, k call) (*expr, error) { return integral(k, math.Ceil, decimal.Decimal.Ceil) }}, true
	case "floor":
		return function{1, 1, func(c *compiler, k call) (*expr, error) { return integral(k, math.Floor, decimal.Decimal.Floor) }}, true
	case "round":
		return function{1, 2, func(c *compiler, k call) (*expr, error) { return round(c.st, k, false) }}, true
	case "truncate":
		return function{2, 2, func(c *compiler, k call) (*expr, error) { return round(c.st, k, true) }}, true
	case "mod":
		return function{2, 2, func(c *compiler, k call) (*expr, error) {
			return arithmetic(opcode.Mod, k.args[0], k.args[1], k.src)
		}}, true
	case "sign":
		return intFunc(1, 1, 2, func(f *frame, v []Value) (Value, error) {
			return Int(int64(v[0].decimalSign(f))), nil
		}), true
	case "pi":
		return function{0, 0, func(c *compiler, k call) (*expr, error) {
			t := fixedFloatType(6)
			t.length = 8
			return constant(t, Float(math.Pi)), nil
		}}, true
	case "rand":
		return function{0, 1, random}, true
	case "conv":
		return function{3, 3, conv}, true
	case "bin", "oct":
		return function{1, 1, radix}, true
	case "bit_count":
		return intFunc(1, 1, 2, func(f *frame, v []Value) (Value, error) {
			n := 0
			for b := v[0].bits(f.warn); b != 0; b &= b - 1 {
				n++
			}
			return Int(int64(n)), nil
		}), true
	case "log":
		return function{1, 2, logarithm}, true
	case "atan", "atan2":
		return function{1, 2, arcTangent}, true
	case "pow", "power":
		return floatFunc(2, func(x, y float64) float64 { return math.Pow(x, y) }), true
	}
	if fn := floatFunction(name); fn != nil {
		return floatFunc(1, func(x, _ float64) float64 { return fn(x) }), true
	}
	return function{}, false
}

// floatFunction finds the functions of one double; outside their domain they give NaN,
// which becomes NULL.
func floatFunction(name string) func(x float64) float64 {
	switch name {
	case "sqrt":
		return math.Sqrt
	case "exp":
		return math.Exp
	case "ln":
		return positiveLog(math.Log)
	case "log2":
		return positiveLog(math.Log2)
	case "log10":
		return positiveLog(math.Log10)
	case "sin":
		return math.Sin
	case "cos":
		return math.Cos
	case "tan":
		return math.Tan
	case "cot":
		return func(x float64) float64 { return math.Cos(x) / math.Sin(x) }
	case "asin":
		return math.Asin
	case "acos":
		return math.Acos
	case "degrees":
		return func(x float64) float64 { return x * 180 / math.Pi }
	case "radians":
		return func(x float64) float64 { return x * math.Pi / 180 }
	}
	return nil
}

func positiveLog(log func(float64) float64) func(float64) float64 {
	return func(x float64) float64 {
		if x <= 0 {
			return math.NaN()
		}
		return log(x)
	}
}

// floatFunc is a function of one or two doubles: NaN is NULL, infinity error 1690.
func floatFunc(args int, fn func(x, y float64) float64) function {
	return function{args, args, func(c *compiler, k call) (*expr, error) {
		return doubles(k, fn), nil
	}}
}

func doubles(k call, fn func(x, y float64) float64) *expr {
	args := make([]*expr, len(k.args))
	for i, a := range k.args {
		args[i] = numeric(a)
	}
	t := floatType().nullable()
	t.null = k.name != "degrees" && k.name != "radians"
	return strict(t, args, func(f *frame, v []Value) (Value, error) {
		x, y := v[0].float(f.warn), 0.0
		if len(v) > 1 {
			y = v[1].float(f.warn)
		}
		r := fn(x, y)
		if math.IsNaN(r) {
			switch k.name {
			case "ln", "log", "log2", "log10":
				f.warn(3020, "Invalid argument for logarithm")
			}
			return Null(), nil
		}
		return finite(r, k.src)
	})
}

func logarithm(c *compiler, k call) (*expr, error) {
	return doubles(k, func(x, y float64) float64 {
		if len(k.args) == 1 {
			return positiveLog(math.Log)(x)
		}
		if x <= 0 || y <= 0 || x == 1 {
			return math.NaN()
		}
		return math.Log(y) / math.Log(x)
	}), nil
}

func arcTangent(c *compiler, k call) (*expr, error) {
	return doubles(k, func(x, y float64) float64 {
		if len(k.args) == 1 {
			return math.Atan(x)
		}
		return math.Atan2(x, y)
	}), nil
}

func (v Value) decimalSign(f *frame) int {
	if v.kind == KindFloat || v.kind == KindString || v.kind == KindBytes {
		x := v.float(f.warn)
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return 0
	}
	return v.decimal(f.warn).Sign()
}

func abs(c *compiler, k call) (*expr, error) {
	x := numeric(k.args[0])
	t := x.typ
	t.boolean = false
	switch numberKind(x.typ) {
	case KindInt, KindUint:
		if !x.isInt() {
			t = intType(x.length).orNull(x.null)
		}
		return strict(t, []*expr{x}, func(f *frame, v []Value) (Value, error) {
			m := magnitude(v[0].integer(f.warn))
			m.neg = false
			return m.value(t.kind == KindUint, true, k.src)
		}), nil
	case KindDecimal:
		t = decimalType(x.intDigits()+int(x.scale()), x.scale())
		t.loose = x.loose
		return strict(t, []*expr{x}, func(f *frame, v []Value) (Value, error) {
			return Decimal(v[0].decimal(f.warn).Abs()), nil
		}), nil
	}
	return strict(likeFloat(x.typ), []*expr{x}, func(f *frame, v []Value) (Value, error) {
		return Float(math.Abs(v[0].float(f.warn))), nil
	}), nil
}

// integral is CEIL and FLOOR.
func integral(k call, ofFloat func(float64) float64, ofDecimal func(decimal.Decimal) decimal.Decimal) (*expr, error) {
	x := numeric(k.args[0])
	switch kind := numberKind(x.typ); kind {
	case KindFloat:
		return strict(fixedFloatType(0), []*expr{x}, func(f *frame, v []Value) (Value, error) {
			return Float(ofFloat(v[0].float(f.warn))), nil
		}), nil
	case KindDecimal:
		digits := x.intDigits()
		if x.scale() > 0 {
			digits++ // FLOOR(-9.9) is -10
		}
		if digits > 18 { // more than a BIGINT surely holds
			return strict(decimalType(digits, 0), []*expr{x}, func(f *frame, v []Value) (Value, error) {
				return Decimal(rescale(ofDecimal(v[0].decimal(f.warn)), 0)), nil
			}), nil
		}
		return strict(intType(uint32(x.intDigits()+2)), []*expr{x}, func(f *frame, v []Value) (Value, error) {
			return Int(ofDecimal(v[0].decimal(f.warn)).IntPart()), nil
		}), nil
	default:
		t := intType(x.length)
		t.kind = kind
		return strict(t, []*expr{x}, func(f *frame, v []Value) (Value, error) {
			return t.fromInteger(v[0].integer(f.warn)), nil
		}), nil
	}
}

func (t typ) fromInteger(n int64, _ bool) Value {
	if t.kind == KindUint {
		return Uint(uint64(n))
	}
	return Int(n)
}

// round is ROUND and TRUNCATE.
func round(st *statement, k call, cut bool) (*expr, error) {
	x := numeric(k.args[0])
	args := []*expr{x}
	places, known := int64(0), true
	if len(k.args) == 2 {
		args = append(args, k.args[1])
		if known = k.args[1].fixed; known {
			v, err := k.args[1].eval(&frame{st: st})
			if err != nil {
				known = false
			} else {
				places = v.int64(nil)
			}
		}
	}
	placesOf := func(f *frame, v []Value) int32 {
		if len(v) < 2 {
			return 0
		}
		return int32(max(min(v[1].int64(f.warn), 1000), -1000))
	}
	kind := numberKind(x.typ)
	if len(args) == 2 && args[1].kind == KindNull {
		kind = KindFloat
	}
	switch kind {
	case KindInt, KindUint:
		t := intType(x.length)
		if !cut && (!known || places < 0) {
			t.length++ // ROUND(95, -1) is 100
		}
		t.kind = kind
		return strict(t, args, func(f *frame, v []Value) (Value, error) {
			n, unsigned := v[0].integer(f.warn)
			p := placesOf(f, v)
			if p >= 0 {
				return t.fromInteger(n, unsigned), nil
			}
			if p < -20 {
				return t.fromInteger(0, false), nil
			}
			d := roundDecimal(v[0].decimal(f.warn), p, cut)
			abs := d.Abs()
			if abs.GreaterThan(maxUint) {
				return number{}.value(kind == KindUint, false, k.src)
			}
			return number{d.Sign() < 0, abs.BigInt().Uint64()}.value(kind == KindUint, true, k.src)
		}), nil
	case KindDecimal:
		scale := x.scale()
		if known {
			scale = uint8(max(0, min(places, maxDecimalScale)))
		}
		digits := x.intDigits() + int(scale)
		if !known || !cut && scale < x.scale() {
			digits++ // ROUND(9.9, 0) is 10
		}
		t := decimalType(digits, scale)
		return strict(t, args, func(f *frame, v []Value) (Value, error) {
			p := placesOf(f, v)
			return Decimal(rescale(roundDecimal(v[0].decimal(f.warn), p, cut), int32(scale))), nil
		}), nil
	}
	t := floatType()
	if known && places >= 0 && places < notFixed && (len(args) == 1 || args[1].kind != KindNull) {
		t = fixedFloatType(uint8(places))
	}
	return strict(t, args, func(f *frame, v []Value) (Value, error) {
		return Float(roundFloat(v[0].float(f.warn), placesOf(f, v), cut)), nil
	}), nil
}

func roundDecimal(d decimal.Decimal, places int32, cut bool) decimal.Decimal {
	if places > maxDecimalScale {
		return d
	}
	if places < -90 {
		return decimal.Decimal{}
	}
	if cut {
		return d.RoundDown(places)
	}
	return d.Round(places)
}

func roundFloat(x float64, places int32, cut bool) float64 {
	if places > 300 {
		return x
	}
	if places < -308 {
		return 0
	}
	pow := math.Pow(10, math.Abs(float64(places)))
	scaled := x * pow
	if places < 0 {
		scaled = x / pow
	}
	if math.IsInf(scaled, 0) {
		return x
	}
	if cut {
		scaled = math.Trunc(scaled)
	} else {
		scaled = math.RoundToEven(scaled)
	}
	if places < 0 {
		return scaled * pow
	}
	return scaled / pow
}

// random is RAND() and RAND(seed). A seed gives the same numbers every time, but not
// MySQL's.
func random(c *compiler, k call) (*expr, error) {
	if len(k.args) == 0 {
		return &expr{typ: floatType(), eval: func(*frame) (Value, error) { return Float(rand.Float64()), nil }}, nil
	}
	var source *rand.Rand
	return &expr{typ: floatType(), eval: func(f *frame) (Value, error) {
		if source == nil {
			seed, err := k.args[0].eval(f)
			if err != nil {
				return Null(), err
			}
			source = rand.New(rand.NewPCG(seed.bits(f.warn), 0))
		}
		return Float(source.Float64()), nil
	}}, nil
}

// conv is CONV(n, from, to): digits from one base to another.
func conv(c *compiler, k call) (*expr, error) {
	t := textType(65, c.st.collation(), coerLiteral).nullable() // 64 digits and a sign
	return strict(t, k.args, func(f *frame, v []Value) (Value, error) {
		from, to := v[1].int64(f.warn), v[2].int64(f.warn)
		signed := to < 0
		from, to = max(from, -from), max(to, -to)
		if from < 2 || from > 36 || to < 2 || to > 36 {
			return Null(), nil
		}
		s := strings.ToLower(strings.TrimSpace(v[0].Text()))
		neg := strings.HasPrefix(s, "-")
		s = strings.TrimLeft(s, "+-")
		end := 0
		for end < len(s) && digitValue(s[end]) < int(from) {
			end++
		}
		if end == 0 {
			return String("0"), nil
		}
		n, err := strconv.ParseUint(s[:end], int(from), 64)
		if err != nil {
			n = math.MaxUint64
		}
		if neg {
			n = -n
		}
		if signed {
			return String(strings.ToUpper(strconv.FormatInt(int64(n), int(to)))), nil
		}
		return String(strings.ToUpper(strconv.FormatUint(n, int(to)))), nil
	}), nil
}

func digitValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 10
	}
	return 99
}

func radix(c *compiler, k call) (*expr, error) {
	base := 2
	if k.name == "oct" {
		base = 8
	}
	return strict(textType(65, c.st.collation(), coerLiteral).nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		return String(strconv.FormatUint(v[0].bits(f.warn), base)), nil
	}), nil
}
