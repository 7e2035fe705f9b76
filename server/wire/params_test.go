package wire

import (
	"errors"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/server/engine"
)

// decodeOne decodes a single parameter of a type.
func decodeOne(t *testing.T, code, flags byte, value string) (engine.Value, error) {
	t.Helper()
	e, err := ParseExecute([]byte("\x01\x00\x00\x00\x00\x01\x00\x00\x00" + "\x00\x01" + string([]byte{code, flags}) + value))
	if err != nil {
		t.Fatal(err)
	}
	values, err := NewParams(1).Decode(e, utf8mb4)
	if err != nil {
		return engine.Null(), err
	}
	return values[0], nil
}

func TestParametersOfEveryType(t *testing.T) {
	for _, c := range []struct {
		name        string
		code, flags byte
		value       string
		kind        engine.Kind
		want        string
	}{
		{"tiny", mysql.MYSQL_TYPE_TINY, 0, "\xff", engine.KindInt, "-1"},
		{"unsigned tiny", mysql.MYSQL_TYPE_TINY, 0x80, "\xff", engine.KindUint, "255"},
		{"short", mysql.MYSQL_TYPE_SHORT, 0, "\xfe\xff", engine.KindInt, "-2"},
		{"unsigned long", mysql.MYSQL_TYPE_LONG, 0x80, "\xff\xff\xff\xff", engine.KindUint, "4294967295"},
		{"longlong", mysql.MYSQL_TYPE_LONGLONG, 0, "\x00\x00\x00\x00\x00\x00\x00\x80", engine.KindInt, "-9223372036854775808"},
		{"unsigned longlong", mysql.MYSQL_TYPE_LONGLONG, 0x80, "\xff\xff\xff\xff\xff\xff\xff\xff", engine.KindUint, "18446744073709551615"},
		{"float", mysql.MYSQL_TYPE_FLOAT, 0, "\xcd\xcc\x8c\x3f", engine.KindFloat, "1.1"},
		{"double", mysql.MYSQL_TYPE_DOUBLE, 0, "\x9a\x99\x99\x99\x99\x99\xf1\x3f", engine.KindFloat, "1.1"},
		{"decimal", mysql.MYSQL_TYPE_NEWDECIMAL, 0, "\x07-12.340", engine.KindDecimal, "-12.340"},
		{"string", mysql.MYSQL_TYPE_VAR_STRING, 0, "\x02ab", engine.KindString, "ab"},
		{"blob", mysql.MYSQL_TYPE_BLOB, 0, "\x02\x00\xff", engine.KindBytes, "\x00\xff"},
		{"date", mysql.MYSQL_TYPE_DATE, 0, "\x04\xea\x07\x02\x1c", engine.KindDate, "2026-02-28"},
		{"zero date", mysql.MYSQL_TYPE_DATE, 0, "\x00", engine.KindDate, "0000-00-00"},
		{"datetime", mysql.MYSQL_TYPE_DATETIME, 0, "\x07\xea\x07\x02\x1c\x01\x02\x03", engine.KindDatetime, "2026-02-28 01:02:03"},
		{"micros", mysql.MYSQL_TYPE_TIMESTAMP, 0, "\x0b\xea\x07\x02\x1c\x01\x02\x03\x01\x00\x00\x00", engine.KindDatetime, "2026-02-28 01:02:03.000001"},
		{"time", mysql.MYSQL_TYPE_TIME, 0, "\x08\x01\x01\x00\x00\x00\x02\x03\x04", engine.KindDuration, "-26:03:04"},
		{"no time", mysql.MYSQL_TYPE_TIME, 0, "\x00", engine.KindDuration, "00:00:00"},
		{"null", mysql.MYSQL_TYPE_NULL, 0, "", engine.KindNull, ""},
	} {
		v, err := decodeOne(t, c.code, c.flags, c.value)
		if err != nil || v.Kind() != c.kind || v.Text() != c.want {
			t.Errorf("%s: got %q of kind %d, error %v; want %q of kind %d", c.name, v.Text(), v.Kind(), err, c.want, c.kind)
		}
	}
}

func TestParametersThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		name  string
		code  byte
		value string
	}{
		{"cut integer", mysql.MYSQL_TYPE_LONG, "\x01\x02"},
		{"cut string", mysql.MYSQL_TYPE_STRING, "\x05ab"},
		{"endless string", mysql.MYSQL_TYPE_STRING, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff"},
		{"NULL as a length", mysql.MYSQL_TYPE_STRING, "\xfb"},
		{"30 February", mysql.MYSQL_TYPE_DATE, "\x04\xea\x07\x02\x1e"},
		{"month 0", mysql.MYSQL_TYPE_DATE, "\x04\xea\x07\x00\x01"},
		{"length 5", mysql.MYSQL_TYPE_DATE, "\x05\xea\x07\x02\x1c\x00"},
		{"hour 25", mysql.MYSQL_TYPE_DATETIME, "\x07\xea\x07\x02\x1c\x19\x00\x00"},
		{"long time", mysql.MYSQL_TYPE_TIME, "\x08\x00\xff\xff\xff\xff\x00\x00\x00"},
		{"not a number", mysql.MYSQL_TYPE_DOUBLE, "\x00\x00\x00\x00\x00\x00\xf8\x7f"},
		{"exponent bomb", mysql.MYSQL_TYPE_NEWDECIMAL, "\x0b1e999999999"},
		{"words", mysql.MYSQL_TYPE_NEWDECIMAL, "\x03abc"},
		{"geometry of another kind", 0x70, "\x01a"},
	} {
		_, err := decodeOne(t, c.code, 0, c.value)
		var e *engine.Error
		if !errors.As(err, &e) || e.Code != mysql.ER_WRONG_ARGUMENTS {
			t.Errorf("%s: %v, want error 1210", c.name, err)
		}
	}
}

func TestBinaryDatesGoOutAsTheyCameIn(t *testing.T) {
	c, f := connOn(nil, 1<<20)
	at := time.Date(2026, 2, 28, 1, 2, 3, 0, time.UTC)
	cols := []engine.Column{{Type: mysql.MYSQL_TYPE_DATETIME}, {Type: mysql.MYSQL_TYPE_DATE}, {Type: mysql.MYSQL_TYPE_DATETIME}, {Type: mysql.MYSQL_TYPE_TIME}}
	row := []engine.Value{engine.Datetime(at, 0), engine.Datetime(at, 0), engine.Date(time.Time{}), engine.Duration(-(26*time.Hour + 1500*time.Millisecond), 3)}
	if err := c.WriteBinaryRow(cols, row); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "\x00\x00" + "\x07\xea\x07\x02\x1c\x01\x02\x03" + "\x04\xea\x07\x02\x1c" + "\x00" + "\x0c\x01\x01\x00\x00\x00\x02\x00\x01\x20\xa1\x07\x00"
	if got := f.out.String()[4:]; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzExecute decodes any bytes, several times with the same statement.
func FuzzExecute(f *testing.F) {
	f.Add(1, []byte("\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfd\x00\x02ab"))
	f.Add(3, []byte("\x01\x00\x00\x00\x01\x01\x00\x00\x00\x02\x01\x03\x00\x0c\x00\x0b\x00\x01\x00\x00\x00\x04\xea\x07\x01\x01\x00"))
	f.Add(0, []byte{})
	f.Fuzz(func(t *testing.T, n int, payload []byte) {
		if n < 0 || n > 300 {
			return
		}
		p := NewParams(n)
		for range 2 {
			e, err := ParseExecute(payload)
			if err != nil {
				return
			}
			values, err := p.Decode(e, gbk)
			if err == nil && len(values) != n {
				t.Fatalf("%d values for %d parameters", len(values), n)
			}
			for _, v := range values {
				_ = v.Text()
			}
			p.AddLong(0, payload, 1<<10, func(int64) error { return nil })
		}
	})
}
