package session

import (
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/server/engine"
)

// The collation IDs of result columns.
const (
	collationUTF8MB4 = 255 // utf8mb4_0900_ai_ci, 4 bytes a character at most
	collationBinary  = 63
)

// text describes a VARCHAR column of at most n characters.
func text(name string, n uint32) engine.Column {
	return engine.Column{
		Name: name, OrgName: name, Type: mysql.TypeVarString, Flags: uint16(mysql.NotNullFlag),
		Length: n * 4, Charset: collationUTF8MB4, Decimals: 0,
	}
}

// nullText describes a VARCHAR column that may be NULL.
func nullText(name string, n uint32) engine.Column {
	c := text(name, n)
	c.Flags = 0
	return c
}

// number describes a BIGINT column.
func number(name string) engine.Column {
	return engine.Column{
		Name: name, OrgName: name, Type: mysql.TypeLonglong,
		Flags: uint16(mysql.NotNullFlag | mysql.BinaryFlag), Length: 20, Charset: collationBinary,
	}
}

// nullNumber describes a BIGINT column that may be NULL.
func nullNumber(name string) engine.Column {
	c := number(name)
	c.Flags = uint16(mysql.BinaryFlag)
	return c
}

// nullTime describes a DATETIME column that may be NULL.
func nullTime(name string) engine.Column {
	return engine.Column{
		Name: name, OrgName: name, Type: mysql.TypeDatetime, Flags: uint16(mysql.BinaryFlag),
		Length: 19, Charset: collationBinary,
	}
}

// table starts a result with these columns.
func table(columns ...engine.Column) *engine.Result { return &engine.Result{Columns: columns} }

// str is short for a text value.
func str(s string) engine.Value { return engine.String(s) }
