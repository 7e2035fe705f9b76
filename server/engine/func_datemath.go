package engine

import (
	"strconv"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// dateMathFunction finds functions that reckon with dates.
func dateMathFunction(name string) (function, bool) {
	switch name {
	case "date_add", "adddate":
		return function{3, 3, func(c *compiler, k call) (*expr, error) { return addInterval(c, k, 1) }}, true
	case "date_sub", "subdate":
		return function{3, 3, func(c *compiler, k call) (*expr, error) { return addInterval(c, k, -1) }}, true
	case "timestampadd":
		return function{3, 3, func(c *compiler, k call) (*expr, error) {
			k.args = []*expr{k.args[2], k.args[1], nil}
			k.nodes = []ast.ExprNode{k.nodes[2], k.nodes[1], k.nodes[0]}
			return addInterval(c, k, 1)
		}}, true
	case "timestampdiff":
		return function{3, 3, timestampDiff}, true
	case "datediff":
		return nullableIntFunc(2, 2, 8, func(f *frame, v []Value) (Value, error) {
			a, _, _, ok1 := v[0].datetime(f.st.now, f.warn)
			b, _, _, ok2 := v[1].datetime(f.st.now, f.warn)
			if !ok1 || !ok2 {
				return Null(), nil
			}
			return Int(dayNumber(a) - dayNumber(b)), nil
		}), true
	case "from_days":
		return function{1, 1, func(c *compiler, k call) (*expr, error) {
			return strict(dateType().nullable(), k.args, func(f *frame, v []Value) (Value, error) {
				n := v[0].int64(f.warn)
				if n < 366 || n > 3652424 {
					return Date(time.Time{}), nil
				}
				return Date(time.Unix((n-719528)*86400, 0).UTC()), nil
			}), nil
		}}, true
	case "sec_to_time":
		return function{1, 1, func(c *compiler, k call) (*expr, error) {
			fsp := argFsp(c, k.args[0])
			return strict(timeType(fsp).nullable(), k.args, func(f *frame, v []Value) (Value, error) {
				d := v[0].decimal(f.warn)
				if d.Abs().GreaterThan(textToDecimal("3020399", nil)) {
					if d.Sign() < 0 {
						return Duration(-maxDuration, fsp), nil
					}
					return Duration(maxDuration, fsp), nil
				}
				return Duration(time.Duration(rescale(d, 6).Shift(6).IntPart())*time.Microsecond, fsp), nil
			}), nil
		}}, true
	case "extract":
		return function{2, 2, extract}, true
	case "addtime":
		return addTime(1), true
	case "subtime":
		return addTime(-1), true
	case "timediff":
		return function{2, 2, timeDiff}, true
	}
	return function{}, false
}

// interval is a span in the calendar: months and the rest do not convert.
type interval struct {
	months int64
	span   time.Duration
	days   int64
}

// addInterval is DATE_ADD, DATE_SUB and date ± INTERVAL n unit.
func addInterval(c *compiler, k call, sign int64) (*expr, error) {
	unit := unitOf(k.nodes[2])
	if unit == ast.TimeUnitInvalid {
		unit = ast.TimeUnitDay
	}
	x := k.args[0]
	t := intervalType(c, x, unit, argFsp(c, x), k.args[1])
	return strict(t.nullable(), k.args[:2], func(f *frame, v []Value) (Value, error) {
		iv, ok := parseInterval(f, v[1], unit)
		if !ok {
			return Null(), nil
		}
		iv = interval{months: sign * iv.months, days: sign * iv.days, span: time.Duration(sign) * iv.span}
		if t.kind == KindDuration {
			d, _, ok := v[0].duration(f.warn)
			d += iv.span + time.Duration(iv.days)*24*time.Hour
			if !ok || d > maxDuration || d < -maxDuration {
				return Null(), nil
			}
			return Duration(d, t.dec), nil
		}
		at, fsp, hasTime, ok := v[0].datetime(f.st.now, f.warn)
		if !ok || at.IsZero() {
			return Null(), nil
		}
		at, ok = iv.addTo(at)
		if !ok {
			f.warn(1441, "Datetime function: datetime field overflow")
			return Null(), nil
		}
		switch t.kind {
		case KindDate:
			return Date(dayOf(at)), nil
		case KindDatetime:
			return Datetime(at, t.dec), nil
		}
		if !hasTime && !unitHasTime(unit) {
			return String(Date(at).Text()), nil
		}
		if fsp > 0 || at.Nanosecond() != 0 {
			fsp = 6
		}
		return String(Datetime(at, fsp).Text()), nil
	}), nil
}

// intervalType: a date stays one unless the unit has hours; a text stays a text.
func intervalType(c *compiler, x *expr, unit ast.TimeUnitType, fsp uint8, amount *expr) typ {
	if unitHasMicroseconds(unit) {
		fsp = 6
	} else if unit == ast.TimeUnitSecond && amount.dec > 0 {
		fsp = max(fsp, min(amount.dec, 6))
	}
	switch {
	case x.kind == KindDatetime:
		return datetimeType(fsp)
	case x.kind == KindDuration && unitHasTime(unit):
		return timeType(fsp)
	case x.kind == KindDuration:
		return datetimeType(fsp)
	case x.kind == KindDate && !unitHasTime(unit):
		return dateType()
	case x.kind == KindDate:
		if unit != ast.TimeUnitSecond && !unitHasMicroseconds(unit) {
			fsp = 0
		}
		return datetimeType(fsp)
	}
	t := textType(19, c.st.collation(), coerLiteral)
	return t
}

func unitHasMicroseconds(u ast.TimeUnitType) bool {
	switch u {
	case ast.TimeUnitMicrosecond, ast.TimeUnitSecondMicrosecond, ast.TimeUnitMinuteMicrosecond,
		ast.TimeUnitHourMicrosecond, ast.TimeUnitDayMicrosecond:
		return true
	}
	return false
}

func unitHasTime(u ast.TimeUnitType) bool {
	switch u {
	case ast.TimeUnitDay, ast.TimeUnitWeek, ast.TimeUnitMonth, ast.TimeUnitQuarter, ast.TimeUnitYear, ast.TimeUnitYearMonth:
		return false
	}
	return true
}

// addTo reckons in the calendar: a day beyond the end of the month becomes its last.
func (iv interval) addTo(t time.Time) (time.Time, bool) {
	if iv.months > 120000 || iv.months < -120000 || iv.days > 4_000_000 || iv.days < -4_000_000 {
		return t, false
	}
	if iv.months != 0 {
		total := int64(t.Year())*12 + int64(t.Month()) - 1 + iv.months
		if total < 0 || total >= 120000 {
			return t, false
		}
		year, month := int(total/12), int(total%12)+1
		day := min(t.Day(), daysIn(year, month))
		t = time.Date(year, time.Month(month), day, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	}
	t = t.AddDate(0, 0, int(iv.days)).Add(iv.span)
	return t, t.Year() >= 0 && t.Year() <= 9999
}

// parseInterval reads the amount of an interval; for compound units it is a text of
// several numbers, of which the last ones count when some are missing.
func parseInterval(f *frame, v Value, unit ast.TimeUnitType) (interval, bool) {
	if parts := compoundParts(unit); parts != nil {
		return compoundInterval(v.Text(), parts)
	}
	if unit == ast.TimeUnitSecond {
		d := rescale(v.decimal(f.warn), 6)
		if d.Abs().GreaterThan(textToDecimal("1000000000000", nil)) {
			return interval{}, false
		}
		secs := d.Truncate(0)
		micros := d.Sub(secs).Shift(6).IntPart()
		return interval{days: secs.IntPart() / 86400,
			span: time.Duration(secs.IntPart()%86400)*time.Second + time.Duration(micros)*time.Microsecond}, true
	}
	return simpleInterval(v.int64(f.warn), unit)
}

func simpleInterval(n int64, unit ast.TimeUnitType) (interval, bool) {
	if n > 1<<53 || n < -1<<53 {
		return interval{}, false
	}
	switch unit {
	case ast.TimeUnitMicrosecond:
		const day = 86400 * 1_000_000
		return interval{days: n / day, span: time.Duration(n%day) * time.Microsecond}, true
	case ast.TimeUnitSecond:
		return interval{days: n / 86400, span: time.Duration(n%86400) * time.Second}, true
	case ast.TimeUnitMinute:
		return interval{days: n / 1440, span: time.Duration(n%1440) * time.Minute}, true
	case ast.TimeUnitHour:
		return interval{days: n / 24, span: time.Duration(n%24) * time.Hour}, true
	case ast.TimeUnitDay:
		return interval{days: n}, true
	case ast.TimeUnitWeek:
		return interval{days: n * 7}, true
	case ast.TimeUnitMonth:
		return interval{months: n}, true
	case ast.TimeUnitQuarter:
		return interval{months: n * 3}, true
	case ast.TimeUnitYear:
		return interval{months: n * 12}, true
	}
	return interval{}, false
}

// compoundParts are the units a compound unit is made of, nil for a simple one.
func compoundParts(u ast.TimeUnitType) []ast.TimeUnitType {
	all := []ast.TimeUnitType{ast.TimeUnitDay, ast.TimeUnitHour, ast.TimeUnitMinute, ast.TimeUnitSecond, ast.TimeUnitMicrosecond}
	switch u {
	case ast.TimeUnitYearMonth:
		return []ast.TimeUnitType{ast.TimeUnitYear, ast.TimeUnitMonth}
	case ast.TimeUnitDayHour:
		return all[:2]
	case ast.TimeUnitDayMinute:
		return all[:3]
	case ast.TimeUnitDaySecond:
		return all[:4]
	case ast.TimeUnitDayMicrosecond:
		return all
	case ast.TimeUnitHourMinute:
		return all[1:3]
	case ast.TimeUnitHourSecond:
		return all[1:4]
	case ast.TimeUnitHourMicrosecond:
		return all[1:]
	case ast.TimeUnitMinuteSecond:
		return all[2:4]
	case ast.TimeUnitMinuteMicrosecond:
		return all[2:]
	case ast.TimeUnitSecondMicrosecond:
		return all[3:]
	}
	return nil
}

func compoundInterval(text string, parts []ast.TimeUnitType) (interval, bool) {
	text = strings.TrimSpace(text)
	sign := int64(1)
	if strings.HasPrefix(text, "-") {
		sign = -1
	}
	numbers := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if len(numbers) > len(parts) {
		return interval{}, false
	}
	parts = parts[len(parts)-len(numbers):]
	var sum interval
	for i, digits := range numbers {
		if parts[i] == ast.TimeUnitMicrosecond && len(digits) < 6 {
			digits += strings.Repeat("0", 6-len(digits))
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return interval{}, false
		}
		iv, ok := simpleInterval(sign*n, parts[i])
		if !ok {
			return interval{}, false
		}
		sum = interval{sum.months + iv.months, sum.span + iv.span, sum.days + iv.days}
	}
	return sum, true
}

// timestampDiff counts whole units from the first time to the second.
func timestampDiff(c *compiler, k call) (*expr, error) {
	unit := unitOf(k.nodes[0])
	return strict(intType(21).nullable(), k.args[1:], func(f *frame, v []Value) (Value, error) {
		a, _, _, ok1 := v[0].datetime(f.st.now, f.warn)
		b, _, _, ok2 := v[1].datetime(f.st.now, f.warn)
		if !ok1 || !ok2 {
			return Null(), nil
		}
		micros := b.UnixMicro() - a.UnixMicro()
		switch unit {
		case ast.TimeUnitMicrosecond:
			return Int(micros), nil
		case ast.TimeUnitSecond:
			return Int(micros / 1_000_000), nil
		case ast.TimeUnitMinute:
			return Int(micros / 60_000_000), nil
		case ast.TimeUnitHour:
			return Int(micros / 3_600_000_000), nil
		case ast.TimeUnitDay:
			return Int(micros / 86_400_000_000), nil
		case ast.TimeUnitWeek:
			return Int(micros / (7 * 86_400_000_000)), nil
		}
		months := monthsBetween(a, b)
		switch unit {
		case ast.TimeUnitQuarter:
			months /= 3
		case ast.TimeUnitYear:
			months /= 12
		}
		return Int(months), nil
	}), nil
}

func monthsBetween(a, b time.Time) int64 {
	if b.Before(a) {
		return -monthsBetween(b, a)
	}
	n := int64(b.Year()-a.Year())*12 + int64(b.Month()) - int64(a.Month())
	if b.Day() < a.Day() || b.Day() == a.Day() && clockOf(b) < clockOf(a) {
		n--
	}
	return n
}

// extract is EXTRACT(unit FROM time): compound units give their digits in a row.
func extract(c *compiler, k call) (*expr, error) {
	unit := unitOf(k.nodes[0])
	parts := compoundParts(unit)
	if parts == nil {
		parts = []ast.TimeUnitType{unit}
	}
	clockOnly := k.args[1].kind == KindDuration
	return strict(intType(extractDigits(unit, clockOnly)).nullable(), k.args[1:], func(f *frame, v []Value) (Value, error) {
		var t time.Time
		var d time.Duration
		var ok bool
		if clockOnly {
			d, _, ok = v[0].duration(f.warn)
		} else {
			t, _, _, ok = v[0].datetime(f.st.now, f.warn)
			d = clockOf(t)
		}
		if !ok {
			return Null(), nil
		}
		sign := int64(1)
		if d < 0 {
			sign, d = -1, -d
		}
		n := int64(0)
		for _, p := range parts {
			value, width := extractPart(t, d, p)
			n = n*width + value
		}
		return Int(sign * n), nil
	}), nil
}

// extractPart is one part and the power of ten its digits need after others.
func extractPart(t time.Time, d time.Duration, unit ast.TimeUnitType) (value, width int64) {
	switch unit {
	case ast.TimeUnitYear:
		return int64(t.Year()), 10000
	case ast.TimeUnitQuarter:
		return int64(t.Month()+2) / 3, 10
	case ast.TimeUnitMonth:
		return int64(t.Month()), 100
	case ast.TimeUnitWeek:
		_, w := weekOf(t, 0)
		return int64(w), 100
	case ast.TimeUnitDay:
		return int64(t.Day()), 100
	case ast.TimeUnitHour:
		return int64(d / time.Hour), 100
	case ast.TimeUnitMinute:
		return int64(d / time.Minute % 60), 100
	case ast.TimeUnitSecond:
		return int64(d / time.Second % 60), 100
	}
	return int64(d / time.Microsecond % 1_000_000), 1_000_000
}

func timeDiff(c *compiler, k call) (*expr, error) {
	fsp := max(argFsp(c, k.args[0]), argFsp(c, k.args[1]))
	return strict(timeType(fsp).nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		var d time.Duration
		pa, isA := asDatetime(v[0])
		pb, isB := asDatetime(v[1])
		if isA != isB {
			return Null(), nil
		}
		if isA {
			d = pa.Sub(pb)
		} else {
			a, _, ok1 := v[0].duration(f.warn)
			b, _, ok2 := v[1].duration(f.warn)
			if !ok1 || !ok2 {
				return Null(), nil
			}
			d = a - b
		}
		return Duration(min(max(d, -maxDuration), maxDuration), fsp), nil
	}), nil
}

// extractDigits is the width of what EXTRACT reads: two digits a part, but four of a year, three
// of a TIME's hours and six of microseconds; and a sign where the time of day has a part in it.
func extractDigits(unit ast.TimeUnitType, clockOnly bool) uint32 {
	switch unit {
	case ast.TimeUnitYear:
		return 4
	case ast.TimeUnitYearMonth:
		return 6
	case ast.TimeUnitQuarter, ast.TimeUnitMonth, ast.TimeUnitWeek, ast.TimeUnitDay:
		return 2
	}
	n, parts := uint32(1), compoundParts(unit)
	if parts == nil {
		parts = []ast.TimeUnitType{unit}
	}
	for _, p := range parts {
		switch {
		case p == ast.TimeUnitMicrosecond:
			n += 6
		default:
			n += 2
		}
	}
	return n
}

// asDatetime tells a date with a time from a bare time of day.
func asDatetime(v Value) (time.Time, bool) {
	switch v.kind {
	case KindDate, KindDatetime:
		return v.tim, true
	case KindString, KindBytes:
		p, ok := parseDatetime(v.str)
		return p.t, ok && (p.hasTime || strings.Count(v.str, "-") == 2)
	}
	return time.Time{}, false
}
