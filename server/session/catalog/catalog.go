// Package catalog describes the databases, tables and columns that a client of the
// console sees. It knows what DESCRIBE shows; what is in the tables is the business of
// package session.
//
// The description is tables.txt, read once. It never changes afterwards, so everything
// here may be used by any number of goroutines.
package catalog

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"pumphouse/server/engine"
)

// The databases.
const (
	Binlog      = "binlog"
	Information = "information_schema"
	MySQL       = "mysql"
	Performance = "performance_schema"
)

// Collation is the default one of every database here but information_schema.
const (
	Charset   = "utf8mb4"
	Collation = "utf8mb4_0900_ai_ci"

	MetadataCharset   = "utf8"
	MetadataCollation = "utf8_general_ci"
)

// Defaults gives a database's character set and collation.
func Defaults(schema string) (charset, collation string) {
	if schema == Information {
		return MetadataCharset, MetadataCollation
	}
	return Charset, Collation
}

// Charset is the character set of a column's texts.
func (c *Column) Charset() string {
	charset, _, _ := strings.Cut(c.Collation, "_")
	return charset
}

// Schemas lists the databases as SHOW DATABASES does.
func Schemas() []string { return []string{Binlog, Information, MySQL, Performance} }

// Schema gives a database's name as it is shown, "" if there is none. Letter case does
// not count.
func Schema(name string) string {
	for _, s := range Schemas() {
		if strings.EqualFold(s, name) {
			return s
		}
	}
	return ""
}

// Table describes one table.
type Table struct {
	Schema, Name string
	Comment      string
	Columns      []Column
	Fields       []engine.Column // the columns as the protocol sends them
}

// Type is what information_schema.TABLES calls it.
func (t *Table) Type() string {
	if t.Schema == Information {
		return "SYSTEM VIEW"
	}
	return "BASE TABLE"
}

// Engine is the storage engine that stands for it; "" for a view.
func (t *Table) Engine() string {
	if t.Schema == Information {
		return ""
	}
	return "MEMORY"
}

// Key lists the columns of the primary key, by their places.
func (t *Table) Key() []int {
	var key []int
	for i := range t.Columns {
		if t.Columns[i].Key {
			key = append(key, i)
		}
	}
	return key
}

// Column describes one column.
type Column struct {
	Name       string
	Type       string // COLUMN_TYPE: "bigint unsigned"
	DataType   string // DATA_TYPE: "bigint"
	Nullable   bool
	Key        bool // part of the primary key
	Default    *string
	Comment    string
	Collation  string // of texts, else ""
	Chars      int64  // CHARACTER_MAXIMUM_LENGTH of texts and binary strings, else -1
	Bytes      int64  // CHARACTER_OCTET_LENGTH, else -1
	Precision  int    // NUMERIC_PRECISION, else -1
	Scale      int    // NUMERIC_SCALE, else -1
	TimeDigits int    // DATETIME_PRECISION, else -1
}

// KeyName is what the column Key of DESCRIBE shows.
func (c *Column) KeyName() string {
	if c.Key {
		return "PRI"
	}
	return ""
}

//go:embed tables.txt
var text string

// all reads tables.txt once.
var all = sync.OnceValue(func() map[string][]*Table {
	tables, err := parse(text)
	if err != nil {
		panic("catalog: " + err.Error()) // part of the program, and a test reads it
	}
	by := map[string][]*Table{}
	for _, t := range tables {
		by[t.Schema] = append(by[t.Schema], t)
	}
	for _, list := range by {
		slices.SortFunc(list, func(a, b *Table) int { return strings.Compare(a.Name, b.Name) })
	}
	return by
})

// Tables lists a database's tables by name. The list is not the caller's to change.
func Tables(schema string) []*Table { return all()[schema] }

// Find looks a table up, nil if there is none. Letter case does not count.
func Find(schema, name string) *Table {
	for _, t := range Tables(Schema(schema)) {
		if strings.EqualFold(t.Name, name) {
			return t
		}
	}
	return nil
}
