package engine

import (
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// dateFunction finds functions that take dates apart and put them together.
func dateFunction(name string) (function, bool) {
	if part := datePart(name); part != nil {
		ofZero := Int(0)
		if name == "to_days" || name == "to_seconds" {
			ofZero = Null()
		}
		return partFunc(part, partDigits[name], ofZero), true
	}
	if part := clockPart(name); part != nil {
		t := countType(clockDigits[name])
		t.counted = name != "time_to_sec"
		return typedFunc(t.nullable(), func(f *frame, v []Value) (Value, error) {
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
		return function{1, 2, timestamp}, true
	case "str_to_date":
		return function{2, 2, strToDate}, true
	case "convert_tz":
		return function{3, 3, convertTZ}, true
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
	n := dayOf(t).Unix()/86400 + 719528
	if t.Year() == 0 && t.Month() < time.March {
		n++ // MySQL's year 0 is no leap year
	}
	return n
}

// partDigits are the widths of the numbers that datePart reads.
var partDigits = map[string]uint32{"year": 4, "quarter": 1, "month": 2, "day": 2, "dayofmonth": 2, "dayofyear": 3,
	"dayofweek": 1, "weekday": 1, "weekofyear": 2, "to_days": 6, "to_seconds": 12}

// clockDigits are the widths of the numbers that clockPart reads. Of TIME_TO_SEC it is what
// MySQL says.
var clockDigits = map[string]uint32{"hour": 3, "minute": 2, "second": 2, "microsecond": 6, "time_to_sec": 17}

func partFunc(part func(t time.Time) int64, digits uint32, ofZero Value) function {
	return typedFunc(countType(digits).nullable(), func(f *frame, v []Value) (Value, error) {
		t, _, _, ok := v[0].datetime(f.st.now, f.warn)
		if !ok {
			return Null(), nil
		}
		if t.IsZero() {
			if ofZero.IsNull() {
				f.warn(1292, "Incorrect datetime value: '"+v[0].Text()+"'")
			}
			return ofZero, nil
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
	digits := uint32(2)
	if k.name == "yearweek" {
		digits = 6
	}
	return strict(countType(digits).nullable(), k.args, func(f *frame, v []Value) (Value, error) {
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
