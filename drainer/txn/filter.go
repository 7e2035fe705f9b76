package txn

import (
	"fmt"
	"regexp"
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
	Schema string `toml:"db-name"`
	Table  string `toml:"tbl-name"`
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
		return pattern{}, fmt.Errorf("%s: %q is no regular expression: %w", rule, name, err)
	}
	return pattern{regexp: re}, nil
}

// match tells whether the pattern is for a name, which is in lower case.
func (p pattern) match(name string) bool {
	if p.regexp != nil {
		return p.regexp.MatchString(name)
	}
	return p.name == name
}

// Skip tells whether a table is not replicated, or, without a table, statements on the database
// itself. A database of which only some tables are asked for is replicated itself.
func (f *Filter) Skip(schema, table string) bool {
	schema, table = strings.ToLower(schema), strings.ToLower(table)
	for _, p := range f.ignoreSchemas {
		if p.match(schema) {
			return true
		}
	}
	for _, p := range f.ignoreTables {
		if table != "" && p.schema.match(schema) && p.table.match(table) {
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
