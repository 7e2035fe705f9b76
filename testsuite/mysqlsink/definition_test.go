package mysqlsink

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/sink/mysql/definition"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// applyOne applies a transaction and gives the sink's error.
func applyOne(t *testing.T, s *mysql.Sink, x *sink.Txn) error {
	t.Helper()
	if err := s.Apply(t.Context(), one(x)); err != nil {
		return err
	}
	return s.Flush(t.Context())
}

// TestDefinitionDiffers: a statement that leaves another definition downstream than upstream stops the
// sink, with the difference; so do repeated starts, until somebody has altered the table.
func TestDefinitionDiffers(t *testing.T) {
	srv := mariadbtest.Start(t)
	id := col(1, "id", "int not null")
	pk := key("PRIMARY", true, "id/0")
	for _, c := range []struct {
		name, query string // run downstream, where it means something else
		parts       []string
		want        string
		cure        string
	}{
		{"order", "ALTER TABLE `t` ADD COLUMN `c` INT", []string{col(2, "c", "int"), id, key("PRIMARY", true, "id/1")}, "order of columns is c, id upstream, id, c downstream", "MODIFY c INT FIRST"},
		{"one of several", "ALTER TABLE `t` ADD COLUMN `c` INT", []string{id, pk, col(2, "c", "int"), col(3, "e", "int")}, "column `e` is missing downstream", "ADD COLUMN e INT"},
		{"too much", "ALTER TABLE `t` ADD COLUMN `c` INT, ADD COLUMN `e` INT", []string{id, pk, col(2, "c", "int")}, "column `e` is only downstream", "DROP COLUMN e"},
		{"unique", "ALTER TABLE `t` ADD INDEX `k`(`id`)", []string{id, pk, key("k", true, "id/0")}, "key `k`: definition is UNIQUE KEY `k` (`id`) upstream, KEY `k` (`id`) downstream", "DROP KEY k, ADD UNIQUE KEY k (id)"},
		{"prefix", "ALTER TABLE `t` ADD COLUMN `c` VARCHAR(20) COLLATE utf8mb4_bin, ADD INDEX `k`(`c`)", []string{id, pk, col(2, "c", "varchar(20)"), key("k", false, "c/1/5")}, "KEY `k` (`c`(5)) upstream", "DROP KEY k, ADD KEY k (c(5))"},
		{"name of a key", "ALTER TABLE `t` ADD INDEX `id`(`id`)", []string{id, pk, key("other", false, "id/0")}, "key `other` is missing downstream", "RENAME KEY id TO other"},
		{"table comment", "ALTER TABLE `t` ADD COLUMN `c` INT", []string{id, pk, col(2, "c", "int"), `"comment":"x"`}, `the table: comment is "x" upstream`, "COMMENT 'x'"},
		{"foreign key", "ALTER TABLE `t` ADD INDEX `k`(`id`)", []string{id, pk, key("k", false, "id/0"), `"fk_info":[{"fk_name":"f","cols":["id"],"ref_table":"p","ref_cols":["id"],"on_delete":2,"state":5,"version":1}]`}, "foreign key on (`id`) is missing downstream", "ADD FOREIGN KEY (id) REFERENCES p (id) ON DELETE CASCADE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, u := newLab(t, srv), newUpstream(t)
			l.exec(t, "DROP DATABASE IF EXISTS d", "CREATE DATABASE d", "CREATE TABLE d.p (id INT PRIMARY KEY)")
			created := u.create("CREATE TABLE `t` (`id` INT PRIMARY KEY)", 10, "t", id, pk)
			s := l.open(t, 50)
			mustApply(t, s, created)
			x := u.alter(c.query, 10, "t", c.parts...)
			for range 2 {
				var differs *mysql.DefinitionError
				if err := applyOne(t, s, x); !errors.As(err, &differs) || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("%v\nwant %s", err, c.want)
				}
				if differs.CommitTS != x.CommitTS || differs.Tables[0].Table != "d.t" || s.Applied() >= x.CommitTS {
					t.Fatalf("%+v, applied up to %s", differs, s.Applied())
				}
				s.Close()
				s = l.open(t, created.CommitTS)
			}
			s.Close()
			l.exec(t, "ALTER TABLE d.t "+c.cure)
			mustApply(t, l.open(t, created.CommitTS), x)
		})
	}
}

// TestDefinitionsRead: what a server says of a column is compared with the upstream's, as far as no
// statement of ours could leave it: statements are written from definitions.
func TestDefinitionsRead(t *testing.T) {
	srv := mariadbtest.Start(t)
	s, err := definition.Open(t.Context(), open(t, srv), definition.MariaDB)
	if err != nil {
		t.Fatal(err)
	}
	id := col(1, "id", "int not null")
	pk := key("PRIMARY", true, "id/0")
	for _, c := range []struct {
		name, other string // another definition of column c
		parts       []string
		want        string
		same        string // the upstream's
	}{
		{"type", "INT", []string{id, pk, col(2, "c", "bigint")}, "column `c`: type is bigint upstream, int downstream", "BIGINT"},
		{"sign", "INT", []string{id, pk, col(2, "c", "uint")}, "type is int unsigned upstream, int downstream", "INT UNSIGNED"},
		{"length", "VARCHAR(20) COLLATE utf8mb4_bin", []string{id, pk, col(2, "c", "varchar(30)")}, "type is varchar(30) upstream, varchar(20) downstream", "VARCHAR(30) COLLATE utf8mb4_bin"},
		{"collation", "VARCHAR(20) COLLATE utf8mb4_general_ci", []string{id, pk, col(2, "c", "varchar(20)")}, "collation is utf8mb4_bin upstream, utf8mb4_general_ci downstream", "VARCHAR(20) COLLATE utf8mb4_bin"},
		{"nullability", "INT", []string{id, pk, col(2, "c", "int not null")}, "NULL allowed is no upstream, yes downstream", "INT NOT NULL"},
		{"default", "INT DEFAULT 5", []string{id, pk, col(2, "c", "int", `"default":"6"`)}, `default is "6" upstream, "5" downstream`, "INT DEFAULT 6"},
		{"time zone of a default", "TIMESTAMP NULL DEFAULT '2020-01-01 08:00:00'", []string{id, pk, col(2, "c", "timestamp", `"default":"2020-01-01 00:00:00"`)}, `default is "2020-01-01 00:00:00" upstream`, "TIMESTAMP NULL DEFAULT '2020-01-01 00:00:00'"},
		{"comment", "INT COMMENT 'a'", []string{id, pk, col(2, "c", "int", `"comment":"b"`)}, `comment is "b" upstream, "a" downstream`, "INT COMMENT 'b'"},
		{"generated", "INT AS (`id` + 1)", []string{id, pk, col(2, "c", "int", `"generated_expr_string":"`+"`id` + 2"+`"`)}, "expression is `id` + 2 upstream", "INT AS (id + 2)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, u := newLab(t, srv), newUpstream(t)
			l.exec(t, "DROP DATABASE IF EXISTS d", "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, c "+c.other+")")
			want := definition.Of(u.create("CREATE TABLE `t`", 10, "t", c.parts...).DDL.After)
			read := func() []definition.Difference {
				t.Helper()
				got, err := s.Read(t.Context(), open(t, srv), "d", "t")
				if err != nil {
					t.Fatal(err)
				}
				return s.Compare(want, got)
			}
			if list := read(); len(list) != 1 || !strings.Contains(list[0].String(), c.want) {
				t.Errorf("%v, want %s", list, c.want)
			}
			l.exec(t, "ALTER TABLE d.t MODIFY c "+c.same)
			if list := read(); len(list) > 0 {
				t.Errorf("%v", list)
			}
		})
	}
	l := newLab(t, srv)
	l.exec(t, "CREATE TABLE d.i (own BIGINT NOT NULL AUTO_INCREMENT INVISIBLE PRIMARY KEY, c INT)")
	want := definition.Of(newUpstream(t).create("CREATE TABLE `i`", 11, "i", col(1, "c", "int")).DDL.After)
	if got, err := s.Read(t.Context(), open(t, srv), "d", "i"); err != nil || len(s.Compare(want, got)) > 0 {
		t.Errorf("%v %v", s.Compare(want, got), err)
	}
	l.exec(t, "CREATE VIEW d.v AS SELECT * FROM d.i", "DROP TABLE d.i")
	if got, err := s.Read(t.Context(), open(t, srv), "d", "v"); err != nil || got == nil || got.Kind != definition.View {
		t.Errorf("a view of a table that is gone: %v %v", got, err)
	}
	if got, err := s.Read(t.Context(), open(t, srv), "d", "nothing"); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// TestPartitionsRead: a server's partitions are those of the upstream, in TiDB's words for them.
func TestPartitionsRead(t *testing.T) {
	srv := mariadbtest.Start(t)
	l, db := newLab(t, srv), open(t, srv)
	s, err := definition.Open(t.Context(), db, definition.MariaDB)
	if err != nil {
		t.Fatal(err)
	}
	l.exec(t, "CREATE DATABASE d")
	p := func(name, values string) definition.Partition {
		return definition.Partition{Name: name, Values: values}
	}
	for i, c := range []struct {
		clause string
		want   definition.Partitioning
	}{
		{"RANGE (a) (PARTITION p0 VALUES LESS THAN (-10), PARTITION p1 VALUES LESS THAN MAXVALUE)", definition.Partitioning{Method: "RANGE", Expression: "`a`", Partitions: []definition.Partition{p("p0", "-10"), p("p1", "MAXVALUE")}}},
		{"RANGE (YEAR(d)) (PARTITION p0 VALUES LESS THAN (2020))", definition.Partitioning{Method: "RANGE", Expression: "YEAR(`d`)", Partitions: []definition.Partition{p("p0", "2020")}}},
		{"RANGE (UNIX_TIMESTAMP(ts)) (PARTITION p0 VALUES LESS THAN (UNIX_TIMESTAMP('2020-01-01')))", definition.Partitioning{Method: "RANGE", Expression: "UNIX_TIMESTAMP(`ts`)", Partitions: []definition.Partition{p("p0", "1577836800")}}},
		{"RANGE COLUMNS (d, s) (PARTITION p0 VALUES LESS THAN ('2020-01-01', 'm'), PARTITION p1 VALUES LESS THAN (MAXVALUE, MAXVALUE))", definition.Partitioning{Method: "RANGE", Expression: "`d`,`s`", Partitions: []definition.Partition{p("p0", "'2020-01-01','m'"), p("p1", "MAXVALUE,MAXVALUE")}}},
		{"LIST (a) (PARTITION p0 VALUES IN (5, 4, NULL))", definition.Partitioning{Method: "LIST", Expression: "`a`", Partitions: []definition.Partition{p("p0", "5,4,NULL")}}},
		{"LIST COLUMNS (a, s) (PARTITION p0 VALUES IN ((1, 'x'), (2, 'it''s')))", definition.Partitioning{Method: "LIST", Expression: "`a`,`s`", Partitions: []definition.Partition{p("p0", "1,'x',2,'it''s'")}}},
		{"HASH (a + 1) PARTITIONS 2", definition.Partitioning{Method: "HASH", Expression: "`a` + 1", Partitions: []definition.Partition{p("p0", ""), p("p1", "")}}},
		{"KEY (s) PARTITIONS 2", definition.Partitioning{Method: "KEY", Expression: "`s`", Partitions: []definition.Partition{p("p0", ""), p("p1", "")}}},
	} {
		name := fmt.Sprint("p", i)
		l.exec(t, "CREATE TABLE d."+name+" (a INT, d DATE, s VARCHAR(9), ts TIMESTAMP NOT NULL) PARTITION BY "+c.clause)
		got, err := s.Read(t.Context(), db, "d", name)
		if err != nil {
			t.Fatal(err)
		}
		want := *got
		want.Partitioning = &c.want
		if list := s.Compare(&want, got); len(list) > 0 {
			t.Errorf("%s: %v", c.clause, list)
		}
		other := c.want
		other.Partitions = append([]definition.Partition{}, c.want.Partitions...)
		other.Partitions[0].Name = "other"
		want.Partitioning = &other
		if list := s.Compare(&want, got); len(list) != 1 || list[0].Aspect != "partitions" {
			t.Errorf("%s, another name: %v", c.clause, list)
		}
		if other.Partitions[0] = c.want.Partitions[0]; other.Partitions[0].Values == "" {
			continue
		}
		other.Partitions[0].Values = "7"
		if list := s.Compare(&want, got); len(list) != 1 || list[0].Aspect != "partitions" {
			t.Errorf("%s, other values: %v", c.clause, list)
		}
	}
}

// open opens a database as definition.Querier wants it.
func open(t *testing.T, srv *mariadbtest.Server) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(%s)/?multiStatements=true&time_zone=%%27%%2B00:00%%27", srv.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// TestDefinitionOnlyLogged: with ddl-check = "warn" the difference is logged and the statement counts.
func TestDefinitionOnlyLogged(t *testing.T) {
	l, u := newLab(t, mariadbtest.Start(t)), newUpstream(t)
	l.exec(t, "CREATE DATABASE d")
	logger, hook := logtest.NewNullLogger()
	l.opts.Logger, l.opts.WarnOfDefinitions = logger, true
	mustApply(t, l.open(t, 50), u.create("CREATE TABLE `t` (`a` INT, `b` INT)", 10, "t", col(1, "a", "int")))
	if !logged(hook, logrus.ErrorLevel, "column `b` is only downstream") {
		t.Errorf("%v", hook.AllEntries())
	}
}

func logged(hook *logtest.Hook, level logrus.Level, text string) bool {
	for _, e := range hook.AllEntries() {
		if e.Level == level && strings.Contains(fmt.Sprint(e.Message, e.Data), text) {
			return true
		}
	}
	return false
}

// TestStandingDifferences: what an operator has added downstream, or left out, stops nothing, and is
// said once; but what a statement should have changed and did not is no such thing.
func TestStandingDifferences(t *testing.T) {
	l, u := newLab(t, mariadbtest.Start(t)), newUpstream(t)
	l.exec(t, "CREATE DATABASE d")
	logger, hook := logtest.NewNullLogger()
	l.opts.Logger = logger
	s := l.open(t, 50)
	a, b, c := col(1, "a", "int"), col(2, "b", "int"), col(3, "c", "int")
	ka := key("ka", false, "a/0")
	mustApply(t, s, u.create("CREATE TABLE `t` (`a` INT, `b` INT, KEY `ka`(`a`))", 10, "t", a, b, ka))
	l.exec(t, "ALTER TABLE d.t ADD COLUMN mine INT, ADD KEY mine (mine, b), DROP KEY ka, MODIFY a BIGINT, COMMENT 'mine'")
	mustApply(t, s, u.alter("ALTER TABLE `t` ADD COLUMN `c` INT AFTER `b`", 10, "t", a, b, c, ka))
	for _, want := range []string{"column `mine` is only downstream", "key `mine` is only downstream", "key `ka` is missing downstream", "type is int upstream, bigint downstream", "comment is"} {
		if !logged(hook, logrus.WarnLevel, want) {
			t.Errorf("%s is not said: %v", want, hook.LastEntry().Data)
		}
	}
	hook.Reset()
	renamed := col(1, "aa", "int")
	mustApply(t, s, u.alter("ALTER TABLE `t` RENAME COLUMN `a` TO `aa`", 10, "t", renamed, b, c, key("ka", false, "aa/0")))
	mustApply(t, s, u.job(schema.ActionRenameTable, "RENAME TABLE `t` TO `u`", `"table_id":10,"binlog":{"TableInfo":`+tableInfo(10, "u", renamed, b, c, key("ka", false, "aa/0"))+`}`))
	mustApply(t, s, u.job(schema.ActionTruncateTable, "TRUNCATE TABLE `u`", `"table_id":10,"binlog":{"TableInfo":`+tableInfo(11, "u", renamed, b, c, key("ka", false, "aa/0"))+`}`))
	mustApply(t, s, u.alter("ALTER TABLE `u` DROP COLUMN `b`", 11, "u", renamed, col(3, "c", "int"), key("ka", false, "aa/0")))
	if logged(hook, logrus.WarnLevel, "`mine`") && len(hook.AllEntries()) > 1 { // once for each name
		t.Errorf("said again: %v", hook.AllEntries())
	}
	// The upstream makes it BIGINT; for once, the statement that arrives does not.
	err := applyOne(t, s, u.alter("ALTER TABLE `u` COMMENT 'x'", 11, "u", col(1, "aa", "varchar(9)"), col(3, "c", "int"), key("ka", false, "aa/0"), `"comment":"x"`))
	var differs *mysql.DefinitionError
	if !errors.As(err, &differs) || len(differs.Tables[0].Differences) != 1 || !strings.Contains(err.Error(), "type is varchar(9) upstream, bigint downstream") {
		t.Errorf("%v", err)
	}
}

// TestAlreadyRun: in safe mode, a statement that has been run is left out, as definitions show; one
// that is refused for whatever reason is not taken for one that has been run.
func TestAlreadyRun(t *testing.T) {
	srv := mariadbtest.Start(t)
	a, b, x := col(1, "a", "int"), col(2, "b", "int"), col(3, "x", "int")
	for _, c := range []struct {
		name   string
		before []string // downstream, after CREATE TABLE t (a INT, b INT) and u (x INT)
		do     func(u *upstream) *sink.Txn
		want   string // of the tables' columns and keys; or what the error says
		failed string
	}{
		{"ADD COLUMN that was run", []string{"ALTER TABLE d.t ADD COLUMN x INT"}, func(u *upstream) *sink.Txn {
			return u.alter("ALTER TABLE `t` ADD COLUMN `x` INT", 10, "t", a, b, x)
		}, "t.a t.b t.x u.x", ""},
		{"nameless key that was added", []string{"ALTER TABLE d.t ADD KEY (a)"}, func(u *upstream) *sink.Txn {
			return u.alter("ALTER TABLE `t` ADD KEY(`a`)", 10, "t", a, b, key("a", false, "a/0"))
		}, "t.a t.b u.x t.a()", ""},
		{"DROP COLUMN of two, one of which is not there", []string{"ALTER TABLE d.t DROP COLUMN b, ADD COLUMN z INT"}, func(u *upstream) *sink.Txn {
			return u.alter("ALTER TABLE `t` DROP COLUMN `a`, DROP COLUMN `b`", 10, "t", x)
		}, "", "1091"},
		{"two changes of which one was made", []string{"ALTER TABLE d.t ADD COLUMN z INT"}, func(u *upstream) *sink.Txn {
			return u.alter("ALTER TABLE `t` ADD COLUMN `z` INT, ADD COLUMN `x` INT", 10, "t", a, b, col(4, "z", "int"), x)
		}, "", "1060"},
		{"CREATE TABLE of the same", []string{"CREATE TABLE d.n (a INT)"}, func(u *upstream) *sink.Txn {
			return u.create("CREATE TABLE `n` (`a` INT)", 12, "n", a)
		}, "n.a t.a t.b u.x", ""},
		{"CREATE TABLE of another", []string{"CREATE TABLE d.n (a BIGINT)"}, func(u *upstream) *sink.Txn {
			return u.create("CREATE TABLE `n` (`a` INT)", 12, "n", a)
		}, "", "1050"},
		{"CREATE TABLE IF NOT EXISTS of another", []string{"CREATE TABLE d.n (a BIGINT)"}, func(u *upstream) *sink.Txn {
			return u.create("CREATE TABLE IF NOT EXISTS `n` (`a` INT)", 12, "n", a)
		}, "", "type is int upstream, bigint downstream"},
		{"DROP TABLE that was run", []string{"DROP TABLE d.u"}, func(u *upstream) *sink.Txn {
			return u.job(schema.ActionDropTable, "DROP TABLE `u`", `"table_id":11,"binlog":{"TableInfo":`+tableInfo(11, "u", x)+`}`)
		}, "t.a t.b", ""},
		{"RENAME that was run", []string{"RENAME TABLE d.t TO d.v"}, func(u *upstream) *sink.Txn {
			return u.job(schema.ActionRenameTable, "RENAME TABLE `t` TO `v`", `"table_id":10,"binlog":{"TableInfo":`+tableInfo(10, "v", a, b)+`}`)
		}, "u.x v.a v.b", ""},
		{"RENAME of a table that is not there", []string{"DROP TABLE d.t"}, func(u *upstream) *sink.Txn {
			return u.job(schema.ActionRenameTable, "RENAME TABLE `t` TO `v`", `"table_id":10,"binlog":{"TableInfo":`+tableInfo(10, "v", a, b)+`}`)
		}, "", "1146"},
		{"RENAME of two, one of which is not there", []string{"DROP TABLE d.u"}, func(u *upstream) *sink.Txn {
			return u.job(47, "RENAME TABLE `t` TO `v`, `u` TO `w`", `"binlog":{"MultipleTableInfos":[`+tableInfo(10, "v", a, b)+`,`+tableInfo(11, "w", x)+`]}`)
		}, "", "1146"},
		{"swap that was run", []string{"RENAME TABLE d.t TO d.z, d.u TO d.t, d.z TO d.u"}, swap, "t.x u.a u.b", ""},
		{"swap that was not run", nil, swap, "t.x u.a u.b", ""},
		{"TRUNCATE of a table that is not there", []string{"DROP TABLE d.t"}, func(u *upstream) *sink.Txn {
			return u.job(schema.ActionTruncateTable, "TRUNCATE TABLE `t`", `"table_id":10,"binlog":{"TableInfo":`+tableInfo(13, "t", a, b)+`}`)
		}, "", "1146"},
		{"CREATE DATABASE that was run", []string{"CREATE DATABASE IF NOT EXISTS e"}, func(u *upstream) *sink.Txn {
			return u.job(schema.ActionCreateSchema, "CREATE DATABASE `e`", `"schema_id":2,"binlog":{"DBInfo":{"id":2,"db_name":"e"}}`)
		}, "t.a t.b u.x", ""},
		{"DROP DATABASE that was run", []string{"DROP DATABASE d"}, func(u *upstream) *sink.Txn {
			return u.job(schema.ActionDropSchema, "DROP DATABASE `d`", `"binlog":{"DBInfo":{"id":1,"db_name":"d"}}`)
		}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, u := newLab(t, srv), newUpstream(t)
			l.exec(t, "DROP DATABASE IF EXISTS d", "DROP DATABASE IF EXISTS e", "CREATE DATABASE d")
			l.opts.SafeMode = true
			s := l.open(t, 50)
			mustApply(t, s, u.create("CREATE TABLE `t` (`a` INT, `b` INT)", 10, "t", a, b),
				u.create("CREATE TABLE `u` (`x` INT)", 11, "u", x))
			l.exec(t, c.before...)
			dump := l.shape(t)
			err := applyOne(t, s, c.do(u))
			if c.failed != "" {
				if err == nil || !strings.Contains(err.Error(), c.failed) {
					t.Errorf("%v, want %s", err, c.failed)
				}
				if now := l.shape(t); now != dump {
					t.Errorf("it has changed %s to %s", dump, now)
				}
				return
			}
			if now := l.shape(t); err != nil || now != c.want {
				t.Errorf("%q, want %q; %v", now, c.want, err)
			}
		})
	}
}

func swap(u *upstream) *sink.Txn {
	t, x := []string{col(1, "a", "int"), col(2, "b", "int")}, col(3, "x", "int")
	return u.job(47, "RENAME TABLE `t` TO `z`, `u` TO `t`, `z` TO `u`", `"binlog":{"MultipleTableInfos":[`+
		tableInfo(10, "z", t...)+`,`+tableInfo(11, "t", x)+`,`+tableInfo(10, "u", t...)+`]}`)
}

// shape is a line of the columns and keys of database d.
func (l *lab) shape(t *testing.T) string {
	t.Helper()
	return strings.Join(column[string](t, l, "SELECT CONCAT(table_name, '.', column_name) AS c FROM information_schema.columns WHERE table_schema='d' "+
		"UNION ALL SELECT CONCAT(table_name, '.', index_name, '()') FROM information_schema.statistics WHERE table_schema='d' ORDER BY c LIKE '%()', c"), " ")
}

// TestKilledAtEachStep: the drainer is killed before or after each of its questions to the downstream
// around a statement, and a new one takes over. The statement takes effect once.
func TestKilledAtEachStep(t *testing.T) {
	srv := mariadbtest.Start(t)
	a, b := col(1, "a", "int"), col(2, "b", "int")
	for _, c := range []struct {
		name string
		do   func(u *upstream) *sink.Txn
		want string
		rows string // a query whose answer tells that rows are where they should be
	}{
		{"add a nameless key", func(u *upstream) *sink.Txn {
			return u.alter("ALTER TABLE `t` ADD KEY(`a`)", 10, "t", a, b, key("a", false, "a/0"))
		}, "t.a t.b u.a u.b t.a()", "SELECT a FROM d.t"},
		{"swap tables that are alike", func(u *upstream) *sink.Txn {
			return u.job(47, "RENAME TABLE `t` TO `z`, `u` TO `t`, `z` TO `u`", `"binlog":{"MultipleTableInfos":[`+
				tableInfo(10, "z", a, b)+`,`+tableInfo(11, "t", a, b)+`,`+tableInfo(10, "u", a, b)+`]}`)
		}, "t.a t.b u.a u.b", "SELECT a FROM d.u"},
		{"rename", func(u *upstream) *sink.Txn {
			return u.job(schema.ActionRenameTable, "RENAME TABLE `t` TO `v`", `"table_id":10,"binlog":{"TableInfo":`+tableInfo(10, "v", a, b)+`}`)
		}, "u.a u.b v.a v.b", "SELECT a FROM d.v"},
	} {
		for _, mode := range []string{"before", "after"} {
			t.Run(c.name+", "+mode, func(t *testing.T) {
				step, killed := 1, true
				for ; killed; step++ {
					l, u := newLab(t, srv), newUpstream(t)
					l.exec(t, "DROP DATABASE IF EXISTS d", "CREATE DATABASE d")
					first := l.open(t, 50)
					mustApply(t, first, u.create("CREATE TABLE `t` (`a` INT, `b` INT)", 10, "t", a, b), u.create("CREATE TABLE `u` (`a` INT, `b` INT)", 11, "u", a, b))
					first.Close()
					l.exec(t, "INSERT INTO d.t VALUES (1, 1)", "INSERT INTO d.u VALUES (2, 2)")
					x, from := c.do(u), first.Applied()
					killed = l.killAt(t, x, from, step, mode == "after")
					s := l.open(t, from)
					mustApply(t, s, x)
					s.Close()
					if now, rows := l.shape(t), column[string](t, l, c.rows); now != c.want || len(rows) != 1 || rows[0] != "1" {
						t.Fatalf("step %d: %q, rows %v; want %q", step, now, rows, c.want)
					}
				}
				if step < 10 {
					t.Errorf("only %d steps: the proxy sees nothing", step)
				}
			})
		}
	}
}

// killAt applies a transaction through a proxy that dies at a question: before the server gets it, or
// with the answer. It reports whether it came so far.
func (l *lab) killAt(t *testing.T, x *sink.Txn, from nodes.TSO, step int, after bool) bool {
	t.Helper()
	p := newKiller(t, l.srv.Addr())
	defer p.close()
	through := *l
	through.opts.Server.Port = p.port
	s := through.open(t, from)
	p.arm(step, after)
	done := make(chan error, 1)
	go func() {
		err := s.Apply(t.Context(), one(x))
		if err == nil {
			err = s.Flush(t.Context())
		}
		done <- err
	}()
	select {
	case <-p.dead:
		s.Close()
		<-done
		return true
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		return false
	}
}
