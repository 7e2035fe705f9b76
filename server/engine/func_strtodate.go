package engine

import (
	"strings"
	"time"
)

// strToDate is STR_TO_DATE(text, format). What the format names decides the type: a DATE,
// a TIME, or a DATETIME; a format that is not constant gives a DATETIME(6).
func strToDate(c *compiler, k call) (*expr, error) {
	t := datetimeType(6)
	if format := k.args[1]; format.fixed {
		if v, err := format.eval(&frame{st: c.st}); err == nil {
			t = formatType(v.Text())
		}
	}
	return strict(t.nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		var p dateParts
		text := v[0].Text()
		rest, ok := p.read(text, v[1].Text())
		var at time.Time
		if ok {
			at, ok = p.time(t.kind == KindDuration)
		}
		if !ok {
			f.warn(1411, "Incorrect datetime value: '"+text+"' for function str_to_date")
			return Null(), nil
		}
		if strings.TrimSpace(rest) != "" {
			f.warn(1292, "Truncated incorrect "+typeWord(t)+" value: '"+text+"'")
		}
		switch t.kind {
		case KindDate:
			return Date(dayOf(at)), nil
		case KindDuration:
			return Duration(clockOf(at), t.dec), nil
		}
		return Datetime(at, t.dec), nil
	}), nil
}

func typeWord(t typ) string {
	switch t.kind {
	case KindDate:
		return "date"
	case KindDuration:
		return "time"
	}
	return "datetime"
}

// formatType is the type of what a format reads.
func formatType(format string) typ {
	var date, clock, micros bool
	for i := 0; i+1 < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		i++
		switch format[i] {
		case 'f':
			clock, micros = true, true
		case 'H', 'h', 'I', 'i', 'k', 'l', 'p', 'r', 'S', 's', 'T':
			clock = true
		case 'a', 'b', 'c', 'D', 'd', 'e', 'j', 'M', 'm', 'U', 'u', 'V', 'v', 'W', 'w', 'X', 'x', 'Y', 'y':
			date = true
		}
	}
	fsp := uint8(0)
	if micros {
		fsp = 6
	}
	switch {
	case date && clock:
		return datetimeType(fsp)
	case clock:
		return timeType(fsp)
	}
	return dateType()
}

// dateParts is what a format has found in a text; -1 = not there.
type dateParts struct {
	year, month, day      int
	hour, minute, second  int
	micros                int
	yearDay, weekDay      int
	week, weekYear        int
	mondayFirst, isoWeeks bool
	twelve, pm            bool
}

// read takes text apart as the format says, and gives what is left of it. ok is false where
// they do not fit.
func (p *dateParts) read(text, format string) (rest string, ok bool) {
	*p = dateParts{yearDay: -1, weekDay: -1, week: -1, weekYear: -1}
	return p.readOn(text, format)
}

func (p *dateParts) readOn(s, format string) (rest string, ok bool) {
	for i := 0; i < len(format); i++ {
		if s = strings.TrimLeft(s, " \t\n\v\f\r"); s == "" {
			break
		}
		c := format[i]
		if c != '%' || i+1 == len(format) {
			if strings.IndexByte(" \t\n\v\f\r", c) >= 0 {
				continue
			}
			if s[0] != c {
				return s, false
			}
			s = s[1:]
			continue
		}
		i++
		if s, ok = p.specifier(s, format[i]); !ok {
			return s, false
		}
	}
	return s, true
}

func (p *dateParts) specifier(s string, c byte) (rest string, ok bool) {
	number := func(to *int, digits int) (string, bool) {
		n, size := leadingNumber(s, digits)
		*to = n
		return s[size:], size > 0
	}
	switch c {
	case 'Y', 'y':
		n, size := leadingNumber(s, map[byte]int{'Y': 4, 'y': 2}[c])
		if size <= 2 && size > 0 {
			n = twoDigitYear(n)
		}
		p.year = n
		return s[size:], size > 0
	case 'm', 'c':
		return number(&p.month, 2)
	case 'd', 'e':
		return number(&p.day, 2)
	case 'D':
		rest, ok = number(&p.day, 2)
		return rest[min(2, len(rest)):], ok // 1st, 2nd
	case 'M', 'b':
		rest, p.month, ok = findName(s, 12, func(i int) string { return time.Month(i).String() }, c == 'b', 1)
		return rest, ok
	case 'W', 'a':
		rest, p.weekDay, ok = findName(s, 7, func(i int) string { return time.Weekday(i).String() }, c == 'a', 0)
		return rest, ok
	case 'w':
		rest, ok = number(&p.weekDay, 1)
		return rest, ok && p.weekDay < 7
	case 'j':
		rest, ok = number(&p.yearDay, 3)
		return rest, ok && p.yearDay >= 1 && p.yearDay <= 366
	case 'H', 'k':
		return number(&p.hour, 2)
	case 'h', 'I', 'l':
		p.twelve = true
		return number(&p.hour, 2)
	case 'i':
		return number(&p.minute, 2)
	case 's', 'S':
		return number(&p.second, 2)
	case 'f':
		n, size := leadingNumber(s, 6)
		p.micros = n
		for range 6 - size {
			p.micros *= 10
		}
		return s[size:], size > 0
	case 'p':
		if len(s) < 2 || !p.twelve {
			return s, false
		}
		p.pm = strings.EqualFold(s[:2], "PM")
		return s[2:], p.pm || strings.EqualFold(s[:2], "AM")
	case 'r':
		return p.readOn(s, "%I:%i:%S %p")
	case 'T':
		return p.readOn(s, "%H:%i:%S")
	case 'U', 'u', 'V', 'v':
		p.mondayFirst, p.isoWeeks = c == 'u' || c == 'v', c == 'V' || c == 'v'
		rest, ok = number(&p.week, 2)
		return rest, ok && p.week <= 53
	case 'X', 'x':
		return number(&p.weekYear, 4)
	case '.':
		return strings.TrimLeft(s, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"), true
	case '@':
		return strings.TrimLeft(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"), true
	case '#':
		return strings.TrimLeft(s, "0123456789"), true
	}
	return s, false
}

// leadingNumber reads at most so many digits.
func leadingNumber(s string, digits int) (n, size int) {
	for size < len(s) && size < digits && s[size] >= '0' && s[size] <= '9' {
		n = n*10 + int(s[size]-'0')
		size++
	}
	return n, size
}

// findName finds which of the names numbered from first on a text begins with.
func findName(s string, count int, nameOf func(int) string, short bool, first int) (rest string, found int, ok bool) {
	for i := first; i < first+count; i++ {
		n := nameOf(i)
		if short {
			n = n[:3]
		}
		if len(s) >= len(n) && strings.EqualFold(s[:len(n)], n) {
			return s[len(n):], i, true
		}
	}
	return s, 0, false
}

// time puts the parts together; ok is false for a day that does not exist, the zero date
// included, unless only the time of day counts.
func (p *dateParts) time(clockOnly bool) (t time.Time, ok bool) {
	hour := p.hour
	if p.twelve {
		if hour < 1 || hour > 12 {
			return t, false
		}
		if hour %= 12; p.pm {
			hour += 12
		}
	}
	if clockOnly {
		p.year, p.month, p.day = 2000, 1, 1
	}
	switch {
	case clockOnly:
	case p.yearDay > 0:
		day := time.Date(p.year, 1, p.yearDay, 0, 0, 0, 0, time.UTC)
		p.year, p.month, p.day = day.Year(), int(day.Month()), day.Day()
	case p.week >= 0 && p.weekDay >= 0:
		day, ok := p.dayOfWeek()
		if !ok {
			return t, false
		}
		p.year, p.month, p.day = day.Year(), int(day.Month()), day.Day()
	}
	t, ok = makeTime(p.year, p.month, p.day, hour, p.minute, p.second, p.micros*1000)
	return t, ok && !t.IsZero()
}

// dayOfWeek is the day that a year, a week and a weekday name. %V and %v count weeks of
// %X and %x, and %U and %u weeks of %Y: anything else is an error, as in MySQL.
func (p *dateParts) dayOfWeek() (time.Time, bool) {
	year := p.year
	if p.isoWeeks {
		year = p.weekYear
	}
	if (p.weekYear >= 0) != p.isoWeeks || year <= 0 || p.week == 0 && p.isoWeeks {
		return time.Time{}, false
	}
	weekday := func(d time.Weekday) int { return int(d) }
	if p.mondayFirst {
		weekday = func(d time.Weekday) int { return int(d+6) % 7 }
	}
	first := firstWeek(year, func(d time.Time) int { return weekday(d.Weekday()) }, p.mondayFirst)
	return first.AddDate(0, 0, (p.week-1)*7+weekday(time.Weekday(p.weekDay))), true
}
