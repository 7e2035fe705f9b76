package txn

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// FilterRules say which databases and tables are replicated. Names are compared without regard
// to letter case; one that begins with ~ is a regular expression (Go's) for the rest of it.
type FilterRules struct {
	IgnoreSchemas []string    // ignore-schemas
	IgnoreTables  []TableName // ignore-table
	// Nothing in both of these: everything that is not ignored. Else only what is in either.
	DoDBs    []string    // replicate-do-db
	DoTables []TableName // replicate-do-table
}

// TableName is a table in a rule.
type TableName struct {
	Schema string `toml:"db-name" example:"\"shop\"" doc:"name of the database; ~ begins a regular expression"`
	Table  string `toml:"tbl-name" example:"\"~^tmp_\"" doc:"name of the table"`
}

// Filter is FilterRules, made ready. It may be used by any number of goroutines.
type Filter struct {
	ignoreSchemas, doDBs   []pattern
	ignoreTables, doTables []tablePattern
}

type tablePattern struct{ schema, table pattern }

// pattern is a name in a rule.
type pattern struct {
	name   string // lower case
	regexp *regexp.Regexp
}

// NewFilter reads rules; an error names the one that is wrong.
func NewFilter(rules FilterRules) (*Filter, error) {
	f := new(Filter)
	var err error
	if f.ignoreSchemas, err = newPatterns("ignore-schemas", rules.IgnoreSchemas); err != nil {
		return nil, err
	}
	if f.doDBs, err = newPatterns("replicate-do-db", rules.DoDBs); err != nil {
		return nil, err
	}
	if f.ignoreTables, err = newTablePatterns("ignore-table", rules.IgnoreTables); err != nil {
		return nil, err
	}
	f.doTables, err = newTablePatterns("replicate-do-table", rules.DoTables)
	return f, err
}

func newPatterns(rule string, names []string) ([]pattern, error) {
	var list []pattern
	for _, name := range names {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		p, err := newPattern(rule, name)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func newTablePatterns(rule string, names []TableName) ([]tablePattern, error) {
	var list []tablePattern
	for _, name := range names {
		schema, err := newPattern(rule, name.Schema)
		if err != nil {
			return nil, err
		}
		table, err := newPattern(rule, name.Table)
		if err != nil {
			return nil, err
		}
		list = append(list, tablePattern{schema, table})
	}
	return list, nil
}

func newPattern(rule, name string) (pattern, error) {
	expr, ok := strings.CutPrefix(name, "~")
	if name == "" || ok && expr == "" {
		return pattern{}, fmt.Errorf("%s: a name is empty; give db-name and tbl-name, ~.* for all", rule)
	}
	if !ok {
		return pattern{name: strings.ToLower(name)}, nil
	}
	re, err := regexp.Compile("(?i)" + expr)
	if err != nil {
		return pattern{}, fmt.Errorf("%s: %q is not a regular expression: %w", rule, name, err)
	}
	return pattern{regexp: re}, nil
}

// all reports whether the pattern is plainly one for every name.
func (p pattern) all() bool {
	if p.regexp == nil {
		return false
	}
	switch strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(p.regexp.String(), "(?i)"), "^"), "$") {
	case "", ".*", ".+", ".":
		return true
	}
	return false
}

// match reports whether the pattern is for a name, which is in lower case.
func (p pattern) match(name string) bool {
	if p.regexp != nil {
		return p.regexp.MatchString(name)
	}
	return p.name == name
}

// Skip reports whether a table is not replicated, or, without a table, the database itself. A
// database of which only some tables are replicated is so itself.
func (f *Filter) Skip(schema, table string) bool {
	schema, table = strings.ToLower(schema), strings.ToLower(table)
	for _, p := range f.ignoreSchemas {
		if p.match(schema) {
			return true
		}
	}
	for _, p := range f.ignoreTables {
		if p.schema.match(schema) && (p.table.all() || table != "" && p.table.match(table)) {
			return true
		}
	}
	if len(f.doDBs) == 0 && len(f.doTables) == 0 {
		return false
	}
	for _, p := range f.doDBs {
		if p.match(schema) {
			return false
		}
	}
	for _, p := range f.doTables {
		if p.schema.match(schema) && (table == "" || p.table.match(table)) {
			return false
		}
	}
	return true
}

// Whole reports whether every table that a database may have is replicated.
func (f *Filter) Whole(schema string) bool {
	schema = strings.ToLower(schema)
	ignores := func(p tablePattern) bool { return p.schema.match(schema) }
	if f.Skip(schema, "") || slices.ContainsFunc(f.ignoreTables, ignores) {
		return false
	}
	return !f.Asks() || slices.ContainsFunc(f.doDBs, func(p pattern) bool { return p.match(schema) }) ||
		slices.ContainsFunc(f.doTables, func(p tablePattern) bool { return p.schema.match(schema) && p.table.all() })
}

// Asks reports whether only what a rule asks for is replicated.
func (f *Filter) Asks() bool { return len(f.doDBs) > 0 || len(f.doTables) > 0 }
