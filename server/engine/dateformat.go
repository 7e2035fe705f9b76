package engine

import (
	"strconv"
	"strings"
	"time"
)

// formatLength bounds how long a formatted date can be.
func formatLength(c *compiler, format *expr) uint32 {
	if !format.fixed {
		return format.length * 10
	}
	v, err := format.eval(&frame{st: c.st})
	if err != nil {
		return format.length * 10
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
