package engine

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/shopspring/decimal"
)

// Text gives the value as MySQL's text protocol writes it; NULL gives "".
func (v Value) Text() string {
	switch v.kind {
	case KindNull:
		return ""
	case KindString, KindBytes:
		return v.str
	case KindDecimal:
		return decimalText(v.Dec())
	}
	var buf [40]byte
	return string(v.AppendText(buf[:0]))
}

// AppendText appends what [Value.Text] gives.
func (v Value) AppendText(b []byte) []byte {
	switch v.kind {
	case KindInt:
		return strconv.AppendInt(b, v.num, 10)
	case KindUint:
		return strconv.AppendUint(b, uint64(v.num), 10)
	case KindFloat:
		return appendFloat(b, v.flt)
	case KindDecimal:
		return append(b, decimalText(v.Dec())...)
	case KindString, KindBytes:
		return append(b, v.str...)
	case KindDate:
		return appendDate(b, v.tim)
	case KindDatetime:
		b = appendDate(b, v.tim)
		b = append(b, ' ')
		if v.tim.IsZero() {
			b = append(b, "00:00:00"...)
			return appendFraction(b, 0, v.fsp)
		}
		b = appendClock(b, v.tim.Hour(), v.tim.Minute(), v.tim.Second())
		return appendFraction(b, v.tim.Nanosecond(), v.fsp)
	case KindDuration:
		return appendDuration(b, time.Duration(v.num), v.fsp)
	}
	return b
}

// AppendText appends a value of the column as the text protocol writes it: like
// [Value.AppendText], except that doubles with a fixed number of decimals show them all.
func (c Column) AppendText(b []byte, v Value) []byte {
	if v.kind == KindFloat && c.Decimals < notFixed {
		start := len(b)
		b = strconv.AppendFloat(b, v.flt, 'f', int(c.Decimals), 64)
		if b[start] == '-' && len(bytes.Trim(b[start:], "-0.")) == 0 {
			b = append(b[:start], b[start+1:]...) // no negative zero
		}
		return b
	}
	return v.AppendText(b)
}

// decimalText writes a decimal with all the digits of its scale.
func decimalText(d decimal.Decimal) string {
	if d.Exponent() >= 0 {
		return d.StringFixed(0)
	}
	return d.StringFixed(-d.Exponent())
}

// appendFloat writes a double as MySQL does: the shortest text that reads back, plain
// up to 15 digits before the point, with an exponent beyond (1e15 is "1e15").
func appendFloat(b []byte, f float64) []byte {
	if f == 0 {
		return append(b, '0') // also for -0
	}
	abs := math.Abs(f)
	if abs >= 1e15 || abs < 1e-15 {
		start := len(b)
		b = strconv.AppendFloat(b, f, 'e', -1, 64)
		return trimExponent(b, start)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// trimExponent rewrites Go's "1e+06" as MySQL's "1e6".
func trimExponent(b []byte, start int) []byte {
	for i := start; i < len(b); i++ {
		if b[i] != 'e' {
			continue
		}
		out := i + 1
		in := out
		if b[in] == '+' {
			in++
		} else if b[in] == '-' {
			out++
			in++
		}
		for in < len(b)-1 && b[in] == '0' {
			in++
		}
		return append(b[:out], b[in:]...)
	}
	return b
}

func appendDate(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "0000-00-00"...)
	}
	y, m, d := t.Date()
	b = appendPadded(b, y, 4)
	b = append(b, '-')
	b = appendPadded(b, int(m), 2)
	b = append(b, '-')
	return appendPadded(b, d, 2)
}

func appendClock(b []byte, h, m, s int) []byte {
	b = appendPadded(b, h, 2)
	b = append(b, ':')
	b = appendPadded(b, m, 2)
	b = append(b, ':')
	return appendPadded(b, s, 2)
}

func appendDuration(b []byte, d time.Duration, fsp uint8) []byte {
	if d < 0 {
		b = append(b, '-')
		d = -d
	}
	secs := int(d / time.Second)
	b = appendClock(b, secs/3600, secs/60%60, secs%60)
	return appendFraction(b, int(d%time.Second), fsp)
}

func appendFraction(b []byte, nanos int, fsp uint8) []byte {
	if fsp == 0 {
		return b
	}
	b = append(b, '.')
	digits := nanos
	for i := fsp; i < 9; i++ {
		digits /= 10
	}
	return appendPadded(b, digits, int(fsp))
}

func appendPadded(b []byte, n, width int) []byte {
	var tmp [20]byte
	s := strconv.AppendInt(tmp[:0], int64(n), 10)
	for i := len(s); i < width; i++ {
		b = append(b, '0')
	}
	return append(b, s...)
}
