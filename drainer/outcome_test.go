package drainer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
)

// jobs is a DDL history in a directory. A job's commit TS is ten times its ID.
type jobs struct {
	*testing.T
	dir string
	n   int64
}

// add adds a job: its type and what else it has, with %s for the beginning of its result.
func (j *jobs) add(body string) int64 {
	j.Helper()
	j.n++
	text := fmt.Sprintf(`{"id":%d,"state":6,"start_ts":1,%s,"SchemaVersion":%d,"FinishedTS":%d}}`, j.n, body, j.n, 10*j.n+1)
	if err := os.WriteFile(filepath.Join(j.dir, fmt.Sprintf("%d.json", j.n)), []byte(text), 0o600); err != nil {
		j.Fatal(err)
	}
	return j.n
}

func (j *jobs) database(id int, name string) {
	j.add(fmt.Sprintf(`"type":1,"schema_id":%d,"schema_name":%q,"binlog":{"DBInfo":{"id":%d,"db_name":{"O":%q,"L":%q}}`, id, name, id, name, name))
}

func (j *jobs) table(schemaID, id int, name string) {
	j.add(about1(3, schemaID, id, named(id, name)))
}

// about1 is a job of a type about one table, which it leaves as info says; empty: gone.
func about1(tp, schemaID, id int, info string) string {
	s := fmt.Sprintf(`"type":%d,"schema_id":%d,"table_id":%d,"binlog":{`, tp, schemaID, id)
	if info != "" {
		return s + `"TableInfo":` + info
	}
	return s + `"none":0`
}

// aboutMany is a job of a type about several tables.
func aboutMany(tp, schemaID int, query string, infos ...string) string {
	return fmt.Sprintf(`"type":%d,"schema_id":%d,"query":%q,"binlog":{"MultipleTableInfos":[%s]`, tp, schemaID, query, strings.Join(infos, ","))
}

// named is a table with an ID and a name, and what else its definition has.
func named(id int, name string, more ...string) string {
	return fmt.Sprintf(`{"id":%d,"name":{"O":%q,"L":%q},"state":5,"pk_is_handle":true,"cols":[{"id":1,"name":{"O":"id","L":"id"},"offset":0,"state":5,"type":{"Tp":3,"Flag":3}}]%s}`,
		id, name, strings.ToLower(name), strings.Join(more, ""))
}

func withPartition(id int) string {
	return fmt.Sprintf(`,"partition":{"definitions":[{"id":%d,"name":{"O":"p0","L":"p0"}}]}`, id)
}

// reading is a view that reads a table.
func reading(table string) string { return `,"view":{"view_select":"SELECT * FROM ` + table + `"}` }

const asView = `,"view":{}`

// newJobs is the history of the tests: databases db (1), of which tables that begin with ig are not
// replicated; trash (2), which is not replicated; and all (3), which is.
func newJobs(t *testing.T) *jobs {
	j := &jobs{T: t, dir: t.TempDir()}
	j.database(1, "db")
	j.database(2, "trash")
	j.database(3, "all")
	j.table(1, 10, "t1")
	j.table(1, 11, "t2")
	j.table(1, 12, "ig")
	j.table(2, 13, "x")
	j.table(3, 15, "a")
	j.add(about1(3, 1, 14, named(14, "parted", withPartition(141))))
	j.add(about1(3, 1, 16, named(16, "igparted", withPartition(161))))
	j.add(about1(21, 1, 17, named(17, "v", reading("`db`.`t1`"))))
	j.add(about1(21, 1, 18, named(18, "igv", reading("`db`.`t1`"))))
	return j
}

var testRules = txn.FilterRules{IgnoreSchemas: []string{"mysql", "trash"}, IgnoreTables: []txn.TableName{{Schema: "db", Table: "~^ig"}}}

// goes gives the statements that the last job comes downstream as, and the warnings about it.
func (j *jobs) goes(query string, rules txn.FilterRules, migrate txn.MigrateRules) (statements, warnings []string, err error) {
	j.Helper()
	filter, err := txn.NewFilter(rules)
	if err != nil {
		j.Fatal(err)
	}
	migration, err := txn.NewMigration(migrate)
	if err != nil {
		j.Fatal(err)
	}
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		j.Fatal(err)
	}
	log, hook := test.NewNullLogger()
	dec := newDecoder(Options{Options: life.Options{Logger: log}, Downstream: noZone{}}, filter, migration, m)
	at := nodes.TSO(10 * j.n)
	h, err := schema.Open(j.Context(), schema.Dir(j.dir), schema.Position{CommitTS: at - 1, Exact: true}, schema.Options{})
	if err != nil {
		j.Fatal(err)
	}
	txns, err := dec.ddl(j.Context(), h, &txn.Binlog{CommitTS: at, DDLJobID: j.n, DDLQuery: []byte(query)})
	for _, t := range txns {
		list := t.Early
		if t.DDL != nil {
			list = []sink.Statement{{DDL: t.DDL, Query: t.Query}}
		}
		for _, st := range list {
			statements = append(statements, st.Query)
			if own := st.DDL.Statement; st.Query != query && own != "" && own != st.Query {
				j.Errorf("a part's text is %q, and its statement with names %q", st.Query, own)
			}
		}
	}
	for _, e := range hook.AllEntries() {
		if e.Level <= logrus.WarnLevel {
			warnings = append(warnings, fmt.Sprint(e.Data["reason"]))
		}
	}
	return statements, warnings, err
}

// TestOutcomes: every line of the table, by a statement that leads to it.
func TestOutcomes(t *testing.T) {
	rename := func(schemaID, id int, name string) string { return about1(14, schemaID, id, named(id, name)) }
	exchange := func(plain, parted int, name string) string {
		return about1(42, 1, plain, named(parted, name, withPartition(plain)))
	}
	text := func(tp, schemaID int) string {
		return fmt.Sprintf(`"type":%d,"schema_id":%d,"binlog":{"none":0`, tp, schemaID)
	}
	database := func(tp, id int, name string) string {
		return fmt.Sprintf(`"type":%d,"schema_id":%d,"schema_name":%q,"binlog":{"DBInfo":{"id":%d,"db_name":{"O":%q,"L":%q}}`, tp, id, name, id, name, name)
	}
	const itself = "itself"
	for _, c := range []struct {
		query  string
		job    string
		want   []string // nothing: left out
		warns  string   // the beginning of the reason; empty: no warning
		stops  string
		before []string // jobs before it
	}{
		// aTable
		{query: "CREATE TABLE db.n (id INT PRIMARY KEY)", job: about1(3, 1, 20, named(20, "n")), want: []string{itself}},
		{query: "CREATE TABLE db.ign (id INT PRIMARY KEY)", job: about1(3, 1, 20, named(20, "ign"))},
		{query: "ALTER TABLE db.t1 COMMENT 'x'", job: about1(17, 1, 10, named(10, "t1")), want: []string{itself}},
		{query: "ALTER TABLE db.ig COMMENT 'x'", job: about1(17, 1, 12, named(12, "ig"))},
		{query: "TRUNCATE TABLE db.t1", job: about1(11, 1, 10, named(20, "t1")), want: []string{itself}},
		{query: "TRUNCATE TABLE db.ig", job: about1(11, 1, 12, named(20, "ig"))},
		{query: "DROP TABLE db.t1", job: about1(4, 1, 10, ""), want: []string{itself}},
		{query: "DROP TABLE db.ig", job: about1(4, 1, 12, "")},
		{query: "DROP TABLE db.t1, db.t2", job: about1(4, 1, 10, ""), want: []string{itself}},
		{query: "DROP TABLE IF EXISTS t1, ig", job: about1(4, 1, 10, ""), want: []string{"DROP TABLE IF EXISTS `db`.`t1`"}},
		{query: "DROP TABLE t1, ig", job: about1(4, 1, 12, "")},

		// aRename
		{query: "RENAME TABLE db.t1 TO db.t3", job: rename(1, 10, "t3"), want: []string{itself}},
		{query: "ALTER TABLE db.t1 RENAME TO all.t3", job: rename(3, 10, "t3"), want: []string{itself}},
		{query: "RENAME TABLE db.t1 TO trash.t1", job: rename(2, 10, "t1"), want: []string{itself}, warns: whyOut},
		{query: "RENAME TABLE db.t1 TO db.ig1", job: rename(1, 10, "ig1"), want: []string{itself}, warns: whyOut},
		{query: "RENAME TABLE trash.x TO db.x", job: rename(1, 13, "x"), stops: whyIn},
		{query: "ALTER TABLE db.ig RENAME TO db.not", job: rename(1, 12, "not"), stops: whyIn},
		{query: "RENAME TABLE db.ig TO trash.ig", job: rename(2, 12, "ig")},
		// of several
		{query: "RENAME TABLE db.t1 TO db.t3, db.t2 TO db.t4", want: []string{itself},
			job: aboutMany(47, 1, "RENAME TABLE db.t1 TO db.t3, db.t2 TO db.t4", named(10, "t3"), named(11, "t4"))},
		{query: "RENAME TABLE db.t1 TO db.igtmp, db.t2 TO db.t1, db.igtmp TO db.t2", want: []string{itself},
			job: aboutMany(47, 1, "RENAME TABLE db.t1 TO db.igtmp, db.t2 TO db.t1, db.igtmp TO db.t2", named(10, "t2"), named(11, "t1"), named(10, "t2"))},
		{query: "RENAME TABLE db.t1 TO trash.t1, db.t2 TO trash.t2", want: []string{itself}, warns: whyOut,
			job: aboutMany(47, 2, "RENAME TABLE db.t1 TO trash.t1, db.t2 TO trash.t2", named(10, "t1"), named(11, "t2"))},
		{query: "RENAME TABLE db.ig TO db.ig9, db.t2 TO db.t4", want: []string{"RENAME TABLE `db`.`t2` TO `db`.`t4`"},
			job: aboutMany(47, 1, "RENAME TABLE db.ig TO db.ig9, db.t2 TO db.t4", named(12, "ig9"), named(11, "t4"))},
		{query: "RENAME TABLE db.t1 TO trash.t1, db.ig TO db.t1", stops: whyIn,
			job: aboutMany(47, 2, "RENAME TABLE db.t1 TO trash.t1, db.ig TO db.t1", named(10, "t1"), named(12, "t1"))},
		{query: "RENAME TABLE db.ig TO db.ig9, trash.x TO trash.y",
			job: aboutMany(47, 1, "RENAME TABLE db.ig TO db.ig9, trash.x TO trash.y", named(12, "ig9"), named(13, "y"))},

		// anExchange
		{query: "ALTER TABLE db.parted EXCHANGE PARTITION p0 WITH TABLE db.t1", job: exchange(10, 14, "parted"), want: []string{itself}},
		{query: "ALTER TABLE db.parted EXCHANGE PARTITION p0 WITH TABLE db.ig", job: exchange(12, 14, "parted"), stops: whyExchange},
		{query: "ALTER TABLE db.igparted EXCHANGE PARTITION p0 WITH TABLE db.t1", job: exchange(10, 16, "igparted"), stops: whyExchange},
		{query: "ALTER TABLE db.igparted EXCHANGE PARTITION p0 WITH TABLE db.ig", job: exchange(12, 16, "igparted")},

		// aView, aViewDropped
		{query: "CREATE VIEW db.w AS SELECT * FROM t1", job: about1(21, 1, 20, named(20, "w", asView)), want: []string{itself}},
		{query: "CREATE VIEW db.w AS WITH ig AS (SELECT 1) SELECT * FROM ig", job: about1(21, 1, 20, named(20, "w", asView)), want: []string{itself}},
		{query: "CREATE VIEW db.w AS SELECT * FROM t1 JOIN trash.x USING (id)", job: about1(21, 1, 20, named(20, "w", asView)), warns: whyView},
		{query: "CREATE VIEW db.igw AS SELECT * FROM t1", job: about1(21, 1, 20, named(20, "igw", asView))},
		{query: "CREATE VIEW db.igw AS SELECT * FROM ig", job: about1(21, 1, 20, named(20, "igw", asView))},
		{query: "CREATE VIEW db.w AS SELECT * FROM x", job: about1(21, 1, 20, named(20, "w", reading("`trash`.`x`"))), warns: whyView},
		{query: "DROP VIEW db.v", job: about1(24, 1, 17, ""), want: []string{itself}},
		{query: "DROP VIEW db.w", job: about1(24, 1, 20, ""), want: []string{"DROP VIEW IF EXISTS `db`.`w`"}, before: []string{about1(21, 1, 20, named(20, "w", reading("`trash`.`x`")))}},
		{query: "DROP VIEW db.igv", job: about1(24, 1, 18, "")},

		// aCopy
		{query: "CREATE TABLE db.n LIKE t1", job: about1(3, 1, 20, named(20, "n")), want: []string{itself}},
		{query: "CREATE TABLE db.n LIKE ig", job: about1(3, 1, 20, named(20, "n")), want: []string{itself}, warns: whyCopy},
		{query: "CREATE TABLE trash.n LIKE db.t1", job: about1(3, 2, 20, named(20, "n"))},
		{query: "CREATE TABLE trash.n LIKE trash.x", job: about1(3, 2, 20, named(20, "n"))},

		// aRestoredTable
		{query: "RECOVER TABLE db.t1", job: about1(25, 1, 10, named(10, "t1")), want: []string{itself}, before: []string{about1(4, 1, 10, "")}},
		{query: "FLASHBACK TABLE db.t1 TO ig1", job: about1(25, 1, 10, named(10, "ig1")), before: []string{about1(4, 1, 10, "")}},
		{query: "FLASHBACK TABLE db.ig TO t9", job: about1(25, 1, 12, named(12, "t9")), stops: whyRestored, before: []string{about1(4, 1, 12, "")}},
		{query: "RECOVER TABLE db.ig", job: about1(25, 1, 12, named(12, "ig")), before: []string{about1(4, 1, 12, "")}},

		// aDatabase and its like
		{query: "CREATE DATABASE new", job: database(1, 9, "new"), want: []string{itself}},
		{query: "CREATE DATABASE `db` CHARSET utf8mb4", job: database(1, 1, "db"), want: []string{"CREATE DATABASE IF NOT EXISTS `db` CHARACTER SET = utf8mb4"}, before: []string{text(2, 1)}},
		{query: "CREATE DATABASE trash", job: database(1, 2, "trash"), before: []string{text(2, 2)}},
		{query: "ALTER DATABASE `all` CHARSET utf8mb4", job: database(26, 3, "all"), want: []string{itself}},
		{query: "ALTER DATABASE db CHARSET utf8mb4", job: database(26, 1, "db"), want: []string{itself}},
		{query: "ALTER DATABASE trash CHARSET utf8mb4", job: database(26, 2, "trash")},
		{query: "DROP DATABASE `all`", job: text(2, 3), want: []string{itself}},
		{query: "DROP DATABASE db", job: text(2, 1), warns: whyDrop,
			want: []string{"DROP VIEW IF EXISTS `db`.`v`", "DROP TABLE `db`.`t1`", "DROP TABLE `db`.`t2`", "DROP TABLE `db`.`parted`"}},
		{query: "DROP DATABASE trash", job: text(2, 2)},
		{query: "FLASHBACK DATABASE `all`", job: database(63, 3, "all"), want: []string{itself}, before: []string{text(2, 3)}},
		{query: "FLASHBACK DATABASE db", job: database(63, 1, "db"), stops: whyRestoredDatabase, before: []string{text(2, 1)}},
		{query: "FLASHBACK DATABASE trash", job: database(63, 2, "trash"), before: []string{text(2, 2)}},

		// theCluster
		{query: "CREATE PLACEMENT POLICY p FOLLOWERS=4", job: text(51, 0), want: []string{itself}},

		// several created at once
		{query: "CREATE TABLE n1 (id INT);CREATE TABLE ign (id INT);CREATE TABLE N2 (id INT)",
			job:  aboutMany(60, 1, "CREATE TABLE n1 (id INT);CREATE TABLE ign (id INT);CREATE TABLE N2 (id INT)", named(20, "n1"), named(21, "ign"), named(22, "N2")),
			want: []string{"CREATE TABLE `db`.`n1` (`id` INT)", "CREATE TABLE `db`.`N2` (`id` INT)"}},
	} {
		t.Run(c.query, func(t *testing.T) {
			j := newJobs(t)
			for _, body := range c.before {
				j.add(body)
			}
			j.add(c.job)
			got, warnings, err := j.goes(c.query, testRules, txn.MigrateRules{})
			for i := range c.want {
				c.want[i] = strings.ReplaceAll(c.want[i], itself, c.query)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("goes downstream: %q, want %q", got, c.want)
			}
			if (err != nil) != (c.stops != "") || err != nil && !strings.Contains(err.Error(), c.stops) {
				t.Errorf("error %v, want %q", err, c.stops)
			}
			if strings.Join(warnings, "") != c.warns {
				t.Errorf("warnings %q, want %q", warnings, c.warns)
			}
		})
	}
}

// TestOutcomesOfOtherRules: what depends on the kind of rules.
func TestOutcomesOfOtherRules(t *testing.T) {
	do := txn.FilterRules{DoTables: []txn.TableName{{Schema: "db", Table: "t1"}}}
	database := txn.FilterRules{DoDBs: []string{"db"}}
	for _, c := range []struct {
		name, query, job string
		rules            txn.FilterRules
		want             []string
	}{
		{"policy", "CREATE PLACEMENT POLICY p FOLLOWERS=4", `"type":51,"binlog":{"none":0`, database, nil},
		{"one table asked for", "DROP DATABASE db", `"type":2,"schema_id":1,"binlog":{"none":0`, do, []string{"DROP TABLE `db`.`t1`"}},
		{"a database asked for", "DROP DATABASE db", `"type":2,"schema_id":1,"binlog":{"none":0`, database, []string{"DROP DATABASE db"}},
		{"every table asked for", "DROP DATABASE db", `"type":2,"schema_id":1,"binlog":{"none":0`,
			txn.FilterRules{DoTables: []txn.TableName{{Schema: "db", Table: "~.*"}}}, []string{"DROP DATABASE db"}},
		{"every table ignored", "DROP DATABASE db", `"type":2,"schema_id":1,"binlog":{"none":0`,
			txn.FilterRules{IgnoreTables: []txn.TableName{{Schema: "db", Table: "~.*"}}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := newJobs(t)
			j.add(c.job)
			if got, _, err := j.goes(c.query, c.rules, txn.MigrateRules{}); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("goes downstream: %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// TestOutcomesAreComplete: the table has every combination once, and says why where somebody is to act.
func TestOutcomesAreComplete(t *testing.T) {
	seen := map[string]int{}
	for _, c := range outcomes {
		seen[fmt.Sprint(c.about, c.first, c.second)]++
		if (c.do == stop || c.do == skipped || c.do == warned) && c.why == "" {
			t.Errorf("%+v says no reason", c)
		}
	}
	for a := aTable; a <= theCluster; a++ {
		for _, first := range []bool{true, false} {
			for _, second := range []bool{true, false} {
				want := 1
				if first != second && (a == aTable || a == theCluster) {
					want = 0
				}
				if n := seen[fmt.Sprint(a, first, second)]; n != want {
					t.Errorf("%d %v %v is in the table %d times", a, first, second, n)
				}
			}
		}
	}
}

// noZone is a downstream of which only the time zone is asked.
type noZone struct{ Downstream }

func (noZone) Zone() *time.Location { return time.UTC }
