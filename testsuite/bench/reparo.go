package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/file"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// benchReparo prints how fast bin/reparo brings rows from files into MariaDB, beside the same rows by plain
// connections; only the cases whose name cells finds.
func benchReparo(ctx context.Context, program string, rounds int, cells *regexp.Regexp) error {
	return withMariaDB(func(db *mariadbtest.Server) error {
		pool, err := openPool(db)
		if err != nil {
			return err
		}
		defer pool.Close()
		if _, err := pool.ExecContext(ctx, "CREATE DATABASE plain; CREATE DATABASE bench"); err != nil {
			return err
		}
		durable, err := durability(ctx, pool)
		if err != nil {
			return err
		}
		fmt.Printf("### reparo: rows from files into MariaDB\n\nFrom the start of bin/reparo to its end, the median of %d rounds; its defaults, so rows that are not found stop it. The limit is that of\n"+
			"the drainer: the same rows by %d plain connections. %s.\n\n| transactions | rows/s | limit rows/s | of it |\n|---|---:|---:|---:|\n", rounds, plainConns, durable)
		for i, c := range rowsCases {
			if c.safe || !cells.MatchString(c.name) {
				continue
			}
			table := int64(300 + i)
			for _, in := range []string{"plain.", "bench."} {
				if _, err := pool.ExecContext(ctx, "CREATE TABLE "+in+tableName(table)+" "+createColumns); err != nil {
					return err
				}
			}
			if c.update { // what updates choose from
				there := rowsCase{txns: 50, per: updated / 50}
				rows := there.rows(0)
				if _, err := plain(ctx, db, pool, table, there, rows); err != nil {
					return err
				}
				if _, err := pool.ExecContext(ctx, "INSERT INTO bench."+tableName(table)+" SELECT * FROM plain."+tableName(table)); err != nil {
					return err
				}
			}
			var gots, limits []applied
			for round := range rounds {
				rows := c.rows(round)
				limit, err := plain(ctx, db, pool, table, c, rows)
				if err != nil {
					return fmt.Errorf("the limit: %w", err)
				}
				took, err := restoreRows(ctx, program, db, table, c, round, rows)
				if err != nil {
					return err
				}
				gots, limits = append(gots, applied{perSecond: float64(len(rows)) / took.Seconds()}), append(limits, limit)
			}
			if err := same(ctx, pool, table); err != nil {
				return err
			}
			got, limit := middle(gots), middle(limits)
			fmt.Printf("| %s | %.0f | %.0f | %.2f |\n", c.name, got.perSecond, limit.perSecond, got.perSecond/limit.perSecond)
		}
		fmt.Println()
		return nil
	})
}

// restoreRows writes files and has them restored.
func restoreRows(ctx context.Context, program string, db *mariadbtest.Server, table int64, c rowsCase, round int, rows []row) (took time.Duration, err error) {
	dir, err := os.MkdirTemp("", "bench-reparo")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	start := nodes.MakeTSO(time.Now(), 0)
	if err := writeBinlogFiles(ctx, dir, start, table, c, rows); err != nil {
		return 0, err
	}
	config := filepath.Join(dir, "reparo.toml")
	text := fmt.Sprintf("data-dir = %q\ndest-type = \"mysql\"\nlog-level = \"error\"\nstart-tso = %d\n[dest-db]\nhost = %q\nport = %d\n", dir, start, db.Host, db.Port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return 0, err
	}
	began := time.Now()
	out, err := exec.CommandContext(ctx, program, "-config", config).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s, round %d: %w: %s", c.name, round, err, out)
	}
	return time.Since(began), nil
}

// writeBinlogFiles writes the transactions of a case as a drainer does.
func writeBinlogFiles(ctx context.Context, dir string, start nodes.TSO, table int64, c rowsCase, rows []row) error {
	s, err := file.New(file.Options{Dir: dir, From: start - 1})
	if err != nil {
		return err
	}
	defer s.Close()
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
			if c.update { // the key finds it
				change.Op, change.Old = txn.Update, values(r, -1)
			}
			x.Changes = append(x.Changes, change)
		}
		if err := s.Apply(ctx, sink.Batch{Txns: []*sink.Txn{x}, Passed: x.CommitTS}); err != nil {
			return err
		}
	}
	return s.Flush(ctx)
}
