package wire

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/shopspring/decimal"

	"pumphouse/server/engine"
)

// Params decodes the parameters of one prepared statement. It remembers the types
// between executes, and the long data until it is used.
type Params struct {
	n        int
	types    []paramType
	long     [][]byte // by parameter; nil: none came
	longSize int
	longErr  error
	values   []engine.Value
}

type paramType struct {
	code     byte
	unsigned bool
}

// NewParams is for a statement with n parameters.
func NewParams(n int) *Params { return &Params{n: n} }

// Execute is the fixed part of COM_STMT_EXECUTE.
type Execute struct {
	Statement uint32
	Cursor    bool   // the client wants to fetch the rows (CURSOR_TYPE_READ_ONLY)
	rest      []byte // bitmap, types, values
}

// ParseExecute reads COM_STMT_EXECUTE without its command byte.
func ParseExecute(payload []byte) (Execute, error) {
	c := newCursor(payload)
	e := Execute{Statement: c.u32()}
	e.Cursor = c.u8()&mysql.CURSOR_TYPE_READ_ONLY != 0
	c.u32() // iteration count, always 1
	if !c.ok {
		return Execute{}, errMalformed()
	}
	e.rest = c.b
	return e, nil
}

// AddLong takes one piece of COM_STMT_SEND_LONG_DATA for the parameter with that
// index. limit bounds all pieces together, and take is asked for the bytes that they take. The
// command has no answer: an error is kept for the execute that follows.
func (p *Params) AddLong(index int, piece []byte, limit int, take func(bytes int64) error) {
	switch {
	case p.longErr != nil:
	case index >= p.n:
		p.longErr = Fail(mysql.ER_WRONG_ARGUMENTS, "mysqld_stmt_send_long_data")
	case p.longSize+len(piece) > limit:
		p.longErr = errTooLarge()
	default:
		if p.longErr = take(int64(len(piece))); p.longErr != nil {
			break
		}
		if p.long == nil {
			p.long = make([][]byte, p.n)
		}
		if p.long[index] == nil {
			p.long[index] = []byte{}
		}
		p.long[index] = append(p.long[index], piece...)
		p.longSize += len(piece)
		return
	}
	_ = take(-int64(p.longSize)) // giving back does not fail
	p.long, p.longSize = nil, 0
}

// LongSize is how many bytes of long data there are.
func (p *Params) LongSize() int { return p.longSize }

// Reset forgets long data (COM_STMT_RESET).
func (p *Params) Reset() { p.long, p.longSize, p.longErr = nil, 0, nil }

// Decode reads the parameters of an execute, texts being in cs, and forgets the long
// data. The slice is valid until the next call or Forget.
func (p *Params) Decode(e Execute, cs *Charset) ([]engine.Value, error) {
	defer p.Reset()
	if p.longErr != nil {
		return nil, p.longErr
	}
	if p.n == 0 {
		return nil, nil
	}
	c := newCursor(e.rest)
	nulls := c.take(uint64(p.n+7) / 8)
	newTypes := c.u8() == 1
	if !c.ok {
		return nil, errArguments()
	}
	if newTypes {
		if err := p.readTypes(&c); err != nil {
			return nil, err
		}
	}
	if p.types == nil {
		return nil, errArguments()
	}
	p.values = p.values[:0]
	for i, t := range p.types {
		var v engine.Value
		switch {
		case p.long != nil && p.long[i] != nil:
			v = longValue(t, p.long[i], cs)
		case nulls[i/8]&(1<<(i%8)) != 0:
		default:
			v = readParam(&c, t, cs)
		}
		if !c.ok {
			return nil, errArguments()
		}
		p.values = append(p.values, v)
	}
	// What is left is ignored, as MySQL does: mysql2 for node sends a stray byte for
	// each NULL.
	return p.values, nil
}

// Forget drops the values of the last execute.
func (p *Params) Forget() { clear(p.values) }

func (p *Params) readTypes(c *cursor) error {
	raw := c.take(2 * uint64(p.n))
	if raw == nil {
		return errArguments()
	}
	types := make([]paramType, p.n)
	for i := range types {
		types[i] = paramType{code: raw[2*i], unsigned: raw[2*i+1]&mysql.PARAM_UNSIGNED != 0}
	}
	p.types = types
	return nil
}

func longValue(t paramType, data []byte, cs *Charset) engine.Value {
	if isBlob(t.code) {
		return engine.Bytes(data)
	}
	return engine.String(cs.Decode(data))
}

func isBlob(code byte) bool {
	switch code {
	case mysql.MYSQL_TYPE_TINY_BLOB, mysql.MYSQL_TYPE_MEDIUM_BLOB, mysql.MYSQL_TYPE_LONG_BLOB,
		mysql.MYSQL_TYPE_BLOB, mysql.MYSQL_TYPE_BIT, mysql.MYSQL_TYPE_GEOMETRY:
		return true
	}
	return false
}

// readParam reads one value. What is malformed turns the cursor bad.
func readParam(c *cursor, t paramType, cs *Charset) engine.Value {
	switch t.code {
	case mysql.MYSQL_TYPE_NULL:
		return engine.Null()
	case mysql.MYSQL_TYPE_TINY:
		return integerParam(t, int64(int8(c.u8())), 8)
	case mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR:
		return integerParam(t, int64(int16(c.u16())), 16)
	case mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_INT24:
		return integerParam(t, int64(int32(c.u32())), 32)
	case mysql.MYSQL_TYPE_LONGLONG:
		return integerParam(t, int64(c.u64()), 64)
	case mysql.MYSQL_TYPE_FLOAT:
		// Through the text, so that 1.1 stays 1.1 and does not become 1.10000002384.
		text := strconv.FormatFloat(float64(math.Float32frombits(c.u32())), 'g', -1, 32)
		f, _ := strconv.ParseFloat(text, 64)
		return floatParam(c, f)
	case mysql.MYSQL_TYPE_DOUBLE:
		return floatParam(c, math.Float64frombits(c.u64()))
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_NEWDATE:
		return dateParam(c, true)
	case mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP:
		return dateParam(c, false)
	case mysql.MYSQL_TYPE_TIME:
		return durationParam(c)
	case mysql.MYSQL_TYPE_DECIMAL, mysql.MYSQL_TYPE_NEWDECIMAL:
		return decimalParam(c, string(c.lenencBytes()))
	case mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_STRING,
		mysql.MYSQL_TYPE_ENUM, mysql.MYSQL_TYPE_SET, mysql.MYSQL_TYPE_JSON:
		return engine.String(cs.Decode(c.lenencBytes()))
	}
	if isBlob(t.code) {
		return engine.Bytes(c.lenencBytes())
	}
	c.ok = false
	return engine.Null()
}

// integerParam takes a sign-extended integer of that many bits.
func integerParam(t paramType, v int64, bits uint) engine.Value {
	if !t.unsigned {
		return engine.Int(v)
	}
	return engine.Uint(uint64(v) << (64 - bits) >> (64 - bits))
}

func floatParam(c *cursor, f float64) engine.Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		c.ok = false
	}
	return engine.Float(f)
}

// maxDecimal is longer than any text of a DECIMAL(65,30).
const maxDecimal = 81

// decimalParam takes plain digits only: an exponent could stand for gigabytes of them.
func decimalParam(c *cursor, s string) engine.Value {
	if len(s) > maxDecimal || strings.Trim(s, "+-.0123456789") != "" || !c.ok {
		c.ok = false
		return engine.Null()
	}
	d, err := decimal.NewFromString(s)
	if err != nil {
		c.ok = false
		return engine.Null()
	}
	return engine.Decimal(d)
}

// dateParam reads a length byte and 0, 4, 7 or 11 bytes. The zero date is kept as a
// zero time.Time.
func dateParam(c *cursor, dateOnly bool) engine.Value {
	n := c.u8()
	f := newCursor(c.take(uint64(n)))
	if n != 0 && n != 4 && n != 7 && n != 11 {
		c.ok = false
	}
	var year, month, day, hour, minute, second, micro int
	if n >= 4 {
		year, month, day = int(f.u16()), int(f.u8()), int(f.u8())
	}
	if n >= 7 {
		hour, minute, second = int(f.u8()), int(f.u8()), int(f.u8())
	}
	if n == 11 {
		micro = int(f.u32())
	}
	t := time.Time{}
	if year|month|day|hour|minute|second|micro != 0 {
		t = time.Date(year, time.Month(month), day, hour, minute, second, micro*int(time.Microsecond), time.UTC)
		if year > 9999 || t.Year() != year || t.Month() != time.Month(month) || t.Day() != day ||
			hour > 23 || minute > 59 || second > 59 || micro > 999_999 {
			c.ok = false // 30 February and the like
		}
	}
	if dateOnly && n <= 4 {
		return engine.Date(t)
	}
	return engine.Datetime(t, fsp(micro))
}

// durationParam reads a length byte and 0, 8 or 12 bytes.
func durationParam(c *cursor) engine.Value {
	n := c.u8()
	f := newCursor(c.take(uint64(n)))
	if n != 0 && n != 8 && n != 12 {
		c.ok = false
	}
	var d time.Duration
	micro := 0
	if n >= 8 {
		negative := f.u8() != 0
		days, hour, minute, second := f.u32(), f.u8(), f.u8(), f.u8()
		if n == 12 {
			micro = int(f.u32())
		}
		// MySQL's TIME ends at 838:59:59.
		if days > 34 || hour > 23 || minute > 59 || second > 59 || micro > 999_999 {
			c.ok = false
		}
		d = time.Duration(days%64)*24*time.Hour + time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute +
			time.Duration(second)*time.Second + time.Duration(micro)*time.Microsecond
		if negative {
			d = -d
		}
	}
	return engine.Duration(d, fsp(micro))
}

func fsp(micro int) uint8 {
	if micro != 0 {
		return 6
	}
	return 0
}
