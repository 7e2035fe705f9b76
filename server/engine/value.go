package engine

import (
	"time"

	"github.com/shopspring/decimal"
)

// Kind is the type of a [Value].
type Kind uint8

// The kinds of values. Dates and times carry no zone: they are wall clock readings,
// kept in a time.Time in UTC.
const (
	KindNull Kind = iota
	KindInt
	KindUint
	KindDecimal
	KindFloat
	KindString   // text in utf8mb4
	KindBytes    // binary string
	KindDate     // date without a time of day
	KindDatetime // date and time with 0 to 6 fractional digits
	KindDuration // MySQL's TIME: a span of time
)

// Value is one SQL value. The zero Value is NULL. Values are small and copied freely;
// what they point to is never changed.
type Value struct {
	kind Kind
	fsp  uint8 // fractional second digits of KindDatetime and KindDuration
	num  int64 // KindInt, KindUint (same bits), KindDuration (nanoseconds)
	flt  float64
	str  string
	dec  *decimal.Decimal
	tim  time.Time
}

// Null is NULL.
func Null() Value { return Value{} }

// Int is a signed integer.
func Int(v int64) Value { return Value{kind: KindInt, num: v} }

// Uint is an unsigned integer.
func Uint(v uint64) Value { return Value{kind: KindUint, num: int64(v)} }

// Float is a DOUBLE.
func Float(v float64) Value { return Value{kind: KindFloat, flt: v} }

// Decimal is an exact decimal.
func Decimal(v decimal.Decimal) Value { return Value{kind: KindDecimal, dec: &v} }

// String is a text in UTF-8.
func String(v string) Value { return Value{kind: KindString, str: v} }

// Bytes is a binary string; v is copied.
func Bytes(v []byte) Value { return Value{kind: KindBytes, str: string(v)} }

// Date is a DATE: the day of t.
func Date(t time.Time) Value { return Value{kind: KindDate, tim: t} }

// Datetime is a DATETIME with fsp digits after the second.
func Datetime(t time.Time, fsp uint8) Value { return Value{kind: KindDatetime, tim: t, fsp: fsp} }

// Duration is a TIME with fsp digits after the second.
func Duration(d time.Duration, fsp uint8) Value {
	return Value{kind: KindDuration, num: int64(d), fsp: fsp}
}

// Kind says which of the accessors below is meaningful.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is NULL.
func (v Value) IsNull() bool { return v.kind == KindNull }

// Int is the number of a KindInt.
func (v Value) Int() int64 { return v.num }

// Uint is the number of a KindUint.
func (v Value) Uint() uint64 { return uint64(v.num) }

// Float is the number of a KindFloat.
func (v Value) Float() float64 { return v.flt }

// Str is the text of a KindString, the bytes of a KindBytes.
func (v Value) Str() string { return v.str }

// Time is that of a KindDate or KindDatetime.
func (v Value) Time() time.Time { return v.tim }

// Duration is that of a KindDuration.
func (v Value) Duration() time.Duration { return time.Duration(v.num) }

// Dec is the number of a KindDecimal.
func (v Value) Dec() decimal.Decimal {
	if v.dec == nil {
		return decimal.Decimal{}
	}
	return *v.dec
}
