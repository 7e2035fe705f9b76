package replication

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// source gives SQL literals of one type. loose tells that the session's sql_mode takes zero
// dates and the like.
type source func(r *rand.Rand, loose bool) string

// oneOf gives one of some literals.
func oneOf(literals ...string) source {
	return func(r *rand.Rand, _ bool) string { return literals[r.IntN(len(literals))] }
}

// integer gives small numbers, the limits, and anything between.
func integer(low int64, high uint64) source {
	return func(r *rand.Rand, _ bool) string {
		switch r.IntN(6) {
		case 0:
			return strconv.FormatInt(low, 10)
		case 1:
			return strconv.FormatUint(high, 10)
		case 2:
			return strconv.FormatInt(max(low, -1), 10)
		case 3:
			if low < 0 {
				return strconv.FormatInt(low+int64(r.Uint64N(uint64(-low))), 10)
			}
			fallthrough
		case 4:
			return strconv.FormatUint(r.Uint64N(high), 10)
		}
		return strconv.Itoa(r.IntN(100))
	}
}

// key gives whole numbers below n, so that statements meet.
func key(n int) source {
	return func(r *rand.Rand, _ bool) string { return strconv.Itoa(r.IntN(n)) }
}

// huge gives keys around 2^63, where signed and unsigned differ.
func huge(n int) source {
	return func(r *rand.Rand, _ bool) string {
		return strconv.FormatUint(uint64(math.MaxInt64)-uint64(n/2)+uint64(r.IntN(n)), 10)
	}
}

// decimal gives numbers of a DECIMAL(digits, scale).
func decimal(digits, scale int, unsigned bool) source {
	return func(r *rand.Rand, _ bool) string {
		whole, part := r.IntN(digits-scale+1), r.IntN(scale+1)
		if r.IntN(5) == 0 {
			whole, part = digits-scale, scale
		}
		nines := r.IntN(4) == 0
		number := digitsOf(r, whole, nines) + "." + digitsOf(r, part, nines)
		number = strings.TrimSuffix(number, ".")
		if number == "" {
			number = "0"
		}
		if !unsigned && r.IntN(2) == 0 {
			number = "-" + number
		}
		return number
	}
}

func digitsOf(r *rand.Rand, n int, nines bool) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = '0' + byte(r.IntN(10))
		if nines {
			b[i] = '9'
		}
	}
	return string(b)
}

// double gives doubles with all their digits.
func double(r *rand.Rand, _ bool) string {
	switch r.IntN(5) {
	case 0:
		return oneOf("0", "-0e0", "1.7976931348623157e308", "-1.7976931348623157e308",
			"2.2250738585072014e-308", "0.1", "1e15", "1e16", "123456789012345680", "-1e-10", "5e-324")(r, false)
	case 1:
		return strconv.FormatFloat(r.NormFloat64()*math.Pow(10, float64(r.IntN(600)-300)), 'e', -1, 64)
	}
	return strconv.FormatFloat(r.NormFloat64()*1000, 'e', -1, 64)
}

// single gives numbers that are floats exactly.
func single(r *rand.Rand, _ bool) string {
	if r.IntN(5) == 0 {
		return oneOf("0", "3.4028234663852886e38", "-3.4028234663852886e38", "1.1754943508222875e-38", "16777217", "0.1", "1e-20")(r, false)
	}
	return strconv.FormatFloat(float64(float32(r.NormFloat64()*math.Pow(10, float64(r.IntN(60)-30)))), 'e', -1, 64)
}

// fixed gives numbers for FLOAT(m,d) and DOUBLE(m,d).
func fixed(limit, scale int) source {
	return func(r *rand.Rand, _ bool) string {
		return fmt.Sprintf("%.*f", scale, (r.Float64()*2-1)*float64(limit))
	}
}

func bits(n int) source {
	return func(r *rand.Rand, _ bool) string {
		all := uint64(math.MaxUint64) >> (64 - n)
		v := r.Uint64() & all
		switch r.IntN(4) {
		case 0:
			v = 0
		case 1:
			v = all
		}
		return "b'" + strconv.FormatUint(v, 2) + "'"
	}
}

// bytesOf gives any bytes, short mostly.
func bytesOf(limit int) source {
	return func(r *rand.Rand, _ bool) string {
		b := make([]byte, length(r, limit))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		return "x'" + hex.EncodeToString(b) + "'"
	}
}

// length is mostly short, at times the limit.
func length(r *rand.Rand, limit int) int {
	switch r.IntN(8) {
	case 0:
		return 0
	case 1:
		return limit
	}
	return r.IntN(min(limit, 30) + 1)
}

// alphabets of text: what can be written in a charset, and what SQL texts trip over.
var (
	ascii  = []rune("abcXYZ019 _%'\"\\`;\n\t\r\x00\x1a-/*!#@?")
	latin  = append([]rune("éÀñßÿ£¥±"), ascii...)
	gbk    = append([]rune("中文测试数据库一丁"), ascii...)
	unicod = append([]rune("中文한국日本éßЖ😀🚀𝄞\u00a0\u200d\ufeff"), ascii...)
)

// text gives strings of an alphabet.
func text(alphabet []rune, limit int) source {
	return func(r *rand.Rand, _ bool) string {
		s := make([]rune, length(r, limit))
		for i := range s {
			s[i] = alphabet[r.IntN(len(alphabet))]
		}
		return quoted(string(s))
	}
}

// quoted writes a string without anything to escape.
func quoted(s string) string { return "_utf8mb4 x'" + hex.EncodeToString([]byte(s)) + "'" }

// word gives short words, so that unique values meet; their letters' case does not matter
// to a collation that ignores it.
func word(n int) source {
	return func(r *rand.Rand, _ bool) string {
		return "'" + string(rune('a'+r.IntN(26))) + strconv.Itoa(r.IntN(n)) + "'"
	}
}

// fraction is the part of a second with fsp digits.
func fraction(r *rand.Rand, fsp int) string {
	if fsp == 0 {
		return ""
	}
	f := digitsOf(r, fsp, r.IntN(5) == 0)
	if r.IntN(5) == 0 {
		f = strings.Repeat("0", fsp)
	}
	return "." + f
}

func date(r *rand.Rand, loose bool) string {
	if loose && r.IntN(6) == 0 {
		return oneOf("'0000-00-00'", "'2020-00-00'", "'2020-02-00'")(r, loose)
	}
	return oneOf("'1000-01-01'", "'9999-12-31'", "'1970-01-01'", "'2024-02-29'",
		fmt.Sprintf("'%04d-%02d-%02d'", 1000+r.IntN(9000), 1+r.IntN(12), 1+r.IntN(28)))(r, loose)
}

func datetime(fsp int) source {
	return func(r *rand.Rand, loose bool) string {
		if loose && r.IntN(6) == 0 {
			return oneOf("'0000-00-00 00:00:00'", "'2020-00-00 01:02:03'", "'0000-00-00'")(r, loose)
		}
		d := date(r, false)
		return d[:len(d)-1] + fmt.Sprintf(" %02d:%02d:%02d", r.IntN(24), r.IntN(60), r.IntN(59)) + fraction(r, fsp) + "'"
	}
}

// timestamp stays a day off the ends of the type's range, for sessions have time zones.
func timestamp(fsp int) source {
	return func(r *rand.Rand, loose bool) string {
		if loose && r.IntN(6) == 0 {
			return "'0000-00-00 00:00:00'"
		}
		return oneOf("'1970-01-02 00:00:01"+fraction(r, fsp)+"'", "'2038-01-18 03:14:07"+fraction(r, fsp)+"'",
			fmt.Sprintf("'%04d-%02d-%02d %02d:%02d:%02d", 1971+r.IntN(66), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(59))+fraction(r, fsp)+"'",
			fmt.Sprintf("now(%d)", fsp))(r, loose)
	}
}

func clock(fsp int) source {
	return func(r *rand.Rand, loose bool) string {
		sign := []string{"", "-"}[r.IntN(2)]
		return oneOf("'838:59:59'", "'-838:59:59'", "'00:00:00'",
			fmt.Sprintf("'%s%02d:%02d:%02d%s'", sign, r.IntN(838), r.IntN(60), r.IntN(59), fraction(r, fsp)))(r, loose)
	}
}

// jsonValue gives documents, those too that hold what JSON has no type for.
func jsonValue(r *rand.Rand, loose bool) string {
	switch r.IntN(6) {
	case 0:
		return oneOf("'null'", "'true'", "'[]'", "'{}'", `'""'`, "'0'", "'-1'", "'18446744073709551615'",
			"'9223372036854775807'", "'1.5'", "'1e100'", "'0.1'", "'1.0'", `'"\\u0000\\n\\""'`)(r, loose)
	case 1:
		return oneOf("json_array(cast('2024-02-29' as date))", "json_object('t', cast('2024-02-29 01:02:03.456' as datetime(3)))",
			"json_array(cast('-12:34:56.7' as time(1)), 1)", "json_array(cast(12.50 as decimal(10,2)))",
			"json_object('u', cast(18446744073709551615 as unsigned), 'n', null)")(r, loose)
	case 2:
		return "json_object('k', " + text(unicod, 40)(r, loose) + ", 'd', " + double(r, loose) + ")"
	case 3:
		return "json_array(" + integer(math.MinInt64, math.MaxUint64)(r, loose) + ", json_object('a', json_array(1, 2, 'x')), true)"
	}
	return fmt.Sprintf(`'{"a": %d, "b": [1, 2, {"c": "é中"}], "long": "%s"}'`, r.IntN(1000), strings.Repeat("x", length(r, 300)))
}

// or gives NULL at times.
func (s source) or(nullEvery int) source {
	return func(r *rand.Rand, loose bool) string {
		if r.IntN(nullEvery) == 0 {
			return "NULL"
		}
		return s(r, loose)
	}
}
