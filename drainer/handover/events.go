package handover

import (
	"fmt"
	"strings"

	"pumphouse/drainer/txn"
)

// events gives the rules for events as TiCDC's, and what it does not have of them.
func events(m txn.MigrateRules) (list []eventFilter, left []string) {
	tables := false
	for _, r := range m.Tables {
		tables = tables || r.Source.Table != ""
	}
	for _, r := range m.Tables {
		source := r.Source.Schema
		if r.Source.Table != "" {
			source += "." + r.Source.Table
		}
		if r.Target != nil {
			left = append(left, fmt.Sprintf("table-migrate-rule of %s: a changefeed to a database keeps the names of tables (target)", source))
		}
		if len(r.Events) > 0 && r.Source.Table == "" && tables {
			left = append(left, fmt.Sprintf("binlog-filter-rule of %s: TiCDC applies it to all tables of the database, also to those that a rule of their own is for", source))
		}
		for _, rule := range r.Events {
			e := eventFilter{Matcher: []string{matcher(r.Source)}}
			for _, event := range m.Events[rule].Events {
				names, ok := ticdcEvents[strings.ToLower(strings.TrimSpace(event))]
				if !ok {
					left = append(left, fmt.Sprintf("binlog-filter-rule.%s: event %q: TiCDC has none for it alone (create index and drop index are part of alter table)", rule, event))
				}
				e.Events = append(e.Events, names...)
			}
			for _, expr := range m.Events[rule].SQL {
				e.SQL = append(e.SQL, "(?i)"+expr)
			}
			if len(e.Events)+len(e.SQL) > 0 {
				list = append(list, e)
			}
		}
	}
	return list, left
}

// matcher gives the source of a rule as a rule of TiCDC, whose wildcards are the same.
func matcher(n txn.MigrateName) string {
	if n.Table == "" {
		return wildcard(n.Schema) + ".*"
	}
	return wildcard(n.Schema) + "." + wildcard(n.Table)
}

func wildcard(n string) string {
	if strings.ContainsAny(n, "*?[") {
		return n
	}
	return literal(n)
}

// ticdcEvents are TiCDC's names of the events of binlog-filter-rule.
var ticdcEvents = map[string][]string{
	"all": {"all dml", "all ddl"}, "all dml": {"all dml"}, "all ddl": {"all ddl"},
	"insert": {"insert"}, "update": {"update"}, "delete": {"delete"},
	"create database": {"create schema"}, "drop database": {"drop schema"}, "alter database": {"modify schema charset and collate"},
	"create table": {"create table"}, "drop table": {"drop table"}, "truncate table": {"truncate table"}, "rename table": {"rename table"},
	"alter table": {"alter table"}, "create view": {"create view"}, "drop view": {"drop view"},
}
