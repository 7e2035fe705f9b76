package engine

import (
	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// typ is what is known of an expression's result before it is computed.
type typ struct {
	kind    Kind   // KindNull only for what is always NULL
	length  uint32 // display width: characters of a text, digits with sign and point of a number
	dec     uint8  // digits after the point or of a second; notFixed = as many as needed
	null    bool   // may be NULL
	coll    uint16 // collation of texts
	coer    uint8
	lit     bool   // a literal: length is exact, no place for a sign is added
	counted bool   // an integer that is never negative, such as YEAR(): no place for a sign either
	hex     bool   // x'41' or b'1': a number where one is wanted
	loose   bool   // a decimal that carries more digits than dec until it is shown
	boolean bool   // 0 or 1
	json    bool   // a text that is a JSON document
	wire    uint8  // MySQL type code if the kind does not tell it (columns of tables)
	flags   uint16 // flags to hand on (columns of tables)
}

// notFixed marks numbers with any number of decimals, and texts.
const notFixed = 31

// The common types.
func intType(length uint32) typ {
	return typ{kind: KindInt, length: length, coll: collBinary, coer: coerNumber}
}
func uintType(length uint32) typ {
	return typ{kind: KindUint, length: length, coll: collBinary, coer: coerNumber}
}

// countType is an integer of so many digits that is never negative.
func countType(digits uint32) typ { t := intType(digits); t.counted = true; return t }

func boolType() typ { t := intType(1); t.boolean = true; return t }
func floatType() typ {
	return typ{kind: KindFloat, length: 23, dec: notFixed, coll: collBinary, coer: coerNumber}
}

// fixedFloatType is a double that is shown with so many decimals.
func fixedFloatType(dec uint8) typ {
	t := floatType()
	if dec < notFixed {
		t.dec, t.length = dec, 17+uint32(dec)
	}
	return t
}
func nullType() typ {
	return typ{kind: KindNull, null: true, coll: collBinary, coer: coerIgnore}
}
func decimalType(precision int, scale uint8) typ {
	precision = min(precision, maxDecimalPrecision)
	length := uint32(precision) + 1
	if scale > 0 {
		length++
	}
	return typ{kind: KindDecimal, length: length, dec: scale, coll: collBinary, coer: coerNumber}
}
func textType(length uint32, coll uint16, coer uint8) typ {
	k := KindString
	if coll == collBinary {
		k = KindBytes
	}
	return typ{kind: k, length: length, dec: notFixed, coll: coll, coer: coer}
}
func dateType() typ { return typ{kind: KindDate, length: 10, coll: collBinary, coer: coerNumber} }
func datetimeType(fsp uint8) typ {
	return typ{kind: KindDatetime, length: 19 + fraction(fsp), dec: fsp, coll: collBinary, coer: coerNumber}
}
func timeType(fsp uint8) typ {
	return typ{kind: KindDuration, length: 10 + fraction(fsp), dec: fsp, coll: collBinary, coer: coerNumber}
}

func fraction(fsp uint8) uint32 {
	if fsp == 0 {
		return 0
	}
	return uint32(fsp) + 1
}

func (t typ) nullable() typ        { t.null = true; return t }
func (t typ) orNull(null bool) typ { t.null = t.null || null; return t }

func (t typ) isText() bool     { return t.kind == KindString || t.kind == KindBytes }
func (t typ) isInt() bool      { return t.kind == KindInt || t.kind == KindUint }
func (t typ) isTemporal() bool { return t.kind >= KindDate }
func (t typ) isNumber() bool   { return t.kind >= KindInt && t.kind <= KindFloat }

// intDigits is how many digits the type has before the point.
func (t typ) intDigits() int {
	n := int(t.length)
	switch t.kind {
	case KindNull:
		return 0
	case KindInt:
		if !t.lit && !t.boolean && !t.counted {
			n--
		}
	case KindDecimal:
		n -= 1 + int(t.dec)
		if t.dec > 0 {
			n--
		}
	case KindDate:
		n = 8
	case KindDatetime:
		n = 14
	case KindDuration:
		n = 7
	}
	return max(n, 1)
}

// scale is how many digits the type has after the point when it becomes a decimal.
func (t typ) scale() uint8 {
	if t.kind == KindDecimal || t.isTemporal() {
		return t.dec
	}
	if t.isInt() || t.kind == KindNull {
		return 0
	}
	return maxDecimalScale
}

// likeFloat is a double with the decimals of another.
func likeFloat(x typ) typ {
	if x.kind == KindFloat || x.kind == KindNull {
		return fixedFloatType(x.dec)
	}
	return floatType()
}

// column is the type as the protocol describes a column of it.
func (t typ) column(name string) Column {
	c := Column{Name: name, Type: t.wireType(), Length: t.length, Decimals: t.dec, Flags: t.flags, Charset: collBinary}
	if !t.null {
		c.Flags |= uint16(mysql.NotNullFlag)
	}
	switch t.kind {
	case KindUint:
		c.Flags |= uint16(mysql.UnsignedFlag | mysql.BinaryFlag)
	case KindString:
		coll := collatorByID(t.coll)
		c.Charset = t.coll
		c.Length = uint32(min(uint64(t.length)*uint64(coll.width), 1<<32-1))
		if coll.binary {
			c.Flags |= uint16(mysql.BinaryFlag)
		}
	default:
		c.Flags |= uint16(mysql.BinaryFlag)
	}
	if t.hex {
		c.Flags |= uint16(mysql.UnsignedFlag)
	}
	return c
}

// wireType is the type code: MySQL's mapping, where every integer expression is BIGINT.
func (t typ) wireType() uint8 {
	if t.wire != 0 {
		return t.wire
	}
	switch t.kind {
	case KindNull:
		return mysql.TypeNull
	case KindInt, KindUint:
		return mysql.TypeLonglong
	case KindDecimal:
		return mysql.TypeNewDecimal
	case KindFloat:
		return mysql.TypeDouble
	case KindDate:
		return mysql.TypeDate
	case KindDatetime:
		return mysql.TypeDatetime
	case KindDuration:
		return mysql.TypeDuration
	}
	switch {
	case t.length >= 1<<24/4:
		return mysql.TypeLongBlob
	case t.length >= 1<<16:
		return mysql.TypeMediumBlob
	}
	return mysql.TypeVarString
}

// typeOfColumn is the type a table's column has in expressions.
func typeOfColumn(c Column) typ {
	t := typ{length: c.Length, dec: c.Decimals, null: c.Flags&uint16(mysql.NotNullFlag) == 0,
		wire: c.Type, coll: collBinary, coer: coerNumber,
		flags: c.Flags &^ uint16(mysql.NotNullFlag|mysql.UnsignedFlag|mysql.BinaryFlag)}
	switch c.Type {
	case mysql.TypeTiny, mysql.TypeShort, mysql.TypeInt24, mysql.TypeLong, mysql.TypeLonglong, mysql.TypeYear:
		t.kind = KindInt
		if c.Flags&uint16(mysql.UnsignedFlag) != 0 {
			t.kind = KindUint
		}
	case mysql.TypeNewDecimal:
		t.kind = KindDecimal
	case mysql.TypeFloat, mysql.TypeDouble:
		t.kind = KindFloat
	case mysql.TypeDate:
		t.kind = KindDate
	case mysql.TypeDatetime, mysql.TypeTimestamp:
		t.kind = KindDatetime
	case mysql.TypeDuration:
		t.kind = KindDuration
	case mysql.TypeNull:
		t.kind = KindNull
	default:
		t.coll, t.coer = c.Charset, coerColumn
		t.kind = KindString
		if c.Charset == collBinary || c.Charset == 0 {
			t.kind, t.coll = KindBytes, collBinary
		}
		t.length = c.Length / collatorByID(t.coll).width
		t.dec = notFixed
	}
	return t
}

// typeOfValue is the type of a value whose origin is unknown (parameters, variables).
func typeOfValue(v Value, coll uint16) typ {
	switch v.kind {
	case KindInt, KindUint:
		t := intType(uint32(len(v.Text())))
		t.kind, t.lit = v.kind, true
		return t
	case KindDecimal:
		scale := max(-v.dec.Exponent(), 0)
		return decimalType(max(v.dec.NumDigits(), int(scale)+1), uint8(scale))
	case KindFloat:
		return floatType()
	case KindString:
		return textType(uint32(len([]rune(v.str))), coll, coerLiteral)
	case KindBytes:
		return textType(uint32(len(v.str)), collBinary, coerLiteral)
	case KindDate:
		return dateType()
	case KindDatetime:
		return datetimeType(v.fsp)
	case KindDuration:
		return timeType(v.fsp)
	}
	return nullType()
}
