package txn

import (
	"math"
	"strconv"
)

// Kind is what a Value holds.
type Kind uint8

// The kinds.
const (
	// Missing: the row does not tell. The column is virtual, or is being added or dropped: leave
	// it out of statements, or take [Default].
	Missing Kind = iota
	Null
	Int     // integers, YEAR
	Uint    // unsigned integers
	Float32 // FLOAT
	Float64 // DOUBLE
	Text    // UTF-8 text; also DECIMAL, DATE, DATETIME, TIMESTAMP, TIME and JSON as MySQL prints them
	Bytes   // binary strings
	Enum    // Number is the index (0: the empty error value), Bytes the name
	Set     // Number are the bits, Bytes the names joined by commas
	Bit     // Number is the value, Bytes the same big-endian, as long as the column is
)

// Value is the value of a column. Its Bytes belong to the binlog: they must not be changed.
type Value struct {
	Kind  Kind
	num   uint64
	Bytes []byte
}

// Row are the values of a row by their place in schema.Table.Columns.
type Row []Value

// Int64 is the number of an Int.
func (v Value) Int64() int64 { return int64(v.num) }

// Uint64 is the number of a Uint, Enum, Set or Bit.
func (v Value) Uint64() uint64 { return v.num }

// Float is the number of a Float32 or Float64.
func (v Value) Float() float64 { return math.Float64frombits(v.num) }

func intValue(n int64) Value             { return Value{Kind: Int, num: uint64(n)} }
func uintValue(n uint64) Value           { return Value{Kind: Uint, num: n} }
func textValue(b []byte) Value           { return Value{Kind: Text, Bytes: b} }
func floatValue(k Kind, f float64) Value { return Value{Kind: k, num: math.Float64bits(f)} }

// AppendText appends the value as MySQL prints it; nothing for Missing and Null.
func (v Value) AppendText(b []byte) []byte {
	switch v.Kind {
	case Int:
		return strconv.AppendInt(b, v.Int64(), 10)
	case Uint:
		return strconv.AppendUint(b, v.num, 10)
	case Float32:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 32)
	case Float64:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
	}
	return append(b, v.Bytes...)
}

// String is the value for people: NULL, or its text.
func (v Value) String() string {
	switch v.Kind {
	case Missing:
		return "(missing)"
	case Null:
		return "NULL"
	}
	return string(v.AppendText(nil))
}

// Values for those who read rows in another form than a binlog's.

// IntOf is a signed integer.
func IntOf(n int64) Value { return intValue(n) }

// UintOf is an unsigned integer.
func UintOf(n uint64) Value { return uintValue(n) }

// FloatOf is a DOUBLE.
func FloatOf(f float64) Value { return floatValue(Float64, f) }

// TextOf is a text; b is kept, not copied.
func TextOf(b []byte) Value { return textValue(b) }

// BytesOf is a binary string; b is kept, not copied.
func BytesOf(b []byte) Value { return Value{Kind: Bytes, Bytes: b} }
