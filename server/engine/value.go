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

// The constructors.
func Null() Value                           { return Value{} }
func Int(v int64) Value                     { return Value{kind: KindInt, num: v} }
func Uint(v uint64) Value                   { return Value{kind: KindUint, num: int64(v)} }
func Float(v float64) Value                 { return Value{kind: KindFloat, flt: v} }
func Decimal(v decimal.Decimal) Value       { return Value{kind: KindDecimal, dec: &v} }
func String(v string) Value                 { return Value{kind: KindString, str: v} }
func Bytes(v []byte) Value                  { return Value{kind: KindBytes, str: string(v)} }
func Date(t time.Time) Value                { return Value{kind: KindDate, tim: t} }
func Datetime(t time.Time, fsp uint8) Value { return Value{kind: KindDatetime, tim: t, fsp: fsp} }
func Duration(d time.Duration, fsp uint8) Value {
	return Value{kind: KindDuration, num: int64(d), fsp: fsp}
}

// The accessors; each is meaningful for its own kind only.
func (v Value) Kind() Kind              { return v.kind }
func (v Value) IsNull() bool            { return v.kind == KindNull }
func (v Value) Int() int64              { return v.num }
func (v Value) Uint() uint64            { return uint64(v.num) }
func (v Value) Float() float64          { return v.flt }
func (v Value) Str() string             { return v.str } // KindString, KindBytes
func (v Value) Time() time.Time         { return v.tim } // KindDate, KindDatetime
func (v Value) Duration() time.Duration { return time.Duration(v.num) }

// Dec is the number of a KindDecimal.
func (v Value) Dec() decimal.Decimal {
	if v.dec == nil {
		return decimal.Decimal{}
	}
	return *v.dec
}
