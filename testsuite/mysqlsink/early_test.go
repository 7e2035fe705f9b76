package mysqlsink

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// wide is table d.t after the statements of earlyTxn; it has no key, so that a row that is
// applied twice is there twice.
var wide = &schema.Table{ID: 300, Schema: "d", Name: "t", Columns: []schema.Column{
	sinktest.Column("a", pmysql.TypeLong, 0), sinktest.Column("b", pmysql.TypeLong, 0), sinktest.Column("c", pmysql.TypeLong, 0),
}}

// earlyTxn has two statements, neither of which may be run twice, and then rows. The names of
// indexes are the server's to find, so it would make any number of them.
func earlyTxn(ts nodes.TSO) *sink.Txn {
	x := &sink.Txn{StartTS: ts - 1, CommitTS: ts}
	for i, query := range []string{"ALTER TABLE `t` ADD COLUMN `b` INT, ADD INDEX(`a`)", "ALTER TABLE `t` ADD COLUMN `c` INT, ADD INDEX(`a`)"} {
		x.Early = append(x.Early, sink.Statement{Query: query, DDL: &schema.DDL{Schema: "d", Table: "t", Job: &schema.Job{ID: int64(i), Type: schema.ActionMultiSchemaChange}}})
	}
	for _, text := range []string{"1", "2"} {
		x.Changes = append(x.Changes, &txn.Change{Table: wide, Op: txn.Insert, New: row(wide, text, text, text)})
	}
	return x
}

func before(ts nodes.TSO) *sink.Txn {
	narrow := *wide
	narrow.Columns = narrow.Columns[:1]
	return &sink.Txn{CommitTS: ts, Changes: []*txn.Change{{Table: &narrow, Op: txn.Insert, New: row(&narrow, "0")}}}
}

// wantEarly: both statements and the rows are there once.
func (l *lab) wantEarly(t *testing.T) {
	t.Helper()
	if got := strings.Join(column[string](t, l, "SELECT CONCAT_WS(',', a, b, c) FROM d.t ORDER BY a"), " "); got != "0 1,1,1 2,2,2" {
		t.Errorf("rows: %s", got)
	}
	if got := column[int](t, l, "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema='d' AND table_name='t'"); got[0] != 2 {
		t.Errorf("%d indexes", got[0])
	}
	if got := column[string](t, l, fmt.Sprintf("SELECT detail FROM tidb_binlog.checkpoint_state WHERE cluster_id=%d AND name='ddl'", l.opts.Place.ClusterID)); len(got) > 0 {
		t.Errorf("a statement is still noted as begun: %s", got)
	}
}

// TestEarlyCrash: the drainer ends at every step between the statements and the rows that need
// them, and begins again with the transaction before, which has the commit TS in front.
func TestEarlyCrash(t *testing.T) {
	srv := mariadbtest.Start(t)
	const state = "tidb_binlog.checkpoint_state"
	held := "SELECT id FROM information_schema.processlist WHERE info LIKE '%s' AND time_ms > 100 AND id <> CONNECTION_ID()"
	for _, c := range []struct {
		name string
		lock string // what a transaction of another client does, which then holds the sink up
		wait string // what that looks like
	}{
		{"before the first statement", "INSERT INTO " + state + " VALUES (%d, 'ddl', 0, '')", fmt.Sprintf(held, "REPLACE INTO `tidb_binlog`%")},
		{"in the first statement", "SELECT * FROM d.t LIMIT 1", "SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock%'"},
		{"before the rows", "INSERT INTO tidb_binlog.checkpoint_applied VALUES (%d, 100, '')", fmt.Sprintf(held, "INSERT INTO `tidb_binlog`%")},
		{"before the commit", "SELECT * FROM d.other WHERE a = 1 FOR UPDATE", fmt.Sprintf(held, "%UPDATE `d`.`other`%")},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, srv)
			l.exec(t, "DROP DATABASE IF EXISTS d", "CREATE DATABASE d", "CREATE TABLE d.t (a INT)", "CREATE TABLE d.other (a INT PRIMARY KEY)")
			x := earlyTxn(100)
			if c.name == "before the commit" {
				l.exec(t, "INSERT INTO d.other VALUES (1)")
				other := &schema.Table{ID: 301, Schema: "d", Name: "other", Keys: keyed.Keys[:1],
					Columns: []schema.Column{sinktest.Column("a", pmysql.TypeLong, pmysql.NotNullFlag|pmysql.PriKeyFlag)}}
				x.Changes = append(x.Changes, &txn.Change{Table: other, Op: txn.Update, Old: row(other, "1"), New: row(other, "2")})
			}
			s := l.open(t, 50)
			mustApply(t, s, before(99))
			release := l.hold(t, c.lock)
			if err := s.Apply(t.Context(), one(x)); err != nil {
				t.Fatal(err)
			}
			id := l.await(t, c.wait)
			s.Close()
			if !strings.HasPrefix(c.name, "in ") {
				l.exec(t, fmt.Sprint("KILL ", id)) // the server would go on with it
			}
			release()
			s = l.open(t, 50)
			if s.Applied() > 99 {
				t.Errorf("applied: %s", s.Applied())
			}
			mustApply(t, s, before(99), x)
			if s.Applied() != 100 {
				t.Errorf("applied: %s", s.Applied())
			}
			s.Close()
			mustApply(t, l.open(t, 50), before(99), x) // and once more
			l.wantEarly(t)
		})
	}
}

// hold has another client run a statement in a transaction, which stays open.
func (l *lab) hold(t *testing.T, query string) (release func()) {
	t.Helper()
	tx, err := l.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(query, "%d") {
		query = fmt.Sprintf(query, l.opts.Place.ClusterID)
	}
	if _, err := tx.Exec(query); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	return func() { tx.Rollback() }
}

// TestEarlyServerCrash: the server dies at some moment of it, again and again.
func TestEarlyServerCrash(t *testing.T) {
	srv := mariadbtest.Start(t)
	l := newLab(t, srv)
	l.exec(t, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)")
	s := l.open(t, 50)
	mustApply(t, s, before(99))
	release := l.hold(t, "SELECT * FROM d.t LIMIT 1")
	if err := s.Apply(t.Context(), one(earlyTxn(100))); err != nil {
		t.Fatal(err)
	}
	l.await(t, "SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock%'")
	srv.Kill()
	release()
	srv.StartAgain()
	if err := s.Flush(t.Context()); err != nil { // the same sink goes on
		t.Fatal(err)
	}
	l.wantEarly(t)
}

// TestEarlyRefused: what is refused after a statement does not make it run again, whatever
// an operator fixes by hand, nor does a refusal of the second one repeat the first.
func TestEarlyRefused(t *testing.T) {
	srv := mariadbtest.Start(t)
	for _, c := range []struct {
		name, broken, fix, statement string
	}{
		{"rows", "CREATE TABLE d.t (a INT CHECK (a <> 2))", "ALTER TABLE d.t MODIFY a INT", "INSERT INTO `d`.`t`"},
		{"the second statement", "CREATE TABLE d.t (a INT, c INT)", "ALTER TABLE d.t DROP COLUMN c", "ADD COLUMN `c`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, srv)
			l.exec(t, "DROP DATABASE IF EXISTS d", "CREATE DATABASE d", c.broken)
			for range 2 {
				s := l.open(t, 50)
				err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{before(99), earlyTxn(100)}, Passed: 100})
				if err == nil {
					err = s.Flush(t.Context())
				}
				var refused *mysql.StatementError
				if !errors.As(err, &refused) || refused.CommitTS != 100 || !strings.Contains(refused.Statement, c.statement) {
					t.Fatal(err)
				}
				s.Close()
			}
			l.exec(t, c.fix)
			mustApply(t, l.open(t, 50), before(99), earlyTxn(100))
			l.wantEarly(t)
		})
	}
}

// TestEarlyMarked: rows that another drainer wrote are not applied, the statement that they were
// the first to need is.
func TestEarlyMarked(t *testing.T) {
	srv := mariadbtest.Start(t)
	l := newLab(t, srv)
	l.opts.LoopbackControl, l.opts.ChannelID = true, 5
	l.exec(t, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)")
	x := earlyTxn(100)
	mark := &schema.Table{ID: 302, Schema: "retl", Name: "_drainer_repl_mark", Columns: []schema.Column{
		sinktest.Column("id", pmysql.TypeLonglong, 0), sinktest.Column("channel_id", pmysql.TypeLonglong, 0),
	}}
	marked := *x
	marked.Changes = append([]*txn.Change{{Table: mark, Op: txn.Insert, New: row(mark, "1", "5")}}, x.Changes...)
	next := earlyTxn(200)
	next.Early = nil
	mustApply(t, l.open(t, 50), before(99), &marked, next)
	l.wantEarly(t)
}

// TestEarlyWithoutProcess: whether a statement took effect cannot always be seen (the parser does
// not know it, and the user may not see the tables' numbers); that it was run is written down.
func TestEarlyWithoutProcess(t *testing.T) {
	srv := mariadbtest.Start(t)
	l := newLab(t, srv)
	l.opts.Server.User = "plain"
	l.exec(t, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)", "CREATE USER plain@'127.0.0.1'",
		"GRANT ALL ON d.* TO plain@'127.0.0.1'", "GRANT ALL ON tidb_binlog.* TO plain@'127.0.0.1'")
	x := earlyTxn(100)
	for i := range x.Early {
		x.Early[i].Query = strings.Replace(x.Early[i].Query, "`t`", "`t` WAIT 60", 1)
	}
	s := l.open(t, 50)
	mustApply(t, s, before(99))
	release := l.hold(t, "INSERT INTO tidb_binlog.checkpoint_applied VALUES (%d, 100, '')")
	if err := s.Apply(t.Context(), one(x)); err != nil {
		t.Fatal(err)
	}
	id := l.await(t, "SELECT id FROM information_schema.processlist WHERE info LIKE 'INSERT INTO `tidb_binlog`%' AND time_ms > 100 AND id <> CONNECTION_ID()")
	s.Close()
	l.exec(t, fmt.Sprint("KILL ", id))
	release()
	mustApply(t, l.open(t, 50), before(99), x)
	l.wantEarly(t)
}
