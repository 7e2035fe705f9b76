package replication

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
}

var loosenings = []loosening{
	{"drop a unique key", []string{"create table loosened.t (k int not null, v int, unique key u (k))", "insert into loosened.t values (1, 1), (2, 2)"}, "drop key u",
		[]string{"insert into loosened.t values (1, 10)", "update loosened.t set v = 11 where v = 10", "insert into loosened.t values (2, 20)", "delete from loosened.t where v = 2", "update loosened.t set k = 1 where v = 20"},
		[]string{"delete from loosened.t where v = 1", "insert into loosened.t values (1, 30)"}},
	{"drop a primary key", []string{"create table loosened.t (k int, v int, primary key (k) nonclustered)", "insert into loosened.t values (1, 1), (2, 2)"}, "drop primary key",
		[]string{"insert into loosened.t values (1, 10)", "update loosened.t set v = 11 where v = 1"}, []string{"delete from loosened.t where v = 10"}},
	{"drop a unique key beside another one", []string{"create table loosened.t (id int primary key, k varchar(10), unique key u (k))", "insert into loosened.t values (1, 'a'), (2, 'b')"}, "drop key u",
		[]string{"replace into loosened.t values (3, 'a')", "insert into loosened.t values (4, 'b') on duplicate key update k = 'x'"}, []string{"delete from loosened.t where id = 1"}},
	{"drop two keys and add a column", []string{"create table loosened.t (k int, l int, v int, unique key u (k), unique key w (l))", "insert into loosened.t values (1, 1, 1)"}, "drop key u, drop key w, add column c int default 5",
		[]string{"insert into loosened.t (k, l, v) values (1, 1, 10)", "update loosened.t set v = 11 where v = 1"}, []string{"insert into loosened.t values (1, 1, 1, 1)"}},
	{"drop columns of a key", []string{"create table loosened.t (id int primary key, k int not null default 3, w int, unique key u (k))", "insert into loosened.t values (1, 3, 4)"}, "drop column k, drop column w",
		[]string{"insert into loosened.t (id) values (2)", "insert into loosened.t (id) values (3)"}, []string{"delete from loosened.t where id = 1"}},
	{"drop a column of a key", []string{"create table loosened.t (id int primary key, k int not null default 3, unique key u (k))", "insert into loosened.t values (1, 3)"}, "drop column k",
		[]string{"insert into loosened.t (id) values (2)", "insert into loosened.t (id) values (3)"}, nil},
	{"longer texts", []string{"create table loosened.t (id int primary key, v varchar(4), n int not null, x int, key (x))", "insert into loosened.t values (1, 'four', 1, 1)"}, "modify column v varchar(40), modify column n int null, drop column x",
		[]string{"insert into loosened.t (id, v, n) values (2, 'more than four', null)", "update loosened.t set v = 'twice more than four' where id = 1"}, nil},
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
// under way, before it is in a binlog, come downstream, and rows with equal keys are told apart.
func TestLoosened(t *testing.T) {
	c := Start(t, Options{})
	c.StartDrainer(`on-divergence = "stop"`)
	db := c.Open("")
	defer db.Close()
	for _, l := range loosenings {
		t.Run(l.name, func(t *testing.T) {
			execAll(t, db, append([]string{"drop database if exists loosened", "create database loosened"}, l.before...))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			if err := loosen(ctx, db, "loosened.t", l.change, l.early); err != nil {
				t.Fatal(err)
			}
			execAll(t, db, l.after)
			c.sameAs(t, db)
		})
	}
}
