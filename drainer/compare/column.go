package compare

import (
	"fmt"
	"strings"

	"pumphouse/drainer/schema"
)

// kind is how values of a column are read and compared.
type kind int

const (
	number   kind = iota // integers, YEAR, BIT: exact as text of a number
	exact                // DECIMAL
	floating             // FLOAT, DOUBLE
	text                 // compared byte by byte, in utf8mb4; ENUM and SET by name
	binary               // compared byte by byte
	temporal             // DATE, TIME, DATETIME, TIMESTAMP
	document             // JSON
)

func kindOf(dataType string) kind {
	switch strings.ToLower(dataType) {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit":
		return number
	case "decimal":
		return exact
	case "float", "double":
		return floating
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return binary
	case "date", "time", "datetime", "timestamp":
		return temporal
	case "json":
		return document
	}
	return text
}

// column is a column that both sides have.
type column struct {
	name     string // as upstream
	kind     kind
	dataType string
	latin1   bool // its text may be other bytes than UTF-8 in a TiDB
}

// text is an SQL expression whose text is the same, on every server, for equal values. Only of
// texts that need another character set, JSON documents and numbers beyond what a
// DECIMAL holds can it be different nevertheless.
func (c column) text() string {
	name := schema.QuoteName(c.name)
	switch c.kind {
	case number:
		return name + "+0" // ZEROFILL is no part of the value
	case exact:
		return name
	case floating:
		// The shortest decimal number that gives the double again is the same everywhere, but how it is
		// printed is not, and a FLOAT is printed with 6 digits. As a double, in a DECIMAL, it is.
		return fmt.Sprintf("IF(%[1]s=0 OR ABS(%[1]s) BETWEEN 1e-12 AND 1e29,CAST(CAST(%[1]s*1e0 AS DECIMAL(65,30)) AS CHAR),CONCAT(%[1]s*1e0,''))", name)
	case binary:
		return "HEX(" + name + ")"
	case temporal, document:
		return "CAST(" + name + " AS CHAR)"
	}
	return "CONVERT(" + name + " USING utf8mb4)"
}

// checksum is an SQL expression: 60 bits of a row's MD5. It is NULL when the row's text is larger
// than the server's max_allowed_packet.
func checksum(columns []column) string {
	var b strings.Builder
	b.WriteString("CAST(CONV(LEFT(MD5(CONCAT_WS(','")
	for _, c := range columns {
		e := c.text()
		fmt.Fprintf(&b, ",ISNULL(%s)", schema.QuoteName(c.name))
		if c.kind == text || c.kind == document || c.kind == binary {
			fmt.Fprintf(&b, ",LENGTH(%s)", e) // so that no text looks like two
		}
		b.WriteString("," + e)
	}
	b.WriteString(")),15),16,10) AS UNSIGNED)")
	return b.String()
}

// quoteText is a text as a literal, for a session with backslash escapes.
func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\x00", `\0`).Replace(s) + "'"
}

// literal is a value as SQL, given what [column.text] printed.
func (c column) literal(s string) string {
	switch c.kind {
	case number, exact:
		return s
	case binary:
		return "X'" + s + "'"
	}
	return quoteText(s)
}

// shown is a value for people, given what [column.text] printed.
func (c column) shown(s string) string {
	switch c.kind {
	case number, exact:
		return s
	case binary:
		return "X'" + cut(s) + "'"
	}
	return fmt.Sprintf("%q", cut(s))
}

// maxShown is how much of a value a report shows, in bytes.
const maxShown = 64

func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "…"
}
