package engine

import (
	"strconv"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// dateFunction finds functions that take dates apart and put them together.
func dateFunction(name string) (function, bool) {
	if part := datePart(name); part != nil {
		return partFunc(part), true
	}
	if part := clockPart(name); part != nil {
		return nullableIntFunc(1, 1, 3, func(f *frame, v []Value) (Value, error) {
			d, _, ok := v[0].duration(f.warn)
			if !ok {
				return Null(), nil
			}
			if name == "time_to_sec" {
				return Int(part(d)), nil
			}
			return Int(part(max(d, -d))), nil
		}), true
	}
	switch name {
	case "date":
		return function{1, 1, func(c *compiler, k call) (*expr, error) { return castDate(k.args[0]), nil }}, true
	case "time":
		return function{1, 1, func(c *compiler, k call) (*expr, error) { return castTime(k.args[0], argFsp(c, k.args[0])), nil }}, true
	case "timestamp":
		return function{1, 1, func(c *compiler, k call) (*expr, error) {
			return castDatetime(k.args[0], argFsp(c, k.args[0])), nil
		}}, true
	case "'tidb`.(dateliteral", "'tidb`.(timeliteral", "'tidb`.(timestampliteral":
		return function{1, 1, temporalLiteral}, true
	case "dayname", "monthname":
		return nameFunc(name), true
	case "date_format", "time_format":
		return function{2, 2, dateFormat}, true
	case "last_day":
		return function{1, 1, func(c *compiler, k call) (*expr, error) {
			return strict(dateType().nullable(), k.args, func(f *frame, v []Value) (Value, error) {
				t, _, _, ok := v[0].datetime(f.st.now, f.warn)
				if !ok || t.IsZero() {
					return Null(), nil
				}
				return Date(time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC)), nil
			}), nil
		}}, true
	case "week", "yearweek":
		return function{1, 2, week}, true
	}
	return function{}, false
}

// datePart finds the functions that read one number off a date.
func datePart(name string) func(t time.Time) int64 {
	switch name {
	case "year":
		return func(t time.Time) int64 { return int64(t.Year()) }
	case "quarter":
		return func(t time.Time) int64 { return int64(t.Month()+2) / 3 }
	case "month":
		return func(t time.Time) int64 { return int64(t.Month()) }
	case "day", "dayofmonth":
		return func(t time.Time) int64 { return int64(t.Day()) }
	case "dayofyear":
		return func(t time.Time) int64 { return int64(t.YearDay()) }
	case "dayofweek":
		return func(t time.Time) int64 { return int64(t.Weekday()) + 1 }
	case "weekday":
		return func(t time.Time) int64 { return int64(t.Weekday()+6) % 7 }
	case "weekofyear":
		return func(t time.Time) int64 { _, w := t.ISOWeek(); return int64(w) }
	case "to_days":
		return dayNumber
	case "to_seconds":
		return func(t time.Time) int64 { return dayNumber(t)*86400 + int64(clockOf(t)/time.Second) }
	}
	return nil
}

// dayNumber counts days from the year 0, as TO_DAYS does.
func dayNumber(t time.Time) int64 {
	return dayOf(t).Unix()/86400 + 719528
}

func partFunc(part func(t time.Time) int64) function {
	return nullableIntFunc(1, 1, 10, func(f *frame, v []Value) (Value, error) {
		t, _, _, ok := v[0].datetime(f.st.now, f.warn)
		if !ok {
			return Null(), nil
		}
		if t.IsZero() {
			return Int(0), nil
		}
		return Int(part(t)), nil
	})
}

// clockPart finds the functions that read one number off a time of day.
func clockPart(name string) func(d time.Duration) int64 {
	switch name {
	case "hour":
		return func(d time.Duration) int64 { return int64(d / time.Hour) }
	case "minute":
		return func(d time.Duration) int64 { return int64(d / time.Minute % 60) }
	case "second":
		return func(d time.Duration) int64 { return int64(d / time.Second % 60) }
	case "microsecond":
		return func(d time.Duration) int64 { return int64(d / time.Microsecond % 1_000_000) }
	case "time_to_sec":
		return func(d time.Duration) int64 { return int64(d / time.Second) }
	}
	return nil
}

// argFsp is how many fractional digits an argument has as a time.
func argFsp(c *compiler, e *expr) uint8 {
	if e.isTemporal() || e.kind == KindDecimal {
		return min(e.dec, 6)
	}
	if e.isText() && e.fixed {
		if v, err := e.eval(&frame{st: c.st}); err == nil {
			if i := strings.LastIndexByte(v.str, '.'); i >= 0 {
				return uint8(min(len(v.str)-i-1, 6))
			}
		}
		return 0
	}
	if e.isInt() || e.kind == KindNull {
		return 0
	}
	return 6
}

// temporalLiteral is DATE '…', TIME '…' or TIMESTAMP '…'.
func temporalLiteral(c *compiler, k call) (*expr, error) {
	v, err := k.args[0].eval(&frame{st: c.st})
	if err != nil {
		return nil, err
	}
	s := v.Text()
	switch {
	case strings.Contains(k.name, "dateliteral"):
		p, ok := parseDatetime(s)
		if !ok || p.hasTime || p.rest {
			return nil, fail(1525, "HY000", "Incorrect DATE value: '%s'", s)
		}
		return constant(dateType(), Date(p.t)), nil
	case strings.Contains(k.name, "timestampliteral"):
		p, ok := parseDatetime(s)
		if !ok || !p.hasTime || p.rest {
			return nil, fail(1525, "HY000", "Incorrect DATETIME value: '%s'", s)
		}
		return constant(datetimeType(p.fsp), Datetime(p.t, p.fsp)), nil
	}
	d, fsp, rest, ok := parseDuration(s)
	if !ok || rest {
		return nil, fail(1525, "HY000", "Incorrect TIME value: '%s'", s)
	}
	return constant(timeType(fsp), Duration(d, fsp)), nil
}

func nameFunc(name string) function {
	return function{1, 1, func(c *compiler, k call) (*expr, error) {
		return strict(textType(9, c.st.collation(), coerLiteral).nullable(), k.args, func(f *frame, v []Value) (Value, error) {
			t, _, _, ok := v[0].datetime(f.st.now, f.warn)
			if !ok || t.IsZero() {
				return Null(), nil
			}
			if name == "dayname" {
				return String(t.Weekday().String()), nil
			}
			return String(t.Month().String()), nil
		}), nil
	}}
}

// formatLength bounds how long a formatted date can be.
func formatLength(c *compiler, format *expr) uint32 {
	if !format.fixed {
		return format.chars() * 10
	}
	v, err := format.eval(&frame{st: c.st})
	if err != nil {
		return format.chars() * 10
	}
	n := 0
	s := v.Text()
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+1 == len(s) {
			n++
			continue
		}
		i++
		switch s[i] {
		case 'M', 'W':
			n += 64
		case 'D', 'Y', 'x', 'X':
			n += 4
		case 'a', 'b':
			n += 32
		case 'j':
			n += 3
		case 'u', 'U', 'v', 'V', 'y', 'm', 'd', 'h', 'i', 'I', 'l', 'p', 'S', 's', 'c', 'e':
			n += 2
		case 'k', 'H':
			n += 7
		case 'r':
			n += 11
		case 'T':
			n += 8
		case 'f':
			n += 6
		default:
			n++
		}
	}
	return uint32(n)
}

func dateFormat(c *compiler, k call) (*expr, error) {
	t := textType(formatLength(c, k.args[1]), c.st.collation(), coerLiteral).nullable()
	return strict(t, k.args, func(f *frame, v []Value) (Value, error) {
		var at time.Time
		if k.name == "time_format" {
			d, _, ok := v[0].duration(f.warn)
			if !ok {
				return Null(), nil
			}
			return String(formatClock(d, v[1].Text())), nil
		}
		at, _, _, ok := v[0].datetime(f.st.now, f.warn)
		if !ok || v[1].Text() == "" {
			return Null(), nil
		}
		if ok, err := f.bounded("date_format", int64(len(v[1].str))*10); !ok || err != nil {
			return Null(), err
		}
		return String(formatTime(at, v[1].Text())), nil
	}), nil
}

// formatClock formats a TIME, whose hours may pass 24.
func formatClock(d time.Duration, layout string) string {
	neg := d < 0
	d = max(d, -d)
	hours := int(d / time.Hour)
	layout = strings.NewReplacer("%H", padded(hours, 2), "%k", strconv.Itoa(hours), "%T",
		string(appendDuration(nil, d, 0))).Replace(layout)
	out := formatTime(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Add(d%(24*time.Hour)), layout)
	if neg {
		return "-" + out
	}
	return out
}

func padded(n, width int) string { return string(appendPadded(nil, n, width)) }

// formatTime writes a time as DATE_FORMAT does.
func formatTime(t time.Time, layout string) string {
	var b []byte
	for i := 0; i < len(layout); i++ {
		if layout[i] != '%' || i+1 == len(layout) {
			b = append(b, layout[i])
			continue
		}
		i++
		b = appendSpecifier(b, t, layout[i])
	}
	return string(b)
}

func appendSpecifier(b []byte, t time.Time, c byte) []byte {
	year, month, day := t.Date()
	if t.IsZero() {
		year, month, day = 0, 0, 0
	}
	hour12 := (t.Hour()+11)%12 + 1
	switch c {
	case 'Y':
		return appendPadded(b, year, 4)
	case 'y':
		return appendPadded(b, year%100, 2)
	case 'm':
		return appendPadded(b, int(month), 2)
	case 'c':
		return strconv.AppendInt(b, int64(month), 10)
	case 'M':
		return append(b, t.Month().String()...)
	case 'b':
		return append(b, t.Month().String()[:3]...)
	case 'd':
		return appendPadded(b, day, 2)
	case 'e':
		return strconv.AppendInt(b, int64(day), 10)
	case 'D':
		return append(strconv.AppendInt(b, int64(day), 10), ordinal(day)...)
	case 'j':
		return appendPadded(b, t.YearDay(), 3)
	case 'W':
		return append(b, t.Weekday().String()...)
	case 'a':
		return append(b, t.Weekday().String()[:3]...)
	case 'w':
		return strconv.AppendInt(b, int64(t.Weekday()), 10)
	case 'H':
		return appendPadded(b, t.Hour(), 2)
	case 'k':
		return strconv.AppendInt(b, int64(t.Hour()), 10)
	case 'h', 'I':
		return appendPadded(b, hour12, 2)
	case 'l':
		return strconv.AppendInt(b, int64(hour12), 10)
	case 'i':
		return appendPadded(b, t.Minute(), 2)
	case 's', 'S':
		return appendPadded(b, t.Second(), 2)
	case 'f':
		return appendPadded(b, t.Nanosecond()/1000, 6)
	case 'p':
		return append(b, meridiem(t)...)
	case 'r':
		b = appendClock(b, hour12, t.Minute(), t.Second())
		return append(append(b, ' '), meridiem(t)...)
	case 'T':
		return appendClock(b, t.Hour(), t.Minute(), t.Second())
	case 'U', 'u', 'V', 'v', 'X', 'x':
		return appendWeek(b, t, c)
	}
	return append(b, c)
}

func ordinal(n int) string {
	if n%100 >= 11 && n%100 <= 13 {
		return "th"
	}
	switch n % 10 {
	case 1:
		return "st"
	case 2:
		return "nd"
	case 3:
		return "rd"
	}
	return "th"
}

func meridiem(t time.Time) string {
	if t.Hour() < 12 {
		return "AM"
	}
	return "PM"
}

func appendWeek(b []byte, t time.Time, c byte) []byte {
	switch c {
	case 'U':
		_, w := weekOf(t, 0)
		return appendPadded(b, w, 2)
	case 'u':
		_, w := weekOf(t, 1)
		return appendPadded(b, w, 2)
	case 'V':
		_, w := weekOf(t, 2)
		return appendPadded(b, w, 2)
	case 'v':
		_, w := weekOf(t, 3)
		return appendPadded(b, w, 2)
	case 'X':
		y, _ := weekOf(t, 2)
		return appendPadded(b, y, 4)
	}
	y, _ := weekOf(t, 3)
	return appendPadded(b, y, 4)
}

// weekOf numbers weeks by MySQL's mode bits: 1 = Monday first, 2 = weeks 1–53 that may
// belong to the year before or after, 4 = the first week is the one that starts in the year.
func weekOf(t time.Time, mode int) (year, week int) {
	monday, ownYear, firstFull := mode&1 != 0, mode&2 != 0, mode&4 != 0
	if monday {
		firstFull = !firstFull
	}
	// From here firstFull means MySQL's own inverted bit: with it, week 1 has four days.
	fourDays := firstFull
	weekday := func(d time.Time) int {
		if monday {
			return int(d.Weekday()+6) % 7
		}
		return int(d.Weekday())
	}
	year = t.Year()
	start := firstWeek(year, weekday, fourDays)
	day := dayOf(t)
	if day.Before(start) {
		if !ownYear {
			return year, 0
		}
		year--
		start = firstWeek(year, weekday, fourDays)
	} else if ownYear {
		if next := firstWeek(year+1, weekday, fourDays); !day.Before(next) {
			return year + 1, 1
		}
	}
	return year, int(day.Sub(start)/(7*24*time.Hour)) + 1
}

// firstWeek is the day on which week 1 of a year starts.
func firstWeek(year int, weekday func(time.Time) int, fourDays bool) time.Time {
	first := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
	back := weekday(first)
	start := first.AddDate(0, 0, -back)
	if fourDays && back > 3 || !fourDays && back > 0 {
		start = start.AddDate(0, 0, 7)
	}
	return start
}

func week(c *compiler, k call) (*expr, error) {
	return strict(intType(10).nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		t, _, _, ok := v[0].datetime(f.st.now, f.warn)
		if !ok || t.IsZero() {
			return Null(), nil
		}
		mode := 0
		if len(v) > 1 {
			mode = int(v[1].int64(f.warn)) & 7
		}
		if k.name == "yearweek" {
			y, w := weekOf(t, mode|2)
			return Int(int64(y*100 + w)), nil
		}
		_, w := weekOf(t, mode)
		return Int(int64(w)), nil
	}), nil
}

// unitOf is the unit among a call's arguments.
func unitOf(n ast.ExprNode) ast.TimeUnitType {
	if u, ok := n.(*ast.TimeUnitExpr); ok {
		return u.Unit
	}
	return ast.TimeUnitInvalid
}
