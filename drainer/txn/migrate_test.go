package txn

import (
	"strings"
	"testing"
)

func newTestMigration(t *testing.T, rules MigrateRules) *Migration {
	t.Helper()
	m, err := NewMigration(rules)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func to(schema, table string) *MigrateName { return &MigrateName{schema, table} }

func TestRoute(t *testing.T) {
	rules := []MigrateRule{
		{Source: MigrateName{"shop_*", "orders_*"}, Target: to("shop", "orders")},
		{Source: MigrateName{"shop_*", ""}, Target: to("shop", "")},
		{Source: MigrateName{"Log[0-4]", "t?"}, Target: to("logs", "")},
		{Source: MigrateName{"log[!0-4]", "*"}, Target: to("Rest", "all")},
		{Source: MigrateName{"*", "no.target"}, Events: nil},
	}
	for _, c := range []struct {
		schema, table, want string
		exactly             string // with CaseSensitive; empty: the same
	}{
		{"shop_1", "orders_7", "shop.orders", ""},
		{"SHOP_1", "Orders_", "shop.orders", "SHOP_1.Orders_"},
		{"shop_1", "users", "shop.users", ""},
		{"shop_1", "", "shop.", ""},
		{"shop", "orders_1", "shop.orders_1", ""},
		{"log3", "tx", "logs.tx", "log3.tx"},
		{"Log3", "tx", "logs.tx", ""},
		{"log3", "txy", "log3.txy", ""},
		{"log7", "a", "Rest.all", ""},
		{"log7", "", "log7.", ""},
		{"log77", "a", "log77.a", ""},
		{"x", "no.target", "x.no.target", ""},
		{"日志", "t", "日志.t", ""},
	} {
		for _, sensitive := range []bool{false, true} {
			m := newTestMigration(t, MigrateRules{Tables: rules, CaseSensitive: sensitive})
			want := c.want
			if sensitive && c.exactly != "" {
				want = c.exactly
			}
			schema, table, err := m.Route(c.schema, c.table)
			if err != nil || schema+"."+table != want {
				t.Errorf("%s.%s (case-sensitive %v): %s.%s, %v; want %s", c.schema, c.table, sensitive, schema, table, err, want)
			}
		}
	}
	if !newTestMigration(t, MigrateRules{Tables: rules}).Routes() || newTestMigration(t, MigrateRules{Tables: rules[4:]}).Routes() || (*Migration)(nil).Routes() {
		t.Error("Routes is wrong about targets")
	}
}

// TestTwoRoutes: a table that two rules send to different places is an error, that names both.
func TestTwoRoutes(t *testing.T) {
	m := newTestMigration(t, MigrateRules{Tables: []MigrateRule{
		{Source: MigrateName{"a*", "t"}, Target: to("x", "t")},
		{Source: MigrateName{"ab*", "t"}, Target: to("y", "t")},
		{Source: MigrateName{"abc*", "t"}, Target: to("y", "t")},
	}})
	if _, _, err := m.Route("ab", "t"); err == nil || !strings.Contains(err.Error(), "a*.t") || !strings.Contains(err.Error(), "ab*.t") {
		t.Errorf("two targets: %v", err)
	}
	if s, _, err := m.Route("ac", "t"); err != nil || s != "x" {
		t.Errorf("one target: %s, %v", s, err)
	}
}

func TestEvents(t *testing.T) {
	m := newTestMigration(t, MigrateRules{
		Tables: []MigrateRule{
			{Source: MigrateName{"db", "t*"}, Events: []string{"truncate", "text"}},
			{Source: MigrateName{"db", "t2"}, Events: []string{"rows"}},
			{Source: MigrateName{"whole", ""}, Events: []string{"ddl"}},
		},
		Events: map[string]EventRule{
			"truncate": {Events: []string{"Truncate Table", "DROP table"}},
			"text":     {SQL: []string{"^alter table .* add column aaa"}},
			"rows":     {Events: []string{"delete"}},
			"ddl":      {Events: []string{"none dml", "all"}},
		},
	})
	for _, c := range []struct {
		schema, table, event, query string
		want                        bool
	}{
		{"db", "t1", "truncate table", "TRUNCATE TABLE t1", true},
		{"DB", "T1", "drop table", "DROP TABLE t1", true},
		{"db", "t1", "alter table", "ALTER TABLE `t1` ADD COLUMN aaa INT", true},
		{"db", "t1", "alter table", "ALTER TABLE `t1` ADD COLUMN bbb INT", false},
		{"db", "t1", "", "SELECT 1", false},
		{"db", "x", "truncate table", "TRUNCATE TABLE x", false},
		{"db", "", "drop database", "DROP DATABASE db", false},
		{"whole", "", "drop database", "DROP DATABASE whole", true},
		{"whole", "t", "create table", "CREATE TABLE t (a INT)", true},
	} {
		if got := m.IgnoresDDL(c.schema, c.table, c.event, c.query); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for table, want := range map[string][3]bool{"db.t1": {}, "db.t2": {Delete: true}, "whole.t": {}} {
		schema, name, _ := strings.Cut(table, ".")
		if got := m.IgnoresRows(schema, name); got != want {
			t.Errorf("rows of %s: %v, want %v", table, got, want)
		}
	}
}

// TestMigrateRulesRefused: errors name the rule and say what to do.
func TestMigrateRulesRefused(t *testing.T) {
	for want, rules := range map[string]MigrateRules{
		"source.schema is empty":       {Tables: []MigrateRule{{}}},
		"target.schema is empty":       {Tables: []MigrateRule{{Source: MigrateName{"a", "b"}, Target: to("", "c")}}},
		"source.table is not":          {Tables: []MigrateRule{{Source: MigrateName{"a", ""}, Target: to("x", "c")}}},
		"number 1 (source a*b.t)":      {Tables: []MigrateRule{{Source: MigrateName{"a*b", "t"}}}},
		`"[z-a]" is not a name with`:   {Tables: []MigrateRule{{Source: MigrateName{"a", "[z-a]"}}}},
		"binlog-filter-rule.none]":     {Tables: []MigrateRule{{Source: MigrateName{"a", "t"}, Events: []string{"none"}}}},
		`ignore-event "explode" does`:  {Events: map[string]EventRule{"r": {Events: []string{"explode"}}}},
		"binlog-filter-rule.r: ignore": {Events: map[string]EventRule{"r": {SQL: []string{"("}}}},
	} {
		if _, err := NewMigration(rules); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if m, err := NewMigration(MigrateRules{}); m != nil || err != nil {
		t.Errorf("no rules: %v, %v", m, err)
	}
}
