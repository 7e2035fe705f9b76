package mysql

import (
	"strconv"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// appendQuoted appends text as a string literal, for a session with backslash escapes.
func appendQuoted(b, text []byte) []byte {
	b = append(b, '\'')
	from := 0
	for i, c := range text {
		var esc byte
		switch c {
		case 0:
			esc = '0'
		case '\'', '\\':
			esc = c
		default:
			continue
		}
		b = append(append(b, text[from:i]...), '\\', esc)
		from = i + 1
	}
	return append(append(b, text[from:]...), '\'')
}

// appendValue appends a value as a literal that is stored as that value, whatever the
// downstream's version is. It must not be missing.
func appendValue(b []byte, c *schema.Column, v txn.Value) []byte {
	switch v.Kind {
	case txn.Null:
		return append(b, "NULL"...)
	case txn.Int:
		return strconv.AppendInt(b, v.Int64(), 10)
	case txn.Uint, txn.Bit:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case txn.Float32, txn.Float64:
		// In the precision of a double also for FLOAT: a shorter text would be rounded
		// twice, and would not be equal to the stored value in a comparison.
		return strconv.AppendFloat(b, v.Float(), 'e', -1, 64)
	case txn.Enum:
		if len(v.Bytes) == 0 { // the error value, or a member without a name
			return strconv.AppendUint(b, v.Uint64(), 10)
		}
	case txn.Bytes:
		b = append(b, "_binary"...)
	case txn.Text:
		if c.Type.GetType() == mysql.TypeNewDecimal {
			return append(b, v.Bytes...) // quoted it would be compared as a double
		}
	}
	return appendQuoted(b, v.Bytes)
}

// appendMatch appends a condition that holds for just the value: not for one that only the
// collation takes for equal.
func appendMatch(b []byte, f flavour, name string, c *schema.Column, v txn.Value) []byte {
	switch {
	case v.Kind == txn.Null:
		return append(append(b, name...), " IS NULL"...)
	case v.Kind == txn.Text && c.Type.GetType() == mysql.TypeJSON && f != mariaDB:
		b = append(append(b, name...), " <=> CAST("...)
		return append(appendQuoted(b, v.Bytes), " AS JSON)"...)
	}
	b = appendValue(append(append(b, name...), " <=> "...), c, v)
	if v.Kind == txn.Text && isText(c) {
		if f == tiDB && c.Type.GetCharset() == charset.CharsetLatin1 { // bytes as they are, which a conversion would not keep
			b = append(append(b, " AND CAST("...), name...)
		} else {
			b = append(append(append(b, " AND CAST(CONVERT("...), name...), " USING utf8mb4)"...)
		}
		b = appendQuoted(append(b, " AS BINARY) <=> _binary"...), v.Bytes)
	}
	return b
}

// isText reports whether a column has text that is compared by a collation.
func isText(c *schema.Column) bool {
	switch c.Type.GetType() {
	case mysql.TypeVarchar, mysql.TypeString, mysql.TypeVarString,
		mysql.TypeTinyBlob, mysql.TypeBlob, mysql.TypeMediumBlob, mysql.TypeLongBlob, mysql.TypeJSON:
		return true
	}
	return false
}
