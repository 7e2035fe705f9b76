package engine

import (
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// maxDuration is the longest TIME: 838:59:59.
const maxDuration = (838*3600 + 59*60 + 59) * time.Second

// temporalNumber is the number MySQL makes of a date or time: 20200131235959.5.
func temporalNumber(v Value) decimal.Decimal {
	var n int64
	var frac int
	sign := int64(1)
	switch v.kind {
	case KindDuration:
		d := time.Duration(v.num)
		if d < 0 {
			sign, d = -1, -d
		}
		s := int64(d / time.Second)
		n = s/3600*10000 + s/60%60*100 + s%60
		frac = int(d % time.Second)
	default:
		if !v.tim.IsZero() {
			n = int64(v.tim.Year())*10000 + int64(v.tim.Month())*100 + int64(v.tim.Day())
		}
		if v.kind == KindDatetime {
			n *= 1000000
			if !v.tim.IsZero() {
				n += int64(v.tim.Hour())*10000 + int64(v.tim.Minute())*100 + int64(v.tim.Second())
				frac = v.tim.Nanosecond()
			}
		}
	}
	if v.fsp == 0 {
		return decimal.NewFromInt(sign * n)
	}
	scale := int64(1)
	for i := uint8(0); i < v.fsp; i++ {
		scale *= 10
	}
	part := int64(frac) / (1_000_000_000 / scale)
	return decimal.New(sign*(n*scale+part), -int32(v.fsp))
}

// parsedTime is what parseDatetime found in a text.
type parsedTime struct {
	t       time.Time
	fsp     uint8
	hasTime bool
	rest    bool // something followed that does not belong to it
}

// parseDatetime reads the forms of a date with or without time that MySQL takes:
// 2020-01-31 10:11:12.5 with any punctuation, T as the separator, two-digit years, and
// the forms without separators. ok is false if it is no date.
func parseDatetime(s string) (p parsedTime, ok bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return p, false
	}
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	if digits == 0 {
		return p, false
	}
	if digits >= 5 && (digits == len(s) || s[digits] == '.' || !isTimePunct(s[digits])) || digits >= 8 {
		return parsePackedDatetime(s, digits)
	}
	var parts [6]int
	n, i := 0, 0
	yearDigits := 0
	for n < 6 {
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' && i-start < 4 {
			i++
		}
		if i == start {
			break
		}
		parts[n], _ = strconv.Atoi(s[start:i])
		if n == 0 {
			yearDigits = i - start
		} else if i-start > 2 {
			return p, false
		}
		n++
		if n == 6 || i >= len(s) {
			break
		}
		next := i
		for next < len(s) && isTimePunct(s[next]) && (n != 3 || s[next] != '.') || n == 3 && next < len(s) && (s[next] == 'T' || s[next] == ' ') {
			next++
		}
		if next == i || next >= len(s) || s[next] < '0' || s[next] > '9' {
			break
		}
		i = next
	}
	if n < 3 {
		return p, false
	}
	nanos := 0
	if n == 6 {
		nanos, p.fsp, i = parseFraction(s, i)
	}
	p.rest = strings.TrimSpace(s[i:]) != ""
	p.hasTime = n > 3
	year := parts[0]
	if yearDigits <= 2 {
		year = twoDigitYear(year)
	}
	p.t, ok = makeTime(year, parts[1], parts[2], parts[3], parts[4], parts[5], nanos)
	return p, ok
}

func isTimePunct(c byte) bool {
	return c == '-' || c == ':' || c == '/' || c == '.' || c == '@' || c == '^' || c == '*' || c == '+' || c == ',' || c == ';'
}

func twoDigitYear(y int) int {
	if y < 70 {
		return 2000 + y
	}
	return 1900 + y
}

// parsePackedDatetime reads YYYYMMDD, YYMMDD, YYYYMMDDhhmmss and YYMMDDhhmmss.
func parsePackedDatetime(s string, digits int) (p parsedTime, ok bool) {
	yl := 2
	if digits == 8 || digits >= 14 {
		yl = 4
	}
	get := func(from, n int) int {
		if from >= digits {
			return 0
		}
		v, _ := strconv.Atoi(s[from:min(from+n, digits)])
		return v
	}
	year := get(0, yl)
	if yl == 2 {
		year = twoDigitYear(year)
	}
	end := min(digits, yl+10)
	nanos := 0
	p.hasTime = digits > yl+4
	if p.hasTime {
		nanos, p.fsp, end = parseFraction(s, end)
	}
	p.rest = strings.TrimSpace(s[end:]) != ""
	p.t, ok = makeTime(year, get(yl, 2), get(yl+2, 2), get(yl+4, 2), get(yl+6, 2), get(yl+8, 2), nanos)
	return p, ok
}

// parseFraction reads ".digits" at s[i:]; digits beyond the sixth are cut off.
func parseFraction(s string, i int) (nanos int, fsp uint8, end int) {
	if i >= len(s) || s[i] != '.' {
		return 0, 0, i
	}
	scale := 100_000_000
	for i++; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		if fsp < 6 {
			nanos += int(s[i]-'0') * scale
			scale /= 10
			fsp++
		}
	}
	return nanos, fsp, i
}

// makeTime checks the parts; all zero is the zero date.
func makeTime(y, mo, d, h, mi, s, nanos int) (time.Time, bool) {
	if mo == 0 && d == 0 && y%100 == 0 && h == 0 && mi == 0 && s == 0 && (y == 0 || y == 2000) {
		return time.Time{}, y == 0
	}
	if mo < 1 || mo > 12 || d < 1 || d > daysIn(y, mo) || h > 23 || mi > 59 || s > 59 || y > 9999 {
		return time.Time{}, false
	}
	return time.Date(y, time.Month(mo), d, h, mi, s, nanos, time.UTC), true
}

func daysIn(y, m int) int {
	return time.Date(y, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// parseDuration reads a TIME: [-][D ]hh:mm:ss[.frac], hh:mm, hhmmss, ss.
func parseDuration(s string) (d time.Duration, fsp uint8, rest, ok bool) {
	s = strings.TrimSpace(s)
	neg := false
	if strings.HasPrefix(s, "-") {
		neg, s = true, s[1:]
	}
	readInt := func(i int) (n, end int) {
		for end = i; end < len(s) && s[end] >= '0' && s[end] <= '9' && end-i < 10; end++ {
			n = n*10 + int(s[end]-'0')
		}
		return n, end
	}
	first, i := readInt(0)
	if i == 0 {
		return 0, 0, false, false
	}
	var h, m, sec, days int
	if i+1 < len(s) && s[i] == ' ' && s[i+1] >= '0' && s[i+1] <= '9' {
		days = first
		first, i = readInt(i + 1)
		h = first
		if i >= len(s) || s[i] != ':' {
			goto done
		}
	}
	if i < len(s) && s[i] == ':' {
		h = first
		var n int
		m, n = readInt(i + 1)
		i = n
		if i < len(s) && s[i] == ':' {
			sec, n = readInt(i + 1)
			i = n
		}
	} else {
		h, m, sec = first/10000, first/100%100, first%100
	}
done:
	if m > 59 || sec > 59 {
		return 0, 0, false, false
	}
	var nanos int
	nanos, fsp, i = parseFraction(s, i)
	d = time.Duration(days*24+h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second + time.Duration(nanos)
	if days*24+h > 838 {
		d = maxDuration
		rest = true
	}
	if neg {
		d = -d
	}
	return d, fsp, rest || strings.TrimSpace(s[i:]) != "", true
}

// datetime gives a value as a point in time; ok is false when it is none (then NULL).
// base is the current date, to which a TIME is added.
func (v Value) datetime(base time.Time, w warner) (t time.Time, fsp uint8, hasTime, ok bool) {
	switch v.kind {
	case KindDate:
		return v.tim, 0, false, true
	case KindDatetime:
		return v.tim, v.fsp, true, true
	case KindDuration:
		day := time.Date(base.Year(), base.Month(), base.Day(), 0, 0, 0, 0, time.UTC)
		return day.Add(time.Duration(v.num)), v.fsp, true, true
	case KindNull:
		return time.Time{}, 0, false, false
	}
	text := v.Text()
	if v.kind == KindInt || v.kind == KindUint || v.kind == KindDecimal || v.kind == KindFloat {
		whole, _, _ := strings.Cut(text, ".")
		if whole == "0" {
			return time.Time{}, 0, false, true
		}
		if len(whole) < 6 && len(whole) > 2 {
			text = strings.Repeat("0", 6-len(whole)) + text
		} else if n := len(whole); n == 7 || n > 8 && n < 12 || n == 13 {
			text = "0" + text
		}
	}
	p, ok := parseDatetime(text)
	if !ok || p.rest {
		if w != nil {
			w(1292, "Incorrect datetime value: '"+v.Text()+"'")
		}
	}
	return p.t, p.fsp, p.hasTime, ok
}

// duration gives a value as a TIME.
func (v Value) duration(w warner) (d time.Duration, fsp uint8, ok bool) {
	switch v.kind {
	case KindNull:
		return 0, 0, false
	case KindDuration:
		return time.Duration(v.num), v.fsp, true
	case KindDate:
		return 0, 0, true
	case KindDatetime:
		return clockOf(v.tim), v.fsp, true
	}
	text := v.Text()
	if p, isDate := parseDatetime(text); isDate && p.hasTime && strings.ContainsAny(text, "-/ T") && !strings.HasPrefix(text, "-") && len(text) > 10 {
		return clockOf(p.t), p.fsp, true
	}
	d, fsp, rest, ok := parseDuration(text)
	if (!ok || rest) && w != nil {
		w(1292, "Truncated incorrect time value: '"+text+"'")
	}
	return d, fsp, ok
}

func clockOf(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute +
		time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}

// truncateFsp cuts fractional seconds to fsp digits.
func truncateFsp(t time.Time, fsp uint8) time.Time {
	unit := time.Second
	for i := uint8(0); i < fsp; i++ {
		unit /= 10
	}
	return t.Truncate(unit)
}
