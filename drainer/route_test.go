package drainer

import (
	"slices"
	"strings"
	"testing"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// TestStatementsOfRules: what rules of table-migrate-rule leave of statements.
func TestStatementsOfRules(t *testing.T) {
	const itself = "itself"
	rules := txn.MigrateRules{
		Tables: []txn.MigrateRule{
			{Source: txn.MigrateName{Schema: "all", Table: "*"}, Target: &txn.MigrateName{Schema: "other"}},
			{Source: txn.MigrateName{Schema: "db", Table: "t*"}, Events: []string{"some"}},
			{Source: txn.MigrateName{Schema: "db", Table: "t?"}, Target: &txn.MigrateName{Schema: "db", Table: "t"}},
			{Source: txn.MigrateName{Schema: "trash", Table: "*"}, Target: &txn.MigrateName{Schema: "other"}},
		},
		Events: map[string]txn.EventRule{"some": {Events: []string{"drop table", "rename table"}, SQL: []string{"INVISIBLE$"}}},
	}
	for _, c := range []struct {
		query, job   string
		want         []string
		warns, stops string
	}{
		{query: "DROP TABLE db.t1", job: about1(4, 1, 10, "")},
		{query: "ALTER TABLE db.t1 ALTER INDEX i INVISIBLE", job: about1(41, 1, 10, named(10, "t1"))},
		{query: "DROP TABLE db.parted", job: about1(4, 1, 14, ""), want: []string{itself}},
		{query: "RENAME TABLE db.t1 TO db.t8, db.t2 TO db.t9", job: aboutMany(47, 1, "RENAME TABLE db.t1 TO db.t8, db.t2 TO db.t9", named(10, "t8"), named(11, "t9"))},
		{query: "RENAME TABLE db.t1 TO db.t8, db.parted TO db.p", job: aboutMany(47, 1, "RENAME TABLE db.t1 TO db.t8, db.parted TO db.p", named(10, "t8"), named(14, "p", withPartition(141))),
			stops: "leaves it out for 1 of them"},
		{query: "RENAME TABLE trash.x TO db.y", job: about1(14, 1, 13, named(13, "y")), stops: whyIn}, // whatever the rules say
		{query: "ALTER TABLE db.t1 COMMENT 'x'", job: about1(17, 1, 10, named(10, "t1")), stops: "to the one table `db`.`t`"},
		{query: "CREATE TABLE db.t3 (id INT)", job: about1(3, 1, 20, named(20, "t3")), warns: "table-migrate-rule replicates it into `db`.`t`, which is there for `db`.`t1` already"},
		{query: "ALTER TABLE `all`.a RENAME TO `all`.b", job: about1(14, 3, 15, named(15, "b")), want: []string{itself}},
		{query: "DROP DATABASE `all`", job: `"type":2,"schema_id":3,"binlog":{"none":0`, want: []string{"DROP TABLE `all`.`a`"}, warns: whyDrop},
		{query: "CREATE DATABASE `all`", job: `"type":1,"schema_id":3,"schema_name":"all","binlog":{"DBInfo":{"id":3,"db_name":{"O":"all","L":"all"}}`, want: []string{"CREATE DATABASE IF NOT EXISTS `all`"}},
	} {
		t.Run(c.query, func(t *testing.T) {
			j := newJobs(t)
			j.add(c.job)
			got, warnings, err := j.goes(c.query, testRules, rules)
			for i := range c.want {
				c.want[i] = strings.ReplaceAll(c.want[i], itself, c.query)
			}
			if !slices.Equal(got, c.want) || strings.Join(warnings, "") != c.warns {
				t.Errorf("goes downstream: %q, want %q; warnings %q, want %q", got, c.want, warnings, c.warns)
			}
			if (err != nil) != (c.stops != "") || err != nil && !strings.Contains(err.Error(), c.stops) {
				t.Errorf("error %v, want %q", err, c.stops)
			}
		})
	}
}

// TestRoutedTables: tables with one target have one ID there, others keep theirs; the mark table and the
// upstream's definition stay as they are.
func TestRoutedTables(t *testing.T) {
	rules, err := txn.NewMigration(txn.MigrateRules{
		Tables: []txn.MigrateRule{{Source: txn.MigrateName{Schema: "*", Table: "t*"}, Target: &txn.MigrateName{Schema: "x", Table: "all"}, Events: []string{"d"}}},
		Events: map[string]txn.EventRule{"d": {Events: []string{"delete"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := migrator{rules: rules, keep: func(_, table string) bool { return table == "tmark" }}
	first, second := &schema.Table{ID: 1, Schema: "a", Name: "t1"}, &schema.Table{ID: 2, Schema: "b", Name: "t2"}
	for _, table := range []*schema.Table{first, second} {
		for range 2 {
			got, err := m.of(table)
			if err != nil || got.table.String() != "`x`.`all`" || got.table.ID != 1 || !got.ignores[txn.Delete] || got.ignores[txn.Insert] {
				t.Errorf("%s: %v with ID %d, %v, %v", table, got.table, got.table.ID, got.ignores, err)
			}
		}
	}
	if first.Schema != "a" || second.ID != 2 {
		t.Errorf("the upstream's definitions have changed: %v, %v", first, second)
	}
	for _, table := range []*schema.Table{{ID: 3, Schema: "a", Name: "u"}, {ID: 4, Schema: "retl", Name: "tmark"}} {
		if got, err := m.of(table); err != nil || got.table != table || got.ignores != [3]bool{} {
			t.Errorf("%s: %v, %v, %v", table, got.table, got.ignores, err)
		}
	}
}

// TestRoutedSetval: what is no job has its names downstream, too.
func TestRoutedSetval(t *testing.T) {
	rules, err := txn.NewMigration(txn.MigrateRules{Tables: []txn.MigrateRule{{Source: txn.MigrateName{Schema: "a"}, Target: &txn.MigrateName{Schema: "b"}}}})
	if err != nil {
		t.Fatal(err)
	}
	m, d := migrator{rules: rules}, &schema.DDL{Schema: "a", Table: "s", Setval: true}
	if why, err := m.redirects(d, nil, nil); why != "" || err != nil || d.Route == nil {
		t.Fatalf("%q, %v", why, err)
	}
	if to, name := d.Route("A", "s"); to != "b" || name != "s" {
		t.Errorf("it goes to %s.%s", to, name)
	}
}
