package engine

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// maxDecimalScale is the most digits a decimal has after its point, and
// maxDecimalPrecision the most it has at all.
const (
	maxDecimalScale     = 30
	maxDecimalPrecision = 65
)

// warner takes the warnings of a conversion; nil drops them.
type warner func(code uint16, message string)

func (w warner) truncated(typeName, text string) {
	if w != nil {
		if len(text) > 128 {
			text = text[:128]
		}
		w(1292, "Truncated incorrect "+typeName+" value: '"+text+"'")
	}
}

// numericPrefix is the longest start of s that is a number ("" for none), and whether
// anything but blanks follows it.
func numericPrefix(s string) (prefix string, rest bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	i, digits := 0, 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		digits++
	}
	if i < len(s) && s[i] == '.' {
		j := i + 1
		for ; j < len(s) && s[j] >= '0' && s[j] <= '9'; j++ {
			digits++
		}
		if digits > 0 {
			i = j
		}
	}
	if digits == 0 {
		return "", strings.TrimRight(s, " \t\n\v\f\r") != "" || s == ""
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		j := i + 1
		if j < len(s) && (s[j] == '-' || s[j] == '+') {
			j++
		}
		k := j
		for ; k < len(s) && s[k] >= '0' && s[k] <= '9'; k++ {
		}
		if k > j {
			i = k
		}
	}
	return s[:i], strings.TrimRight(s[i:], " \t\n\v\f\r") != ""
}

// textToFloat reads a string as a double the way MySQL's implicit conversion does.
func textToFloat(s string, w warner) float64 {
	prefix, rest := numericPrefix(s)
	if rest {
		w.truncated("DOUBLE", s)
	}
	if prefix == "" {
		return 0
	}
	f, err := strconv.ParseFloat(prefix, 64)
	if err != nil && math.IsInf(f, 0) {
		w.truncated("DOUBLE", s)
		return math.Copysign(math.MaxFloat64, f)
	}
	return f
}

// textToDecimal reads a string as a decimal; what a decimal cannot hold is cut off.
func textToDecimal(s string, w warner) decimal.Decimal {
	prefix, rest := numericPrefix(s)
	if rest {
		w.truncated("DECIMAL", s)
	}
	return parseDecimal(prefix)
}

// parseDecimal reads the text of a number; exponents beyond any decimal saturate.
func parseDecimal(text string) decimal.Decimal {
	if text == "" {
		return decimal.Decimal{}
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		if exp, err := strconv.Atoi(text[i+1:]); err != nil || exp > 100 || exp < -100 {
			if strings.HasPrefix(text[i+1:], "-") || strings.Trim(text[:i], "+-0.") == "" {
				return decimal.Decimal{}
			}
			return maxDecimal(strings.HasPrefix(text, "-"))
		}
	}
	d, err := decimal.NewFromString(strings.TrimSuffix(text, "."))
	if err != nil {
		return decimal.Decimal{}
	}
	return clampDecimal(d)
}

// clampDecimal keeps a decimal within 65 digits, 30 of them after the point.
func clampDecimal(d decimal.Decimal) decimal.Decimal {
	if d.Exponent() > 0 {
		d = rescale(d, 0)
	}
	if -d.Exponent() > maxDecimalScale {
		d = rescale(d, maxDecimalScale)
	}
	intDigits := d.NumDigits() + int(d.Exponent())
	if intDigits > maxDecimalPrecision {
		return maxDecimal(d.Sign() < 0)
	}
	if scale := maxDecimalPrecision - intDigits; int(-d.Exponent()) > scale {
		d = rescale(d, int32(scale))
	}
	return d
}

// rescale rounds half away from zero, or pads with zeros, to exactly scale digits.
func rescale(d decimal.Decimal, scale int32) decimal.Decimal {
	d = d.Round(scale)
	if -d.Exponent() == scale {
		return d
	}
	shift := d.Exponent() + scale
	if shift < 0 || shift > 200 {
		return d
	}
	pow := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(shift)), nil)
	return decimal.NewFromBigInt(pow.Mul(pow, d.Coefficient()), -scale)
}

func maxDecimal(negative bool) decimal.Decimal {
	d := decimal.RequireFromString(strings.Repeat("9", maxDecimalPrecision))
	if negative {
		return d.Neg()
	}
	return d
}

// float gives the number in a value; a string's leading number counts.
func (v Value) float(w warner) float64 {
	switch v.kind {
	case KindInt:
		return float64(v.num)
	case KindUint:
		return float64(uint64(v.num))
	case KindFloat:
		return v.flt
	case KindDecimal:
		f, _ := v.dec.Float64()
		return f
	case KindString, KindBytes:
		return textToFloat(v.str, w)
	case KindDate, KindDatetime, KindDuration:
		f, _ := temporalNumber(v).Float64()
		return f
	}
	return 0
}

// decimal gives the number in a value as an exact decimal.
func (v Value) decimal(w warner) decimal.Decimal {
	switch v.kind {
	case KindInt:
		return decimal.NewFromInt(v.num)
	case KindUint:
		return decimal.NewFromUint64(uint64(v.num))
	case KindFloat:
		if math.IsInf(v.flt, 0) || math.IsNaN(v.flt) {
			return decimal.Decimal{}
		}
		return parseDecimal(strconv.FormatFloat(v.flt, 'e', -1, 64))
	case KindDecimal:
		return *v.dec
	case KindString, KindBytes:
		return textToDecimal(v.str, w)
	case KindDate, KindDatetime, KindDuration:
		return temporalNumber(v)
	}
	return decimal.Decimal{}
}

// integer gives the number in a value rounded to an integer; unsigned tells that the
// bits are those of a uint64. Numbers beyond both ranges saturate.
func (v Value) integer(w warner) (bits int64, unsigned bool) {
	switch v.kind {
	case KindInt:
		return v.num, false
	case KindUint:
		return v.num, true
	case KindFloat:
		return floatToInt(v.flt)
	case KindDecimal, KindDate, KindDatetime, KindDuration:
		return decimalToInt(v.decimal(w).Round(0))
	case KindString, KindBytes:
		prefix, rest := numericPrefix(v.str)
		if rest {
			w.truncated("INTEGER", v.str)
		}
		// Digits after the point and exponents do not count for an integer.
		if i := strings.IndexAny(prefix, ".eE"); i >= 0 {
			if !rest {
				w.truncated("INTEGER", v.str)
			}
			prefix = prefix[:i]
		}
		n, err := strconv.ParseInt(strings.TrimPrefix(prefix, "+"), 10, 64)
		if err == nil {
			return n, false
		}
		if d := parseDecimal(prefix); !d.IsZero() {
			if d.Sign() > 0 && d.GreaterThan(maxUint) {
				w.truncated("INTEGER", v.str)
			}
			return decimalToInt(d)
		}
	}
	return 0, false
}

// int64 is integer with unsigned values beyond the range saturated.
func (v Value) int64(w warner) int64 {
	n, unsigned := v.integer(w)
	if unsigned && n < 0 {
		return math.MaxInt64
	}
	return n
}

// bits is the 64-bit pattern bit operations work on.
func (v Value) bits(w warner) uint64 {
	n, _ := v.integer(w)
	return uint64(n)
}

var (
	maxUint = decimal.NewFromUint64(math.MaxUint64)
	maxInt  = decimal.NewFromInt(math.MaxInt64)
	minInt  = decimal.NewFromInt(math.MinInt64)
)

func floatToInt(f float64) (int64, bool) {
	f = math.RoundToEven(f)
	switch {
	case math.IsNaN(f):
		return 0, false
	case f >= math.MaxUint64:
		return -1, true
	case f >= math.MaxInt64:
		return int64(uint64(f)), true
	case f <= math.MinInt64:
		return math.MinInt64, false
	}
	return int64(f), false
}

func decimalToInt(d decimal.Decimal) (int64, bool) {
	switch {
	case d.LessThanOrEqual(minInt):
		return math.MinInt64, false
	case d.LessThanOrEqual(maxInt):
		return d.IntPart(), false
	case d.GreaterThanOrEqual(maxUint):
		return -1, true
	}
	return int64(d.BigInt().Uint64()), true
}

// truth is the value as a condition; known is false for NULL.
func (v Value) truth(w warner) (isTrue, known bool) {
	switch v.kind {
	case KindNull:
		return false, false
	case KindInt, KindUint:
		return v.num != 0, true
	case KindDecimal:
		return v.dec.Sign() != 0, true
	}
	return v.float(w) != 0, true
}

// Bool is MySQL's TRUE or FALSE: 1 or 0.
func Bool(b bool) Value {
	if b {
		return Int(1)
	}
	return Int(0)
}
