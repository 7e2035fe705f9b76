package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"pumphouse/drainer/schema"
	"pumphouse/testsuite/tidbtest/golden"
)

// TestNames: every name in a statement is that of the definitions with its database, whatever the
// client's current database and letters were.
func TestNames(t *testing.T) {
	names := func(list ...string) string {
		var all []string
		for _, n := range list {
			all = append(all, fmt.Sprintf("{%q:%q,%q:%q}", "O", n, "L", strings.ToLower(n)))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	table := func(action, id int, after string) string {
		return fmt.Sprintf(`"type":%d,"schema_id":1,"table_id":%d,"binlog":{%s}`, action, id, after)
	}
	foreign := tableJSON(10, "Foo", "a:1 b:2", `,"fk_info":[{"fk_name":{"O":"k","L":"k"},"ref_schema":{"O":"tWO","L":"two"},"ref_table":{"O":"bAR","L":"bar"},"cols":`+names("a")+`,"state":5}]`)
	view := fmt.Sprintf(`"type":21,"schema_id":1,"table_id":30,"binlog":{"TableInfo":{"id":30,"name":{"O":"Vw","L":"vw"},"state":5,"cols":[],"view":{"view_select":%q,"view_cols":%s}}}`,
		"WITH `w` AS (SELECT 1 AS `n`) SELECT `one`.`foo`.`a` AS `x`,`foo`.`b` AS `y`,`Z`.`c` AS `c` FROM (`one`.`foo` JOIN `w`) JOIN `two`.`bar` AS `z`", names("x", "y", "c"))
	likes := map[string][2]string{"like foo": {"One", "Foo"}, "like one of another database": {"Two", "Bar"}}
	for _, c := range []struct{ name, job, query, want string }{
		{"alter", table(5, 10, tableJSON(10, "Foo", "a:1", "")), "ALTER TABLE `foo` ADD COLUMN `b` INT;", "ALTER TABLE `One`.`Foo` ADD COLUMN `b` INT"},
		{"create index", table(7, 10, tableJSON(10, "Foo", "a:1", "")), "CREATE INDEX `i` ON `ONE`.`FOO` (`a`);", "CREATE INDEX `i` ON `One`.`Foo` (`a`)"},
		{"drop index", table(8, 10, tableJSON(10, "Foo", "a:1", "")), "DROP INDEX `i` ON `fOO`;", "DROP INDEX `i` ON `One`.`Foo`"},
		{"truncate", table(11, 10, tableJSON(99, "Foo", "a:1", "")), "TRUNCATE TABLE `foo`;", "TRUNCATE TABLE `One`.`Foo`"},
		{"create", table(3, 40, tableJSON(40, "New", "a:1", "")), "CREATE TABLE IF NOT EXISTS `New` (`a` INT);", "CREATE TABLE IF NOT EXISTS `One`.`New` (`a` INT)"},
		{"like", table(3, 40, tableJSON(40, "New", "a:1", `,"comment":"c"`)), "CREATE TABLE `one`.`New` LIKE `s`;", "CREATE TABLE `One`.`New` (`a` INT) COMMENT = 'c'"},
		{"like foo", table(3, 40, tableJSON(40, "New", "a:1", "")), "CREATE TABLE `one`.`New` LIKE `foo`;", "CREATE TABLE `One`.`New` (`a` INT)"},
		{"like one of another database", table(3, 40, tableJSON(40, "New", "a:1", "")), "CREATE TABLE `one`.`New` LIKE `two`.`bar`;", "CREATE TABLE `One`.`New` (`a` INT)"},
		{"like one that it does not look like", table(3, 40, tableJSON(40, "New", "a:2", "")), "CREATE TABLE `one`.`New` LIKE `foo`;", "CREATE TABLE `One`.`New` (`a` INT)"},
		{"drop of two", table(4, 10, ""), "DROP TABLE `foo`, `two`.`bar`;", "DROP TABLE `One`.`Foo`"},
		{"drop view", table(24, 31, ""), "DROP VIEW `old`;", "DROP VIEW `One`.`Old`"},
		{"rename", fmt.Sprintf(`"type":14,"schema_id":2,"table_id":10,"binlog":{%s}`, tableJSON(10, "Moved", "a:1", "")), "RENAME TABLE `One`.`foo` TO `Moved`;", "RENAME TABLE `One`.`Foo` TO `Two`.`Moved`"},
		{"alter rename", table(14, 10, tableJSON(10, "Moved", "a:1", "")), "ALTER TABLE `foo` RENAME AS `Moved`;", "ALTER TABLE `One`.`Foo` RENAME AS `One`.`Moved`"},
		{"rename in a ring", `"type":47,"schema_id":1,"table_id":10,"raw_args":[[1,2,1],[1,1,2],[],[]],"binlog":{"MultipleTableInfos":[` +
			strings.Join([]string{strings.TrimPrefix(tableJSON(10, "x", "a:1", ""), `"TableInfo":`), strings.TrimPrefix(tableJSON(20, "foo", "a:1", ""), `"TableInfo":`), strings.TrimPrefix(tableJSON(10, "bar", "a:1", ""), `"TableInfo":`)}, ",") + `]}`,
			"RENAME TABLE `FOO` TO `x`, `two`.`bar` TO `foo`, `X` TO `two`.`bar`;", "RENAME TABLE `One`.`Foo` TO `One`.`x`, `Two`.`Bar` TO `One`.`foo`, `One`.`x` TO `Two`.`bar`"},
		{"exchange", table(42, 10, tableJSON(50, "Parted", "a:1", fmt.Sprintf(parted, 52, 10))), "ALTER TABLE `parted` EXCHANGE PARTITION `P0` WITH TABLE `foo`;", "ALTER TABLE `One`.`Parted` EXCHANGE PARTITION `p0` WITH TABLE `One`.`Foo`"},
		{"drop of a partition", table(20, 50, tableJSON(50, "Parted", "a:1", fmt.Sprintf(parted, 51, 52))), "ALTER TABLE `parted` DROP PARTITION `P1`, `gone`;", "ALTER TABLE `One`.`Parted` DROP PARTITION `p1`,`gone`"},
		{"foreign key", table(9, 10, foreign), "ALTER TABLE `foo` ADD CONSTRAINT `k` FOREIGN KEY (`a`) REFERENCES `bar`(`a`);", "ALTER TABLE `One`.`Foo` ADD CONSTRAINT `k` FOREIGN KEY (`a`) REFERENCES `Two`.`Bar`(`a`)"},
		{"view", view, "CREATE ALGORITHM = UNDEFINED DEFINER = CURRENT_USER SQL SECURITY DEFINER VIEW `vw` AS SELECT * FROM `foo`;",
			"CREATE ALGORITHM = UNDEFINED DEFINER = CURRENT_USER SQL SECURITY DEFINER VIEW `One`.`Vw` (`x`,`y`,`c`) AS WITH `w` AS (SELECT 1 AS `n`) " +
				"SELECT `One`.`Foo`.`a` AS `x`,`Foo`.`b` AS `y`,`z`.`c` AS `c` FROM (`One`.`Foo` JOIN `w`) JOIN `Two`.`Bar` AS `z`"},
		{"create sequence", `"type":34,"schema_id":1,"table_id":60,"binlog":{"TableInfo":{"id":60,"name":{"O":"Sq","L":"sq"},"state":5,"sequence":{}}}`, "CREATE SEQUENCE `sq`;", "CREATE SEQUENCE `One`.`Sq`"},
		{"drop database", `"type":2,"schema_id":1,"binlog":{}`, "DROP DATABASE `ONE`;", "DROP DATABASE `One`"},
		{"alter database", `"type":26,"schema_id":1,"binlog":{"DBInfo":{"id":1,"db_name":{"O":"One","L":"one"},"charset":"latin1","collate":"latin1_bin"}}`, "ALTER DATABASE CHARACTER SET = latin1;", "ALTER DATABASE `One` CHARACTER SET = latin1"},
		{"resource group", `"type":68,"binlog":{}`, "CREATE RESOURCE GROUP `g` /*T![resource_group] RU_PER_SEC = 1000 */;", "CREATE RESOURCE GROUP `g` RU_PER_SEC = 1000"},
		// Words that have become keywords, and a client with ANSI_QUOTES.
		{"a database lag", `"type":1,"schema_id":3,"binlog":{"DBInfo":{"id":3,"db_name":{"O":"lag","L":"lag"},"charset":"utf8mb4","collate":"utf8mb4_bin"}}`, "create database lag", "CREATE DATABASE `lag` CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin"},
		{"a table lag", table(3, 40, tableJSON(40, "lag", "rank:1", "")), "create table lag (rank int)", "CREATE TABLE `One`.`lag` (`rank` INT)"},
		{"a truncated lag", table(11, 10, tableJSON(99, "Foo", "a:1", "")), "truncate table lag", "TRUNCATE TABLE `One`.`Foo`"},
		{"an altered lag", table(5, 10, tableJSON(10, "Foo", "a:1", "")), "alter table foo add column rank int", ""},
		{"quotes", table(5, 10, tableJSON(10, "Foo", "a:1", "")), `ALTER TABLE "foo" ADD COLUMN "b" INT`, "ALTER TABLE `One`.`Foo` ADD COLUMN `b` INT"},
		{"quotes and backslashes", table(17, 10, tableJSON(10, "Foo", "a:1", "")), `alter table "foo" comment 'a\'`, "ALTER TABLE `One`.`Foo` COMMENT = 'a\\'"},
		{"no escapes", table(17, 10, tableJSON(10, "Foo", "a:1", "")), `alter table foo comment 'a\'`, "ALTER TABLE `One`.`Foo` COMMENT = 'a\\'"},
		{"backslashes of a client", table(17, 10, tableJSON(10, "Foo", "a:1", "")), `alter table foo comment 'a\\b'`, "ALTER TABLE `One`.`Foo` COMMENT = 'a\\b'"},
		{"backslashes of TiDB", table(17, 10, tableJSON(10, "Foo", "a:1", "")), "ALTER TABLE `foo` COMMENT = 'a\\\\b';", "ALTER TABLE `One`.`Foo` COMMENT = 'a\\\\b'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHistory(t)
			h.job(`"type":1,"schema_id":2,"binlog":{"DBInfo":{"id":2,"db_name":{"O":"Two","L":"two"}}}`)
			h.create(10, "Foo", "a:1", "")
			h.job(fmt.Sprintf(`"type":3,"schema_id":2,"table_id":20,"binlog":{%s}`, tableJSON(20, "Bar", "a:1", "")))
			h.job(`"type":21,"schema_id":1,"table_id":31,"binlog":{"TableInfo":{"id":31,"name":{"O":"Old","L":"old"},"state":5,"view":{}}}`)
			h.create(50, "Parted", "a:1", fmt.Sprintf(parted, 51, 52))
			at := schema.Position{CommitTS: binlogTS(h.n) + 20, Exact: true}
			job := h.job(strings.Replace(c.job, `"binlog":{}`, `"binlog":{"X":1}`, 1))
			d, err := h.open(at).Reach(t.Context(), binlogTS(job), int64(job), schema.StatePublic, c.query)
			if err != nil {
				t.Fatal(err)
			}
			if d.Statement != c.want {
				t.Errorf("%s\nwant\n%s", d.Statement, c.want)
			}
			if want := likes[c.name]; d.Like != want {
				t.Errorf("like %q, want %q", d.Like, want)
			}
		})
	}
}

// TestRealStatements: what real TiDBs have run can be said again, from the definitions where the text
// copies a table.
func TestRealStatements(t *testing.T) {
	for _, year := range golden.Years() {
		data, err := golden.Load(year)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, x := range data.Transactions(t) {
			if x.DDL == nil || x.DDL.Schema == "mysql" {
				continue
			}
			if x.DDL.Statement == "" && x.DDL.Job != nil && x.DDL.Job.Succeeded() {
				t.Errorf("%d: %s", year, x.Query)
			}
			if _, err := schema.ParseStatements(x.DDL.Statement); err != nil {
				t.Errorf("%d: %s: %v", year, x.DDL.Statement, err)
			}
			found[x.DDL.Statement] = true
		}
		for _, want := range []string{
			"RENAME TABLE `ddls`.`t2` TO `ddls`.`t3`, `ddls`.`u` TO `ddls`.`t2`, `ddls`.`t3` TO `ddls`.`u`",
			"ALTER TABLE `parts`.`by_range` EXCHANGE PARTITION `p0` WITH TABLE `parts`.`swap`",
			"CREATE ALGORITHM = UNDEFINED DEFINER = CURRENT_USER SQL SECURITY DEFINER VIEW `ddls`.`vw` AS SELECT `id` AS `id`,`a` AS `a` FROM `ddls`.`u`",
		} {
			if !found[want] {
				t.Errorf("%d: there is no %s", year, want)
			}
		}
		for s := range found {
			if strings.Contains(s, " LIKE ") {
				t.Errorf("%d: %s", year, s)
			}
		}
	}
}
