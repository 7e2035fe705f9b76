package replication

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// loosening is a statement that allows what its table has forbidden, some steps before it is in a binlog.
type loosening struct {
	name   string
	before []string // makes loosened.t
	change string   // of the table
	early  []string // the first of them is refused until the statement has come so far
	after  []string
	lags   bool // the drainer reads the first of it when all of it is done
}

var loosenings = []loosening{
	{"drop a unique key", []string{"create table loosened.t (k int not null, v int, unique key u (k))", "insert into loosened.t values (1, 1), (2, 2)"}, "drop key u",
		[]string{"insert into loosened.t values (1, 10)", "update loosened.t set v = 11 where v = 10", "insert into loosened.t values (2, 20)", "delete from loosened.t where v = 2", "update loosened.t set k = 1 where v = 20"},
		[]string{"delete from loosened.t where v = 1", "insert into loosened.t values (1, 30)"}, false},
	{"drop a primary key", []string{"create table loosened.t (k int, v int, primary key (k) nonclustered)", "insert into loosened.t values (1, 1), (2, 2)"}, "drop primary key",
		[]string{"insert into loosened.t values (1, 10)", "update loosened.t set v = 11 where v = 1"}, []string{"delete from loosened.t where v = 10"}, false},
	{"drop a unique key beside another one", []string{"create table loosened.t (id int primary key, k varchar(10), unique key u (k))", "insert into loosened.t values (1, 'a'), (2, 'b')"}, "drop key u",
		[]string{"replace into loosened.t values (3, 'a')", "insert into loosened.t values (4, 'b') on duplicate key update k = 'x'"}, []string{"delete from loosened.t where id = 1"}, false},
	{"drop two keys and add a column", []string{"create table loosened.t (k int, l int, v int, unique key u (k), unique key w (l))", "insert into loosened.t values (1, 1, 1)"}, "drop key u, drop key w, add column c int default 5",
		[]string{"insert into loosened.t (k, l, v) values (1, 1, 10)", "update loosened.t set v = 11 where v = 1"}, []string{"insert into loosened.t values (1, 1, 1, 1)"}, false},
	{"drop columns of a key", []string{"create table loosened.t (id int primary key, k int not null default 3, w int, unique key u (k))", "insert into loosened.t values (1, 3, 4)"}, "drop column k, drop column w",
		[]string{"insert into loosened.t (id) values (2)", "insert into loosened.t (id) values (3)"}, []string{"delete from loosened.t where id = 1"}, false},
	{"drop a column of a key", []string{"create table loosened.t (id int primary key, k int not null default 3, unique key u (k))", "insert into loosened.t values (1, 3)"}, "drop column k",
		[]string{"insert into loosened.t (id) values (2)", "insert into loosened.t (id) values (3)"}, nil, false},
	{"longer texts", []string{"create table loosened.t (id int primary key, v varchar(4), n int not null, x int, key (x))", "insert into loosened.t values (1, 'four', 1, 1)"}, "modify column v varchar(40), modify column n int null, drop column x",
		[]string{"insert into loosened.t (id, v, n) values (2, 'more than four', null)", "update loosened.t set v = 'twice more than four' where id = 1"}, nil, false},
	{"NULL is allowed for a while", []string{"create table loosened.t (id int primary key, n int not null, x int, key (x))", "insert into loosened.t values (1, 1, 1)"}, "modify column n int null, drop column x",
		[]string{"insert into loosened.t (id, n) values (2, null)", "update loosened.t set n = null where id = 1"},
		[]string{"update loosened.t set n = 5 where n is null", "alter table loosened.t modify column n int not null", "insert into loosened.t values (3, 3)"}, true},
	{"columns come and go", []string{"create table loosened.t (v int)", "insert into loosened.t values (1)"}, "add column a int, add column b int", []string{"insert into loosened.t values (2, 3, 4)"},
		[]string{"update loosened.t set v = 5 where a = 3", "alter table loosened.t drop column a, drop column b", "insert into loosened.t values (6)"}, true},
	{"NULL is allowed twice", []string{"create table loosened.t (id int primary key, n int not null, x int, key (x))", "insert into loosened.t values (1, 1, 1)"}, "modify column n int null, drop column x", []string{"insert into loosened.t (id, n) values (2, null)"},
		[]string{"delete from loosened.t where id = 2", "alter table loosened.t modify column n int not null", "alter table loosened.t modify column n int null, add column y int", "insert into loosened.t values (3, null, 4)"}, true},
}

// loosen alters a table, and runs statements while that is under way, of which the first is refused until it has
// come far enough.
func loosen(ctx context.Context, db *sql.DB, table, change string, early []string) error {
	ended := make(chan error, 1)
	holder, err := hold(ctx, db, table)
	if err != nil {
		return err
	}
	defer func() { holder.Rollback() }()
	go func() {
		_, err := db.ExecContext(ctx, "alter table "+table+" "+change)
		ended <- err
	}()
	// TiDB takes a step only when no transaction uses the table as it was two steps before.
	for {
		next, err := hold(ctx, db, table)
		if err != nil {
			return err
		}
		holder.Rollback()
		holder = next
		_, err = db.ExecContext(ctx, early[0])
		if err == nil {
			break
		}
		var refused *mysql.MySQLError
		if !errors.As(err, &refused) {
			return err
		}
		select {
		case err := <-ended:
			return fmt.Errorf("%s has ended (%v) before %s was allowed: %w", change, err, early[0], refused)
		case <-ctx.Done():
			return fmt.Errorf("%s is not allowed: %w", early[0], refused)
		default:
		}
	}
	for _, q := range early[1:] {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	select {
	case err := <-ended:
		return fmt.Errorf("the statement has ended too early: %w", err)
	default:
	}
	holder.Rollback()
	return <-ended
}

// hold is a transaction that uses the table as it is now.
func hold(ctx context.Context, db *sql.DB, table string) (*sql.Tx, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	var n int
	if err := tx.QueryRowContext(ctx, "select count(*) from "+table).Scan(&n); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}

// TestLoosened: rows that a key, a type or NOT NULL forbids, and that clients write while a statement that allows them is
// under way, before it is in a binlog, come downstream, and rows with equal keys are told apart; also when a later statement
// has forbidden them again before the drainer reads the first.
func TestLoosened(t *testing.T) {
	c := Start(t, Options{})
	c.StartDrainer(`on-divergence = "stop"`)
	db := c.Open("")
	defer db.Close()
	for _, l := range loosenings {
		t.Run(l.name, func(t *testing.T) {
			execAll(t, db, append([]string{"drop database if exists loosened", "create database loosened"}, l.before...))
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			thaw := func() {}
			if l.lags {
				if err := c.CatchUp(ctx); err != nil {
					t.Fatal(err)
				}
				thaw = c.Drainer.freeze()
				defer thaw()
			}
			if err := loosen(ctx, db, "loosened.t", l.change, l.early); err != nil {
				t.Fatal(err)
			}
			execAll(t, db, l.after)
			thaw()
			c.sameAs(t, db)
		})
	}
}

// freeze has the program stand still until thaw is called.
func (n *Node) freeze() (thaw func()) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		n.t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if err := n.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			n.t.Error(err)
		}
	})
}
