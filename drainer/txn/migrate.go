package txn

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// MigrateRules are [[syncer.table-migrate-rule]] and [syncer.binlog-filter-rule]: under which names
// tables go downstream, and what of their changes does not. They count for what the [FilterRules]
// let through, by the upstream's names.
type MigrateRules struct {
	Tables []MigrateRule
	Events map[string]EventRule // by the name that MigrateRule.Events has
	// CaseSensitive compares names as they are (case-sensitive).
	CaseSensitive bool
}

// MigrateRule is for the tables that Source matches. Names in Source may have wildcards: ? for any
// character, [a-z] and [!a-z] for one of some, and * at the end for the rest. A rule without a
// table is for a database, and for those of its tables that no rule with a table is for.
type MigrateRule struct {
	Source MigrateName  `toml:"source" doc:"The tables upstream."`
	Target *MigrateName `toml:"target" doc:"Their name downstream; left out: the names stay."` // without a table: that of the table does
	Events []string     `toml:"binlog-filter-rule" example:"[\"no-truncate\"]" doc:"names of the rules for events that are left out"`
}

// MigrateName is a database and a table in it; no table: the database.
type MigrateName struct {
	Schema string `toml:"schema" example:"\"shop\"" doc:"name of the database; upstream with * and ?"`
	Table  string `toml:"table" example:"\"orders\"" doc:"name of the table; empty: any, or as upstream"`
}

// EventRule says what is left out: changes of rows and statements by their kind, and statements by
// regular expressions for their text, which disregard letter case.
//
// The kinds are insert, update, delete, create database, drop database, alter database, create
// table, drop table, truncate table, rename table, alter table, create index, drop index, create
// view, drop view; all, all dml, all ddl; and none, none dml, none ddl, which end the list for
// what they name.
type EventRule struct {
	Events []string `toml:"ignore-event" example:"[\"truncate table\", \"drop table\"]" doc:"events that are left out; docs/filters.md lists them"`
	SQL    []string `toml:"ignore-sql" example:"[\"^ALTER TABLE .* DROP COLUMN\"]" doc:"regular expressions of DDL statements that are left out"`
}

// Migration is MigrateRules, made ready. It may be used by any number of goroutines. nil has no
// rules.
type Migration struct {
	fold  bool
	rules []migrateRule
}

type migrateRule struct {
	MigrateRule
	schema, table *regexp.Regexp // table is nil: a rule for a database
	filters       []eventFilter
}

type eventFilter struct {
	events []string
	sql    []*regexp.Regexp
}

// NewMigration reads rules; an error names the one that is wrong. No rules: nil.
func NewMigration(rules MigrateRules) (*Migration, error) {
	if len(rules.Tables) == 0 && len(rules.Events) == 0 {
		return nil, nil
	}
	filters := make(map[string]eventFilter, len(rules.Events))
	for _, name := range slices.Sorted(maps.Keys(rules.Events)) {
		f, err := newEventFilter(rules.Events[name])
		if err != nil {
			return nil, fmt.Errorf("binlog-filter-rule.%s: %w", name, err)
		}
		filters[name] = f
	}
	m := &Migration{fold: !rules.CaseSensitive}
	for i, r := range rules.Tables {
		rule, err := m.rule(r, filters)
		if err != nil {
			return nil, fmt.Errorf("table-migrate-rule number %d (source %s): %w", i+1, r.Source, err)
		}
		m.rules = append(m.rules, rule)
	}
	return m, nil
}

func (m *Migration) rule(r MigrateRule, filters map[string]eventFilter) (rule migrateRule, err error) {
	rule.MigrateRule = r
	switch {
	case r.Source.Schema == "":
		return rule, errors.New("source.schema is empty: name the databases it is for, * for all")
	case r.Target != nil && r.Target.Schema == "":
		return rule, errors.New("target.schema is empty: name the database downstream, or leave the target out")
	case r.Target != nil && r.Target.Table != "" && r.Source.Table == "":
		return rule, errors.New("target.table is given and source.table is not: name the tables it is for, * for all")
	}
	if rule.schema, err = m.wildcard(r.Source.Schema); err != nil {
		return rule, err
	}
	if r.Source.Table != "" {
		if rule.table, err = m.wildcard(r.Source.Table); err != nil {
			return rule, err
		}
	}
	for _, name := range r.Events {
		f, ok := filters[name]
		if !ok {
			return rule, fmt.Errorf("binlog-filter-rule %q does not exist: add a section [syncer.binlog-filter-rule.%s]", name, name)
		}
		rule.filters = append(rule.filters, f)
	}
	return rule, nil
}

// wildcard makes a regular expression of a name with wildcards.
func (m *Migration) wildcard(name string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString("(?s")
	if m.fold {
		b.WriteString("i")
	}
	b.WriteString(")^")
	for rest := name; rest != ""; {
		c := rest[0]
		switch end := strings.IndexByte(rest, ']'); {
		case c == '*' && len(rest) > 1:
			return nil, fmt.Errorf("%q: * stands for the rest of a name, so it can only be at the end", name)
		case c == '*':
			b.WriteString(".*")
		case c == '?':
			b.WriteByte('.')
		case c == '[' && end > 1:
			set := strings.ReplaceAll(rest[1:end], `\`, `\\`)
			if not, ok := strings.CutPrefix(set, "!"); ok {
				set = "^" + not
			} else if set[0] == '^' {
				set = `\` + set
			}
			b.WriteString("[" + set + "]")
			rest = rest[end:]
		default:
			b.WriteString(regexp.QuoteMeta(rest[:1]))
		}
		rest = rest[1:]
	}
	b.WriteByte('$')
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("%q is not a name with wildcards (?, [a-z], [!a-z], * at the end): %w", name, err)
	}
	return re, nil
}

func newEventFilter(r EventRule) (f eventFilter, err error) {
	for _, e := range r.Events {
		e = strings.ToLower(strings.TrimSpace(e))
		if s, ok := strings.CutSuffix(e, " schema"); ok { // another word for it
			e = s + " database"
		}
		if !slices.Contains(eventNames[:], e) {
			return f, fmt.Errorf("ignore-event %q does not exist: use %s", e, strings.Join(eventNames[:], ", "))
		}
		f.events = append(f.events, e)
	}
	for _, expr := range r.SQL {
		re, err := regexp.Compile("(?i)" + expr)
		if err != nil {
			return f, fmt.Errorf("ignore-sql %q is not a regular expression: %w", expr, err)
		}
		f.sql = append(f.sql, re)
	}
	return f, nil
}

var eventNames = [...]string{"insert", "update", "delete", "create database", "drop database", "alter database", "create table", "drop table",
	"truncate table", "rename table", "alter table", "create index", "drop index", "create view", "drop view",
	"all", "all dml", "all ddl", "none", "none dml", "none ddl"}

// names reports whether a filter names an event of a group, dml or ddl. Its list is read in order.
func (f eventFilter) names(event, group string) bool {
	for _, e := range f.events {
		switch e {
		case "all", "all " + group, event:
			return true
		case "none", "none " + group:
			return false
		}
	}
	return false
}

// Routes reports whether any table goes downstream under another name.
func (m *Migration) Routes() bool {
	return m != nil && slices.ContainsFunc(m.rules, func(r migrateRule) bool { return r.Target != nil })
}

// RoutesIn reports whether any table of a database, or itself, may go downstream under another name.
func (m *Migration) RoutesIn(schema string) bool {
	return m != nil && slices.ContainsFunc(m.rules, func(r migrateRule) bool { return r.Target != nil && r.schema.MatchString(schema) })
}

// Route gives the names that a table, or without one a database, has downstream. Two rules with
// targets for one table are an error.
func (m *Migration) Route(schema, table string) (string, string, error) {
	if m == nil {
		return schema, table, nil
	}
	var found *migrateRule
	for i := range m.rules {
		r := &m.rules[i]
		if r.Target == nil || !r.matches(schema, table) {
			continue
		}
		switch {
		case found == nil || found.table == nil && r.table != nil:
			found = r
		case (found.table == nil) == (r.table == nil) && *found.Target != *r.Target:
			return "", "", fmt.Errorf("two rules of table-migrate-rule say where %s goes, that for %s and that for %s: change one so that it does not match it",
				MigrateName{schema, table}, found.Source, r.Source)
		}
	}
	if found == nil {
		return schema, table, nil
	}
	if found.Target.Table != "" && table != "" {
		table = found.Target.Table
	}
	return found.Target.Schema, table, nil
}

func (r *migrateRule) matches(schema, table string) bool {
	return r.schema.MatchString(schema) && (r.table == nil || table != "" && r.table.MatchString(table))
}

// IgnoresRows reports which changes of a table's rows are left out, by Op.
func (m *Migration) IgnoresRows(schema, table string) (ignores [3]bool) {
	if m == nil {
		return ignores
	}
	for op, event := range [...]string{Insert: "insert", Update: "update", Delete: "delete"} {
		ignores[op] = m.ignores(schema, table, event, "dml", "")
	}
	return ignores
}

// IgnoresDDL reports whether a statement about a table, or without one a database, is left out. event
// is its kind; empty: it has none that a rule can name.
func (m *Migration) IgnoresDDL(schema, table, event, query string) bool {
	return m != nil && m.ignores(schema, table, event, "ddl", query)
}

func (m *Migration) ignores(schema, table, event, group, query string) bool {
	for i := range m.rules {
		r := &m.rules[i]
		if len(r.filters) == 0 || !r.matches(schema, table) {
			continue
		}
		// The lists of one rule are one list.
		var all eventFilter
		for _, f := range r.filters {
			all.events, all.sql = append(all.events, f.events...), append(all.sql, f.sql...)
		}
		if event != "" && all.names(event, group) ||
			group == "ddl" && slices.ContainsFunc(all.sql, func(re *regexp.Regexp) bool { return re.MatchString(query) }) {
			return true
		}
	}
	return false
}

// String is the name as it is written for people.
func (n MigrateName) String() string {
	if n.Table == "" {
		return n.Schema
	}
	return n.Schema + "." + n.Table
}
