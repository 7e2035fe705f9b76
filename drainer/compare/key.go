package compare

import (
	"slices"
	"strings"

	"pumphouse/drainer/schema"
)

// key are the columns by which a table is cut into chunks; none: it is one chunk.
type key []column

// bound is a place in a key's order: the texts of a row's values. nil: before the first row, or
// after the last.
type bound []string

// may reports whether a column can be part of a key: whether it has an order that a
// literal can be compared in.
func (c column) mayBeKey() bool {
	switch strings.ToLower(c.dataType) {
	case "bit", "enum", "set":
		return false
	}
	return c.kind != floating && c.kind != document
}

// same reports whether two keys have the same columns: then the same rows are unique by them.
func (k key) same(other key) bool {
	for _, c := range k {
		if !slices.ContainsFunc(other, func(o column) bool { return strings.EqualFold(o.name, c.name) }) {
			return false
		}
	}
	return len(k) == len(other)
}

// names are the key's columns as SQL.
func (k key) names() string {
	var list []string
	for _, c := range k {
		list = append(list, schema.QuoteName(c.name))
	}
	return strings.Join(list, ",")
}

// texts are expressions for the texts of the key's values.
func (k key) texts() string {
	var list []string
	for _, c := range k {
		list = append(list, c.text())
	}
	return strings.Join(list, ",")
}

// is is the condition that a row has just these values.
func (k key) is(at bound) string {
	var list []string
	for i, c := range k {
		list = append(list, schema.QuoteName(c.name)+"="+c.literal(at[i]))
	}
	return strings.Join(list, " AND ")
}

// between is the condition for rows after one bound, up to and including the other.
func (k key) between(after, upTo bound) string {
	var list []string
	if after != nil {
		list = append(list, k.compared(">", after))
	}
	if upTo != nil {
		list = append(list, k.compared("<", upTo))
	}
	if len(list) == 0 {
		return "TRUE"
	}
	return strings.Join(list, " AND ")
}

// compared compares the columns one after the other: not every server uses an index for a
// comparison of tuples. The last may be equal for "<". The first condition is there for the index.
func (k key) compared(op string, at bound) string {
	last := len(k) - 1
	value := func(i int) string { return k[i].literal(at[i]) }
	final := op
	if op == "<" {
		final = "<="
	}
	b := schema.QuoteName(k[last].name) + final + value(last)
	for i := last - 1; i >= 0; i-- {
		name := schema.QuoteName(k[i].name)
		b = "(" + name + op + value(i) + " OR " + name + "=" + value(i) + " AND " + b + ")"
	}
	if last > 0 {
		b = schema.QuoteName(k[0].name) + op + "=" + value(0) + " AND " + b
	}
	return b
}

// shown is a key for people: id=5.
func (k key) shown(at bound) string {
	var list []string
	for i, c := range k {
		list = append(list, c.name+"="+c.shown(at[i]))
	}
	return strings.Join(list, " AND ")
}
