package txn

import (
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// civil is a date and time as it is written, which need not exist: 2020-00-00.
type civil struct {
	year, month, day, hour, minute, second, micro int
}

// unpack reads MySQL's packed form.
func unpack(packed uint64) (civil, error) {
	micro := int(packed & (1<<24 - 1))
	ymdhms := packed >> 24
	ymd, hms := ymdhms>>17, ymdhms&(1<<17-1)
	ym := ymd >> 5
	c := civil{
		year: int(ym / 13), month: int(ym % 13), day: int(ymd & 31),
		hour: int(hms >> 12), minute: int(hms >> 6 & 63), second: int(hms & 63), micro: micro,
	}
	return c, c.check()
}

// unpackCore reads the form in binary JSON: bit fields from the year down.
func unpackCore(v uint64) (civil, error) {
	c := civil{
		year: int(v >> 50), month: int(v >> 46 & 15), day: int(v >> 41 & 31),
		hour: int(v >> 36 & 31), minute: int(v >> 30 & 63), second: int(v >> 24 & 63), micro: int(v >> 4 & (1<<20 - 1)),
	}
	return c, c.check()
}

func (c civil) check() error {
	if c.year > 9999 || c.month > 12 || c.hour > 23 || c.minute > 59 || c.second > 59 || c.micro > 999999 {
		return corrupt("a time is %04d-%02d-%02d %02d:%02d:%02d.%06d", c.year, c.month, c.day, c.hour, c.minute, c.second, c.micro)
	}
	return nil
}

// in moves a time from UTC to a zone; the zero time is in every zone.
func (c civil) in(zone *time.Location) (civil, error) {
	if c == (civil{}) || zone == time.UTC {
		return c, nil
	}
	t := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, c.micro*1000, time.UTC)
	if t.Month() != time.Month(c.month) || t.Day() != c.day {
		return civil{}, corrupt("a timestamp is on %04d-%02d-%02d", c.year, c.month, c.day)
	}
	t = t.In(zone)
	return civil{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), c.micro}, nil
}

// append writes a time of one of the three types with fsp digits of the second's fraction.
func (c civil) append(b []byte, tp byte, fsp int) []byte {
	b = appendPadded(b, c.year, 4)
	b = append(b, '-')
	b = appendPadded(b, c.month, 2)
	b = append(b, '-')
	b = appendPadded(b, c.day, 2)
	if tp == mysql.TypeDate {
		return b
	}
	b = append(b, ' ')
	b = appendPadded(b, c.hour, 2)
	b = append(b, ':')
	b = appendPadded(b, c.minute, 2)
	b = append(b, ':')
	b = appendPadded(b, c.second, 2)
	return appendFraction(b, c.micro, fsp)
}

// maxDuration is what a TIME can be: 838:59:59 and a fraction.
const maxDuration = 839 * time.Hour

// appendDuration writes a TIME.
func appendDuration(b []byte, d time.Duration, fsp int) ([]byte, error) {
	if d <= -maxDuration || d >= maxDuration {
		return b, corrupt("a time is %d ns", int64(d))
	}
	if d < 0 {
		b = append(b, '-')
		d = -d
	}
	b = appendPadded(b, int(d/time.Hour), 2)
	b = append(b, ':')
	b = appendPadded(b, int(d/time.Minute%60), 2)
	b = append(b, ':')
	b = appendPadded(b, int(d/time.Second%60), 2)
	return appendFraction(b, int(d%time.Second/time.Microsecond), fsp), nil
}

// appendFraction writes the first fsp digits of microseconds; more than 6 and less than 0 mean
// that the type has none.
func appendFraction(b []byte, micro, fsp int) []byte {
	if fsp <= 0 || fsp > 6 {
		return b
	}
	b = append(b, '.')
	n := len(b)
	return appendPadded(b, micro, 6)[:n+fsp]
}

// appendPadded writes a number with at least width digits.
func appendPadded(b []byte, n, width int) []byte {
	var digits [20]byte
	i := len(digits)
	for ; n > 0 || width > 0; width-- {
		i--
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return append(b, digits[i:]...)
}

// TimestampInUTC moves the text of a timestamp from a zone to UTC. What is no time, like the zero timestamp, is the same everywhere.
func TimestampInUTC(text []byte, zone *time.Location) []byte {
	if zone == nil || zone == time.UTC {
		return text
	}
	const layout = "2006-01-02 15:04:05"
	t, err := time.ParseInLocation(layout, string(text), zone) // also with a fraction
	if err != nil {
		return text
	}
	return append([]byte(t.UTC().Format(layout)), text[min(len(layout), len(text)):]...)
}
