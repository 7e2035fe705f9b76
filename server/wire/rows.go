package wire

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/server/engine"
)

const nullMark = 0xfb

// Grow makes room for a row of n bytes, so that the buffer does not double on the way there.
func (c *Conn) Grow(n int) {
	at := c.begin()
	c.open, c.out = -1, slices.Grow(c.out[:at], n)
}

// WriteTextRow writes a row as COM_QUERY returns it.
func (c *Conn) WriteTextRow(cols []engine.Column, row []engine.Value) error {
	c.appendTextRow(cols, row)
	return c.sendIfLarge()
}

func (c *Conn) appendTextRow(cols []engine.Column, row []engine.Value) {
	at := c.begin()
	for i := range row {
		if row[i].IsNull() {
			c.out = append(c.out, nullMark)
			continue
		}
		c.appendValueText(&cols[i], row[i])
	}
	c.end(at)
}

// appendValueText writes a value that is not NULL as a length-encoded text.
func (c *Conn) appendValueText(col *engine.Column, v engine.Value) {
	switch v.Kind() {
	case engine.KindString:
		if col.Charset != binaryCollation {
			c.appendText(v.Str())
			return
		}
		c.appendString(v.Str())
	case engine.KindBytes:
		c.appendString(v.Str())
	default:
		at := len(c.out)
		c.out = col.AppendText(append(c.out, 0), v)
		n := len(c.out) - at - 1
		if n <= 250 {
			c.out[at] = byte(n)
			return
		}
		var length [9]byte
		c.out = slices.Replace(c.out, at, at+1, mysql.AppendLengthEncodedInteger(length[:0], uint64(n))...)
	}
}

// WriteBinaryRow writes a row as COM_STMT_EXECUTE and COM_STMT_FETCH return it: each
// value in the form its column's type asks for, whatever kind of value it is.
func (c *Conn) WriteBinaryRow(cols []engine.Column, row []engine.Value) error {
	at := c.begin()
	c.out = append(c.out, mysql.OK_HEADER)
	bitmap := len(c.out)
	for range (len(cols) + 7 + 2) / 8 {
		c.out = append(c.out, 0)
	}
	for i := range row {
		if row[i].IsNull() {
			c.out[bitmap+(i+2)/8] |= 1 << ((i + 2) % 8)
			continue
		}
		c.appendBinary(&cols[i], row[i])
	}
	c.end(at)
	return c.sendIfLarge()
}

func (c *Conn) appendBinary(col *engine.Column, v engine.Value) {
	switch col.Type {
	case mysql.MYSQL_TYPE_TINY:
		c.out = append(c.out, byte(integer(v)))
	case mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR:
		c.out = binary.LittleEndian.AppendUint16(c.out, uint16(integer(v)))
	case mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_INT24:
		c.out = binary.LittleEndian.AppendUint32(c.out, uint32(integer(v)))
	case mysql.MYSQL_TYPE_LONGLONG:
		c.out = binary.LittleEndian.AppendUint64(c.out, integer(v))
	case mysql.MYSQL_TYPE_FLOAT:
		c.out = binary.LittleEndian.AppendUint32(c.out, math.Float32bits(float32(double(v))))
	case mysql.MYSQL_TYPE_DOUBLE:
		c.out = binary.LittleEndian.AppendUint64(c.out, math.Float64bits(double(v)))
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_NEWDATE:
		c.appendBinaryDate(v, false)
	case mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP:
		c.appendBinaryDate(v, true)
	case mysql.MYSQL_TYPE_TIME:
		c.appendBinaryDuration(v)
	case mysql.MYSQL_TYPE_NULL: // carried by the bitmap alone
	default:
		c.appendValueText(col, v)
	}
}

// integer gives a value's 64 bits for an integer column. The engine types its results
// so that only the first two cases happen; the rest keeps the row well-formed.
func integer(v engine.Value) uint64 {
	switch v.Kind() {
	case engine.KindInt, engine.KindUint:
		return v.Uint()
	case engine.KindFloat:
		return uint64(int64(v.Float()))
	case engine.KindDecimal:
		return uint64(v.Dec().IntPart())
	}
	if n, err := strconv.ParseInt(v.Text(), 10, 64); err == nil {
		return uint64(n)
	}
	n, _ := strconv.ParseUint(v.Text(), 10, 64)
	return n
}

func double(v engine.Value) float64 {
	switch v.Kind() {
	case engine.KindFloat:
		return v.Float()
	case engine.KindInt:
		return float64(v.Int())
	case engine.KindUint:
		return float64(v.Uint())
	}
	f, _ := strconv.ParseFloat(v.Text(), 64)
	return f
}

// appendBinaryDate writes a date, with the time of day if clock. Length 0 is the zero
// date; 4, 7 and 11 bytes leave out what is zero.
func (c *Conn) appendBinaryDate(v engine.Value, clock bool) {
	t := v.Time()
	if k := v.Kind(); k != engine.KindDate && k != engine.KindDatetime {
		t = parseDate(v.Text())
	}
	if t.IsZero() {
		c.out = append(c.out, 0)
		return
	}
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	micro := t.Nanosecond() / int(time.Microsecond)
	length := byte(4)
	if clock && micro != 0 {
		length = 11
	} else if clock && (hour != 0 || minute != 0 || second != 0) {
		length = 7
	}
	c.out = append(c.out, length, byte(year), byte(year>>8), byte(month), byte(day))
	if length > 4 {
		c.out = append(c.out, byte(hour), byte(minute), byte(second))
	}
	if length > 7 {
		c.out = binary.LittleEndian.AppendUint32(c.out, uint32(micro))
	}
}

// parseDate reads the text of a date that came as a string; what is none is zero.
func parseDate(s string) time.Time {
	for _, layout := range [...]string{time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

// appendBinaryDuration writes a TIME: 0, 8 or 12 bytes.
func (c *Conn) appendBinaryDuration(v engine.Value) {
	d := v.Duration()
	if v.Kind() != engine.KindDuration || d == 0 {
		c.out = append(c.out, 0)
		return
	}
	negative := byte(0)
	if d < 0 {
		negative, d = 1, -d
	}
	micro := d % time.Second / time.Microsecond
	length := byte(8)
	if micro != 0 {
		length = 12
	}
	c.out = append(c.out, length, negative)
	c.out = binary.LittleEndian.AppendUint32(c.out, uint32(d/(24*time.Hour)))
	c.out = append(c.out, byte(d/time.Hour%24), byte(d/time.Minute%60), byte(d/time.Second%60))
	if length == 12 {
		c.out = binary.LittleEndian.AppendUint32(c.out, uint32(micro))
	}
}
