package mysqlsink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

func ddl(ts nodes.TSO, table, query string) *sink.Txn {
	return &sink.Txn{CommitTS: ts, Query: query, DDL: &schema.DDL{Schema: "d", Table: table, Job: &schema.Job{}}}
}

func one(t *sink.Txn) sink.Batch { return sink.Batch{Txns: []*sink.Txn{t}, Passed: t.CommitTS} }

// interrupted are statements, what is there before, and a query of which the answer tells
// that they have been run once.
var interrupted = []struct {
	name, query string
	before      []string
	look, want  string
}{
	{"add column", "ALTER TABLE `t` ADD COLUMN `c` INT", []string{"CREATE TABLE d.t (a INT)"},
		"SELECT GROUP_CONCAT(column_name ORDER BY 1) FROM information_schema.columns WHERE table_schema='d' AND table_name='t'", "a,c"},
	{"add a nameless index", "ALTER TABLE `t` ADD INDEX(`a`)", []string{"CREATE TABLE d.t (a INT)"},
		"SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema='d' AND table_name='t'", "1"},
	{"create", "CREATE TABLE `n` (`a` INT)", []string{"CREATE TABLE d.t (a INT)"},
		"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='d'", "2"},
	{"drop", "DROP TABLE `t`", []string{"CREATE TABLE d.t (a INT)"},
		"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='d'", "0"},
	{"swap names", "RENAME TABLE `t` TO `x`, `u` TO `t`, `x` TO `u`",
		[]string{"CREATE TABLE d.t (a INT)", "CREATE TABLE d.u (a INT)", "INSERT INTO d.t VALUES (1)", "INSERT INTO d.u VALUES (2)"},
		"SELECT a FROM d.t", "2"},
	{"exchange a partition", "ALTER TABLE `t` EXCHANGE PARTITION `p0` WITH TABLE `u`",
		[]string{"CREATE TABLE d.t (a INT) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10))", "CREATE TABLE d.u (a INT)", "INSERT INTO d.t VALUES (1)", "INSERT INTO d.u VALUES (2)"},
		"SELECT a FROM d.t", "2"},
	{"more hash partitions", "ALTER TABLE `t` ADD PARTITION PARTITIONS 2", []string{"CREATE TABLE d.t (a INT) PARTITION BY HASH (a) PARTITIONS 2"},
		"SELECT COUNT(*) FROM information_schema.partitions WHERE table_schema='d' AND table_name='t'", "4"},
}

// TestInterruptedDDL: the drainer ends between a statement and the note that it was run, or
// while the server still works on it. The statement takes effect once.
func TestInterruptedDDL(t *testing.T) {
	srv := mariadbtest.Start(t)
	for _, c := range interrupted {
		for _, when := range []string{"after it", "while it is run"} {
			if strings.HasPrefix(c.name, "create") && when != "after it" {
				continue // nothing is there to hold it up with
			}
			t.Run(c.name+", "+when, func(t *testing.T) {
				l := newLab(t, srv)
				l.exec(t, "DROP DATABASE IF EXISTS d", "CREATE DATABASE d")
				l.exec(t, c.before...)
				release := l.obstruct(t, when == "while it is run")
				x := ddl(100, "t", c.query)
				s := l.open(t, 50)
				if err := s.Apply(t.Context(), one(x)); err != nil {
					t.Fatal(err)
				}
				held := "SELECT id FROM information_schema.processlist WHERE info LIKE 'INSERT INTO `tidb_binlog`%' AND time_ms > 100"
				if when != "after it" {
					held = "SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock%'"
				}
				id := l.await(t, held)
				s.Close()
				if when == "after it" {
					l.exec(t, fmt.Sprint("KILL ", id)) // the server would go on with it
					release()
				}
				opened := make(chan *mysql.Sink, 1)
				go func() { opened <- l.open(t, 50) }()
				s = <-opened
				if err := s.Apply(t.Context(), one(x)); err != nil {
					t.Fatal(err)
				}
				if when != "after it" {
					release()
				}
				if err := s.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := column[string](t, l, c.look); len(got) != 1 || got[0] != c.want {
					t.Errorf("%v, want %s", got, c.want)
				}
				if s.Applied() != 100 {
					t.Errorf("applied: %d", s.Applied())
				}
			})
		}
	}
}

// obstruct holds up the statement itself, or the note that it was run.
func (l *lab) obstruct(t *testing.T, statement bool) (release func()) {
	t.Helper()
	conn, err := l.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run := func(q string) {
		if _, err := conn.ExecContext(context.Background(), q); err != nil {
			t.Error(err)
		}
	}
	if statement {
		run("START TRANSACTION")
		run("SELECT * FROM d.t LIMIT 1")
	} else {
		l.open(t, 50).Close() // makes the tables
		run("START TRANSACTION")
		run(fmt.Sprintf("INSERT INTO tidb_binlog.checkpoint_applied VALUES (%d, 100, '')", l.opts.Place.ClusterID))
	}
	release = sync.OnceFunc(func() {
		run("ROLLBACK")
		conn.Close()
	})
	t.Cleanup(release)
	return release
}

// await waits until a query has an answer.
func (l *lab) await(t *testing.T, query string) int64 {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		if list := column[int64](t, l, query); len(list) > 0 {
			return list[0]
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing answers %s\n%s", query, l.dump(t, "information_schema.processlist"))
		}
	}
}

// TestRefusedDDL: the error has everything an operator needs, and both cures work.
func TestRefusedDDL(t *testing.T) {
	srv := mariadbtest.Start(t)
	l := newLab(t, srv)
	l.exec(t, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)")
	x := ddl(100, "t", "ALTER TABLE `t` ADD INDEX `i`(`gone`)")
	refuse := func(from nodes.TSO) {
		t.Helper()
		s := l.open(t, from)
		defer s.Close()
		if err := s.Apply(t.Context(), one(x)); err != nil {
			t.Fatal(err)
		}
		err := s.Flush(t.Context())
		var refused *mysql.StatementError
		if !errors.As(err, &refused) || refused.CommitTS != 100 || refused.Table != "d.t" {
			t.Fatalf("%v", err)
		}
		for _, want := range []string{"ADD INDEX `i`(`gone`)", "ignore-txn-commit-ts = [100]", "1072", "by hand"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in: %v", want, err)
			}
		}
		if err2 := s.Apply(t.Context(), one(ddl(200, "t", "DROP TABLE t"))); !errors.Is(err2, err) {
			t.Errorf("afterwards: %v", err2)
		}
	}
	pass := func() {
		t.Helper()
		s := l.open(t, 50)
		defer s.Close()
		if err := s.Apply(t.Context(), one(x)); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(t.Context()); err != nil || s.Applied() != 100 {
			t.Fatal(s.Applied(), err)
		}
	}
	refuse(50)
	refuse(50)
	by := l.opts
	l.opts.IgnoreTxnCommitTS = []nodes.TSO{100}
	pass()
	l.opts = by
	l.opts.Place.ClusterID++
	refuse(50)
	l.exec(t, "ALTER TABLE d.t ADD COLUMN gone INT")
	pass()
	if n := column[int](t, l, "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema='d'"); n[0] != 1 {
		t.Errorf("%d indexes", n[0])
	}
}

// TestStatementsOfOneJob: DROP TABLE of several tables has a job for each, all with the same
// text; statements that only TiDB knows are not run; backslashes are as TiDB prints them.
func TestStatements(t *testing.T) {
	srv := mariadbtest.Start(t)
	l := newLab(t, srv)
	l.exec(t, "CREATE DATABASE d", "CREATE TABLE d.a (a INT)", "CREATE TABLE d.b (a INT)")
	s := l.open(t, 50)
	const both = "DROP TABLE `a`, `b`;"
	only := ddl(103, "c", "ALTER TABLE `c` /*T![placement] PLACEMENT POLICY = `pp` */;")
	only.DDL.OnlyTiDB = true
	create := ddl(104, "", "CREATE DATABASE `e`;")
	create.DDL.Schema = "e"
	for _, x := range []*sink.Txn{
		ddl(100, "a", both), ddl(101, "b", both),
		ddl(102, "c", "CREATE TABLE `c` (`a` VARCHAR(10) DEFAULT _UTF8MB4'x\\y''z') COMMENT = 'a\\b';"), only, create,
	} {
		if err := s.Apply(t.Context(), one(x)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := column[string](t, l, "SELECT CONCAT(table_name, ' ', table_comment) FROM information_schema.tables WHERE table_schema='d'")
	if len(got) != 1 || got[0] != `c a\b` {
		t.Errorf("%q", got)
	}
	l.exec(t, "INSERT INTO d.c VALUES ()", "USE e")
	if got := column[string](t, l, "SELECT a FROM d.c"); got[0] != `x\y'z` {
		t.Errorf("%q", got)
	}
}
