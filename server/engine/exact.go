package engine

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// An integer or a decimal compares exactly with the number at the start of a text. MySQL
// and MariaDB take both to doubles for that, mostly, and then `commit_ts >= '470763089353768990'`
// is wrong by up to 32: a timestamp of PD has 59 bits, a double has 53. Texts are also what
// clients bind to prepared statements and what comes out of JSON documents.

// compareNumbers orders two values by the numbers in them, without rounding. Neither is a
// double.
func compareNumbers(f *frame, a, b Value) int {
	return orderNumbers(a.exact(f.warn), b.exact(f.warn))
}

// orderNumbers orders integers and decimals.
func orderNumbers(a, b Value) int {
	if a.kind != KindDecimal && b.kind != KindDecimal {
		return compareInts(nil, a, b)
	}
	return a.decimal(nil).Cmp(b.decimal(nil))
}

// exact gives the number in a value as an integer or a decimal of any length.
func (v Value) exact(w warner) Value {
	switch v.kind {
	case KindInt, KindUint, KindDecimal:
		return v
	case KindString, KindBytes:
		prefix, rest := numericPrefix(v.str)
		if rest {
			w.truncated("DOUBLE", v.str)
		}
		return exactNumber(prefix)
	}
	return Decimal(v.decimal(w))
}

// decimalReach is how many digits before and after the point count when a number of any
// length is compared. It covers every double and every decimal.
const decimalReach = 400

// exactNumber reads the text of a number. Beyond decimalReach it gives a number that compares
// with all others within the reach as the real one does.
func exactNumber(text string) Value {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return Int(n)
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 10, 64); err == nil {
		return Uint(n)
	}
	mantissa, exp := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa = text[:i]
		exp, _ = strconv.Atoi(text[i+1:]) // the nearest int where it does not fit
	}
	negative := strings.HasPrefix(mantissa, "-")
	whole, frac, _ := strings.Cut(strings.TrimLeft(mantissa, "+-"), ".")
	digits := strings.TrimLeft(whole+frac, "0")
	if digits == "" {
		return Int(0)
	}
	exp = min(max(exp, -1<<40), 1<<40) - len(frac) // of the last digit
	switch first := len(digits) + exp; {           // how many places the first digit stands before the point
	case first > decimalReach:
		digits, exp = "1", decimalReach
	case first < -decimalReach:
		digits, exp = "1", -decimalReach
	case exp < -decimalReach:
		cut := first + decimalReach
		if strings.Trim(digits[cut:], "0") != "" {
			digits, exp = digits[:cut]+"1", -decimalReach-1
		} else {
			digits, exp = digits[:cut], -decimalReach
		}
	}
	n, _ := new(big.Int).SetString(digits, 10)
	if n == nil {
		return Int(0)
	}
	if negative {
		n.Neg(n)
	}
	return Decimal(decimal.NewFromBigInt(n, int32(exp)))
}
