package result

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/server/engine"
)

// The collation IDs of result columns.
const (
	collationUTF8MB4 = 255 // utf8mb4_0900_ai_ci, 4 bytes a character at most
	collationBinary  = 63
)

// Text describes a VARCHAR column of at most n characters.
func Text(name string, n uint32) engine.Column {
	return engine.Column{
		Name: name, OrgName: name, Type: mysql.TypeVarString, Flags: uint16(mysql.NotNullFlag),
		Length: n * 4, Charset: collationUTF8MB4, Decimals: 0,
	}
}

// NullText describes a VARCHAR column that may be NULL.
func NullText(name string, n uint32) engine.Column {
	c := Text(name, n)
	c.Flags = 0
	return c
}

// Number describes a BIGINT column.
func Number(name string) engine.Column {
	return engine.Column{
		Name: name, OrgName: name, Type: mysql.TypeLonglong,
		Flags: uint16(mysql.NotNullFlag | mysql.BinaryFlag), Length: 20, Charset: collationBinary,
	}
}

// NullNumber describes a BIGINT column that may be NULL.
func NullNumber(name string) engine.Column {
	c := Number(name)
	c.Flags = uint16(mysql.BinaryFlag)
	return c
}

// NullTime describes a DATETIME column that may be NULL.
func NullTime(name string) engine.Column {
	return engine.Column{
		Name: name, OrgName: name, Type: mysql.TypeDatetime, Flags: uint16(mysql.BinaryFlag),
		Length: 19, Charset: collationBinary,
	}
}

// New starts a result with these columns.
func New(columns ...engine.Column) *engine.Result { return &engine.Result{Columns: columns} }

// OrNull is a text, NULL for the empty one.
func OrNull(s string) engine.Value {
	if s == "" {
		return engine.Null()
	}
	return engine.String(s)
}

// Clip shortens a text that is quoted in a message to at most n bytes.
func Clip(text string, n int) string {
	text = strings.TrimSpace(text)
	if len(text) <= n {
		return text
	}
	for n > 0 && text[n]&0xC0 == 0x80 {
		n--
	}
	return text[:n]
}

// Quote writes a text as a literal that can be pasted into a statement.
func Quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// QuoteName writes a name as an identifier.
func QuoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }
