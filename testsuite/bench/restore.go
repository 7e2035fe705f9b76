package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/delay"
	"pumphouse/testsuite/mariadbtest"
)

// restoreBench is what the benches of reparo and arbiter share: rows of transactions without definitions into MariaDB.
type restoreBench struct {
	title   string
	rounds  int
	cells   *regexp.Regexp  // the cases whose name it finds
	table   int64           // ID of the first table
	txnRows int             // of a transaction of those that send one statement a row
	oneWays []time.Duration // between the program and MariaDB
	apply   func(db *mariadbtest.Server, table int64, c rowsCase, round int, rows []row) (time.Duration, error)
}

// run prints rows a second beside two limits: one statement a row, which is how upstream's program works, and the drainer's limit.
func (b *restoreBench) run(ctx context.Context) error {
	return withMariaDB(func(db *mariadbtest.Server) error {
		pool, err := openPool(db)
		if err != nil {
			return err
		}
		defer pool.Close()
		if _, err := pool.ExecContext(ctx, "CREATE DATABASE plain; CREATE DATABASE single; CREATE DATABASE bench"); err != nil {
			return err
		}
		durable, err := durability(ctx, pool)
		if err != nil {
			return err
		}
		fmt.Printf("### %s, the median of %d rounds, its defaults. A statement a row: the same rows by %d connections of\n"+
			"go-sql-driver, each row a statement of its own, %d in a transaction. The limit is the drainer's: statements of many rows. %s.\n\n"+
			"| transactions | rows/s | a statement a row, rows/s | times that | limit rows/s | of it |\n|---|---:|---:|---:|---:|---:|\n", b.title, b.rounds, plainConns, b.txnRows, durable)
		for i, c := range rowsCases {
			if c.safe || c.txns > 50_000 || !b.cells.MatchString(c.name) { // a statement a row takes minutes then
				continue
			}
			if err := b.line(ctx, db, pool, b.table+int64(i), c); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		fmt.Println()
		return b.far(ctx, db, pool)
	})
}

// far prints the same over distances, for one-row inserts: of the statements a row, which take long there, a tenth.
func (b *restoreBench) far(ctx context.Context, db *mariadbtest.Server, pool *sql.DB) error {
	c := rowsCase{name: "20,000 × 1 insert, far", txns: 20000, per: 1}
	if !b.cells.MatchString(c.name) {
		return nil
	}
	name, _, _ := strings.Cut(b.title, ":")
	fmt.Printf("### %s over a distance\n\n%s, median of %d rounds. A proxy delays each direction and limits nothing.\n\n"+
		"| one way | rows/s | a statement a row, rows/s | times that |\n|---:|---:|---:|---:|\n", name, c.name, b.rounds)
	for i, oneWay := range b.oneWays {
		if err := b.farLine(ctx, db, pool, b.table+int64(len(rowsCases)+i), c, oneWay); err != nil {
			return fmt.Errorf("%v: %w", oneWay, err)
		}
	}
	fmt.Println()
	return nil
}

func (b *restoreBench) farLine(ctx context.Context, db *mariadbtest.Server, pool *sql.DB, table int64, c rowsCase, oneWay time.Duration) error {
	for _, in := range []string{"single.", "bench."} {
		if _, err := pool.ExecContext(ctx, "CREATE TABLE "+in+tableName(table)+" "+createColumns); err != nil {
			return err
		}
	}
	proxy, err := delay.Start(db.Addr(), oneWay)
	if err != nil {
		return err
	}
	defer proxy.Close()
	at := *db
	at.Host, at.Port = "127.0.0.1", proxy.Port()
	farPool, err := openPool(&at)
	if err != nil {
		return err
	}
	defer farPool.Close()
	var got, single []float64
	for round := range b.rounds {
		rows := c.rows(round)
		some := rows[:len(rows)/10]
		alone, err := b.single(ctx, farPool, table, c, some)
		if err != nil {
			return fmt.Errorf("a statement a row: %w", err)
		}
		took, err := b.apply(&at, table, c, round, rows)
		if err != nil {
			return err
		}
		got, single = append(got, float64(len(rows))/took.Seconds()), append(single, float64(len(some))/alone.Seconds())
	}
	g, s := median(got), median(single)
	fmt.Printf("| %v | %.0f | %.0f | %.1f |\n", oneWay, g, s, g/s)
	return nil
}

func (b *restoreBench) line(ctx context.Context, db *mariadbtest.Server, pool *sql.DB, table int64, c rowsCase) error {
	for _, in := range []string{"plain.", "single.", "bench."} {
		if _, err := pool.ExecContext(ctx, "CREATE TABLE "+in+tableName(table)+" "+createColumns); err != nil {
			return err
		}
	}
	if c.update { // what updates choose from
		there := rowsCase{txns: 50, per: updated / 50}
		if _, err := plain(ctx, db, pool, table, there, there.rows(0)); err != nil {
			return err
		}
		for _, in := range []string{"single.", "bench."} {
			if _, err := pool.ExecContext(ctx, "INSERT INTO "+in+tableName(table)+" SELECT * FROM plain."+tableName(table)); err != nil {
				return err
			}
		}
	}
	var got, single, limit []float64
	for round := range b.rounds {
		rows := c.rows(round)
		l, err := plain(ctx, db, pool, table, c, rows)
		if err != nil {
			return fmt.Errorf("the limit: %w", err)
		}
		alone, err := b.single(ctx, pool, table, c, rows)
		if err != nil {
			return fmt.Errorf("a statement a row: %w", err)
		}
		took, err := b.apply(db, table, c, round, rows)
		if err != nil {
			return err
		}
		n := float64(len(rows))
		got, single, limit = append(got, n/took.Seconds()), append(single, n/alone.Seconds()), append(limit, l.perSecond)
	}
	if err := same(ctx, pool, table); err != nil {
		return err
	}
	g, s, l := median(got), median(single), median(limit)
	fmt.Printf("| %s | %.0f | %.0f | %.1f | %.0f | %.2f |\n", c.name, g, s, g/s, l, g/l)
	return nil
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// single has each row brought by a statement of its own: rows of the same key by the same connection, in order.
func (b *restoreBench) single(ctx context.Context, pool *sql.DB, table int64, c rowsCase, rows []row) (time.Duration, error) {
	queues := make([][]string, plainConns) // all texts are made before
	for _, r := range rows {
		q := fmt.Sprintf("INSERT INTO single.%s VALUES (%d,%d,'%s','%s')", tableName(table), r.id, r.k, r.c(), r.pad())
		if c.update {
			q = fmt.Sprintf("UPDATE single.%s SET k=%d,c='%s',pad='%s' WHERE id=%d", tableName(table), r.k, r.c(), r.pad(), r.id)
		}
		queues[r.id%plainConns] = append(queues[r.id%plainConns], q)
	}
	began := time.Now()
	errs := make([]error, plainConns)
	var wg sync.WaitGroup
	for i, queue := range queues {
		wg.Go(func() {
			for part := range slices.Chunk(queue, b.txnRows) {
				if errs[i] = inTransaction(ctx, pool, part); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began), errors.Join(errs...)
}

// inTransaction runs statements one by one, all again when they were the victim of a deadlock.
func inTransaction(ctx context.Context, pool *sql.DB, list []string) error {
	for {
		tx, err := pool.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		for _, q := range list {
			if _, err = tx.ExecContext(ctx, q); err != nil {
				break
			}
		}
		if err == nil {
			return tx.Commit()
		}
		if undone := tx.Rollback(); !isDeadlock(err) {
			return cmp.Or(err, undone)
		}
	}
}

// transactions are those of a case, as they are without definitions: the key finds a row.
func transactions(start nodes.TSO, table int64, c rowsCase, rows []row) (list []*sink.Txn) {
	t := &schema.Table{ID: table, Schema: "bench", Name: tableName(table), Columns: []schema.Column{
		sinktest.Column("id", mysql.TypeLonglong, mysql.PriKeyFlag|mysql.NotNullFlag), sinktest.Column("k", mysql.TypeLong, 0),
		sinktest.Column("c", mysql.TypeString, 0), sinktest.Column("pad", mysql.TypeString, 0)}}
	values := func(r row, k int) txn.Row {
		r.k = k
		return txn.Row{txn.IntOf(int64(r.id)), txn.IntOf(int64(r.k)), txn.TextOf([]byte(r.c())), txn.TextOf([]byte(r.pad()))}
	}
	for i := range c.txns {
		x := &sink.Txn{CommitTS: start + nodes.TSO(i)}
		for _, r := range rows[i*c.per : (i+1)*c.per] {
			change := &txn.Change{Table: t, New: values(r, r.k)}
			if c.update {
				change.Op, change.Old = txn.Update, values(r, -1)
			}
			x.Changes = append(x.Changes, change)
		}
		list = append(list, x)
	}
	return list
}
