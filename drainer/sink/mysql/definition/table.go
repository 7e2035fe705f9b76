package definition

import (
	"fmt"
	"slices"
	"strings"

	"pumphouse/drainer/schema"
)

// Kind is what a name stands for.
type Kind string

// The kinds.
const (
	BaseTable Kind = "table"
	View      Kind = "view"
	Sequence  Kind = "sequence"
)

// Table is a definition in a form in which those of different servers can be compared.
type Table struct {
	Schema, Name string
	Kind         Kind
	Columns      []Column // as clients see them
	Keys         []Key
	ForeignKeys  []ForeignKey
	Partitioning *Partitioning // nil: none
	Comment      string
	Engine       string // empty: not known

	plain           bool // the server has no keys on expressions
	inertPartitions bool // partitioned in a way that has no effect upstream: not to be compared
}

// Column is a column of a Table.
type Column struct {
	Name          string
	Type          Type
	Null          bool
	Default       Default
	OnUpdate      bool // ON UPDATE CURRENT_TIMESTAMP
	AutoIncrement bool
	Generated     string // the expression; empty: not generated
	Stored        bool
	Comment       string
}

// Type is a column's type.
type Type struct {
	Base string // in lower case: int, varchar, longtext, …
	// Length is M of types that have one, and that of a TEXT or BLOB that was given one. Decimals is D, or
	// the digits of fractional seconds. 0: none.
	Length, Decimals   int
	Unsigned, Zerofill bool
	Charset, Collation string // of text only
	Elements           []string
}

// DefaultKind is what a default is.
type DefaultKind int

// The kinds of defaults.
const (
	NoDefault  DefaultKind = iota // a value has to be given, or NULL is allowed
	Literal                       // Text is the value
	Now                           // the time of the INSERT
	Expression                    // Text is SQL
	unknown                       // not to be compared
)

// Default is what a column has when nothing is given.
type Default struct {
	Kind DefaultKind
	Text string
}

// Key is an index.
type Key struct {
	Name            string
	Primary, Unique bool
	Parts           []Part
}

// Part is what of a row is in a key: a column, the first Length characters of it (0: all), or the
// value of an expression.
type Part struct {
	Column     string
	Length     int
	Expression string
}

// ForeignKey is one of them.
type ForeignKey struct {
	Columns             []string
	RefSchema, RefTable string
	RefColumns          []string
	OnDelete, OnUpdate  string // empty: nothing, RESTRICT or NO ACTION
	rulesUnknown        bool
	inert               bool // it has no effect upstream
}

// Partitioning is how a table is partitioned.
type Partitioning struct {
	Method     string // RANGE, LIST, HASH, KEY
	Expression string // or columns, separated by commas; empty: the primary key
	Partitions []Partition
}

// Partition is one of them. Values are the bounds or values as SQL, separated by commas; empty for HASH
// and KEY.
type Partition struct {
	Name, Values string
}

// String is the definition in the style of CREATE TABLE, in one line.
func (t *Table) String() string {
	if t == nil {
		return "(none)"
	}
	if t.Kind != BaseTable {
		return fmt.Sprintf("%s %s.%s", t.Kind, schema.QuoteName(t.Schema), schema.QuoteName(t.Name))
	}
	var parts []string
	for i := range t.Columns {
		parts = append(parts, schema.QuoteName(t.Columns[i].Name)+" "+t.Columns[i].describe())
	}
	for i := range t.Keys {
		parts = append(parts, t.Keys[i].String())
	}
	for i := range t.ForeignKeys {
		parts = append(parts, t.ForeignKeys[i].String())
	}
	text := fmt.Sprintf("TABLE %s.%s (%s)", schema.QuoteName(t.Schema), schema.QuoteName(t.Name), strings.Join(parts, ", "))
	if t.Comment != "" {
		text += fmt.Sprintf(" COMMENT %q", t.Comment)
	}
	if t.Partitioning != nil {
		text += " " + t.Partitioning.String()
	}
	return text
}

func (c *Column) describe() string {
	text := c.Type.String()
	if c.Generated != "" {
		text += " AS (" + c.Generated + ")"
		if c.Stored {
			text += " STORED"
		}
	}
	if !c.Null {
		text += " NOT NULL"
	}
	if c.AutoIncrement {
		text += " AUTO_INCREMENT"
	}
	if d := c.Default.String(); d != "" {
		text += " DEFAULT " + d
	}
	if c.OnUpdate {
		text += " ON UPDATE CURRENT_TIMESTAMP"
	}
	if c.Comment != "" {
		text += fmt.Sprintf(" COMMENT %q", c.Comment)
	}
	return text
}

// String is the default in SQL, empty when there is none.
func (d Default) String() string {
	switch d.Kind {
	case Literal:
		return fmt.Sprintf("%q", d.Text)
	case Now:
		return "CURRENT_TIMESTAMP"
	case Expression:
		return "(" + d.Text + ")"
	}
	return ""
}

// String is the type in SQL.
func (t Type) String() string {
	text := t.shape()
	if t.Collation != "" {
		text += " COLLATE " + t.Collation
	}
	return text
}

// shape is the type without character set and collation.
func (t Type) shape() string {
	text := t.Base
	switch {
	case t.Elements != nil:
		text += fmt.Sprintf("(%q)", t.Elements)
	case t.Length > 0 && t.Decimals > 0 || t.Base == "decimal":
		text += fmt.Sprintf("(%d,%d)", t.Length, t.Decimals)
	case t.Length > 0:
		text += fmt.Sprintf("(%d)", t.Length)
	case t.Decimals > 0:
		text += fmt.Sprintf("(%d)", t.Decimals)
	}
	if t.Unsigned {
		text += " unsigned"
	}
	if t.Zerofill {
		text += " zerofill"
	}
	return text
}

// String is the key in SQL.
func (k *Key) String() string {
	if k.Primary {
		return "PRIMARY KEY " + k.columns()
	}
	if k.Unique {
		return "UNIQUE KEY " + schema.QuoteName(k.Name) + " " + k.columns()
	}
	return "KEY " + schema.QuoteName(k.Name) + " " + k.columns()
}

func (k *Key) columns() string {
	var list []string
	for _, p := range k.Parts {
		switch {
		case p.Expression != "":
			list = append(list, "("+p.Expression+")")
		case p.Length > 0:
			list = append(list, fmt.Sprintf("%s(%d)", schema.QuoteName(p.Column), p.Length))
		default:
			list = append(list, schema.QuoteName(p.Column))
		}
	}
	return "(" + strings.Join(list, ",") + ")"
}

// onExpression reports whether a part of the key is an expression.
func (k *Key) onExpression() bool {
	return slices.ContainsFunc(k.Parts, func(p Part) bool { return p.Expression != "" })
}

// String is the foreign key in SQL.
func (f *ForeignKey) String() string { return "FOREIGN KEY " + names(f.Columns) + " " + f.refers() }

func (f *ForeignKey) refers() string {
	text := fmt.Sprintf("REFERENCES %s.%s %s", schema.QuoteName(f.RefSchema), schema.QuoteName(f.RefTable), names(f.RefColumns))
	if f.OnDelete != "" {
		text += " ON DELETE " + f.OnDelete
	}
	if f.OnUpdate != "" {
		text += " ON UPDATE " + f.OnUpdate
	}
	return text
}

// String is the partitioning in SQL.
func (p *Partitioning) String() string {
	var list []string
	for _, part := range p.Partitions {
		text := schema.QuoteName(part.Name)
		if part.Values != "" {
			text += " (" + part.Values + ")"
		}
		list = append(list, text)
	}
	return fmt.Sprintf("PARTITION BY %s (%s) (%s)", p.Method, p.Expression, strings.Join(list, ", "))
}

func names(list []string) string {
	var all []string
	for _, n := range list {
		all = append(all, schema.QuoteName(n))
	}
	return "(" + strings.Join(all, ",") + ")"
}
