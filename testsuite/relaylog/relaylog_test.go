package relaylog

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	tp "github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/relay"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
)

const create = `CREATE DATABASE shop;
CREATE TABLE shop.wide (a INT NOT NULL, b VARCHAR(20) NOT NULL, u BIGINT UNSIGNED NULL, e ENUM('x','y','it''s') NULL,
	s SET('p','q','r') NULL, bits BIT(12) NULL, d DECIMAL(20,4) NULL, f FLOAT NULL, g DOUBLE NULL, t DATETIME NULL, y YEAR NULL,
	bin BLOB NULL, txt TEXT NULL, j JSON NULL, PRIMARY KEY (a, b), UNIQUE KEY one (u));
CREATE TABLE shop.plain (n INT NULL, txt VARCHAR(40) NULL)`

// world makes transactions of an upstream that has these tables.
type world struct {
	*rand.Rand
	ts          nodes.TSO
	wide, plain *schema.Table
	rows        map[*schema.Table][]txn.Row
	keys        int
}

func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 1)), ts: 1000, rows: map[*schema.Table][]txn.Row{}}
	enum, set, bit := sinktest.Column("e", tp.TypeEnum, 0), sinktest.Column("s", tp.TypeSet, 0), sinktest.Column("bits", tp.TypeBit, tp.UnsignedFlag)
	enum.Type.SetElems([]string{"x", "y", "it's"})
	set.Type.SetElems([]string{"p", "q", "r"})
	bit.Type.SetFlen(12)
	w.wide = &schema.Table{ID: 10, Schema: "shop", Name: "wide", Columns: []schema.Column{
		sinktest.Column("a", tp.TypeLong, tp.NotNullFlag|tp.PriKeyFlag), sinktest.Column("b", tp.TypeVarchar, tp.NotNullFlag|tp.PriKeyFlag),
		sinktest.Column("u", tp.TypeLonglong, tp.UnsignedFlag), enum, set, bit,
		sinktest.Column("d", tp.TypeNewDecimal, 0), sinktest.Column("f", tp.TypeFloat, 0), sinktest.Column("g", tp.TypeDouble, 0),
		sinktest.Column("t", tp.TypeDatetime, 0), sinktest.Column("y", tp.TypeYear, tp.UnsignedFlag),
		sinktest.Column("bin", tp.TypeBlob, tp.BinaryFlag), sinktest.Column("txt", tp.TypeBlob, 0), sinktest.Column("j", tp.TypeJSON, 0),
	}, Keys: []schema.Key{{Name: "PRIMARY", Primary: true, Columns: []int{0, 1}}, {Name: "one", Columns: []int{2}}}}
	w.plain = &schema.Table{ID: 11, Schema: "shop", Name: "plain", Columns: []schema.Column{
		sinktest.Column("n", tp.TypeLong, 0), sinktest.Column("txt", tp.TypeVarchar, 0)}}
	return w
}

// value is a value for a column, sometimes NULL.
func (w *world) value(c *schema.Column) txn.Value {
	if !c.NotNull() && w.IntN(5) == 0 {
		return sinktest.Null()
	}
	n := w.IntN(1000)
	text := map[byte]string{
		tp.TypeLong: fmt.Sprint(n - 500), tp.TypeLonglong: fmt.Sprint(n), tp.TypeVarchar: fmt.Sprintf("Ä'%d", n),
		tp.TypeEnum: []string{"x", "y", "it's"}[n%3], tp.TypeSet: []string{"", "p", "p,r", "q,r"}[n%4], tp.TypeBit: string([]byte{byte(n % 16), byte(n)}),
		tp.TypeNewDecimal: fmt.Sprintf("-%d.%04d", n, n), tp.TypeFloat: fmt.Sprintf("%d.125", n), tp.TypeDouble: fmt.Sprintf("%de-7", n),
		tp.TypeDatetime: fmt.Sprintf("2026-11-22 18:%02d:00", n%60), tp.TypeYear: fmt.Sprint(1970 + n%100),
		tp.TypeBlob: fmt.Sprintf("\\%d\n\"", n), tp.TypeJSON: fmt.Sprintf(`{"k": %d}`, n),
	}[c.Type.GetType()]
	return sinktest.Value(*c, text)
}

// row is a row that no other one is in the way of.
func (w *world) row(t *schema.Table) txn.Row {
	row := make(txn.Row, len(t.Columns))
	for i := range t.Columns {
		row[i] = w.value(&t.Columns[i])
	}
	if t.ID == w.wide.ID {
		w.keys++
		row[0] = sinktest.Value(t.Columns[0], fmt.Sprint(w.keys))
		row[2] = sinktest.Value(t.Columns[2], fmt.Sprint(w.keys))
	}
	return row
}

// change changes something.
func (w *world) change() *txn.Change {
	t := w.wide
	if w.IntN(3) == 0 {
		t = w.plain
	}
	rows := w.rows[t]
	if len(rows) < 20 || w.IntN(3) == 0 {
		row := w.row(t)
		w.rows[t] = append(rows, row)
		return &txn.Change{Table: t, Op: txn.Insert, New: row}
	}
	i := w.IntN(len(rows))
	old := rows[i]
	if w.IntN(3) == 0 {
		rows[i] = rows[len(rows)-1]
		w.rows[t] = rows[:len(rows)-1]
		return &txn.Change{Table: t, Op: txn.Delete, Old: old}
	}
	rows[i] = w.row(t)
	if w.IntN(2) == 0 { // the key stays
		copy(rows[i][:min(3, len(old))], old)
	}
	return &txn.Change{Table: t, Op: txn.Update, Old: old, New: rows[i]}
}

func (w *world) next() *sink.Txn {
	w.ts += nodes.TSO(1 + w.IntN(100))
	x := &sink.Txn{StartTS: w.ts - 1, CommitTS: w.ts}
	for range 1 + w.IntN(4) {
		x.Changes = append(x.Changes, w.change())
	}
	return x
}

// grow adds a column to the table without a key.
func (w *world) grow() *sink.Txn {
	w.ts++
	t := *w.plain
	t.Version++
	t.Columns = append(append([]schema.Column(nil), t.Columns...), sinktest.Column("more", tp.TypeLonglong, 0))
	rows := w.rows[w.plain]
	for i := range rows {
		rows[i] = append(append(txn.Row(nil), rows[i]...), sinktest.Null())
	}
	w.rows[&t], w.plain = rows, &t
	return &sink.Txn{StartTS: w.ts - 1, CommitTS: w.ts, Query: "ALTER TABLE plain ADD COLUMN more BIGINT NULL",
		DDL: &schema.DDL{Schema: "shop", Table: "plain", After: &t, Job: &schema.Job{ID: 5, Type: 5, Query: "ALTER TABLE plain ADD COLUMN more BIGINT NULL"}}}
}

func open(t *testing.T, srv *mariadbtest.Server, cluster uint64, from nodes.TSO) *mysql.Sink {
	t.Helper()
	s, err := mysql.New(t.Context(), mysql.Options{
		Server: mysql.Server{Host: srv.Host, Port: srv.Port, User: "root"}, Place: mysql.Place{ClusterID: cluster}, From: from,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func dump(t *testing.T, db *sql.DB, table string) string {
	t.Helper()
	rows, err := db.Query("SELECT * FROM " + table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		values, targets := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		line := ""
		for _, v := range values {
			line += fmt.Sprintf("%t %q ", v.Valid, v.String)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(sorted(lines), "\n")
}

func TestConsistentPoint(t *testing.T) {
	srv := mariadbtest.Start(t)
	db := srv.Open()
	reset := func() {
		srv.Exec("DROP DATABASE IF EXISTS shop")
		srv.Exec(strings.Split(create, ";")...)
	}
	seed := form.Seed(t)
	rounds := 6
	if form.Long() {
		rounds = 60
	}
	for round := range uint64(rounds) {
		w := newWorld(seed + round)
		var txns []*sink.Txn
		for i := range 300 {
			if i == 150 {
				txns = append(txns, w.grow())
			}
			txns = append(txns, w.next())
		}
		last := txns[len(txns)-1].CommitTS

		// A life that ends in the middle, with part of what was on its way downstream.
		reset()
		dir := t.TempDir()
		cluster := 100 + 2*round
		s, err := relay.New(t.Context(), open(t, srv, cluster, 1000), relay.Options{Dir: dir, From: 1000, MaxFileBytes: 8 << 10})
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for at < len(txns) {
			n := min(1+w.IntN(20), len(txns)-at)
			b := sink.Batch{Txns: txns[at : at+n], Passed: txns[at+n-1].CommitTS}
			if err := s.Apply(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			at += n
			if at > 20 && w.IntN(25) == 0 {
				break
			}
		}
		s.Close()

		// The upstream is gone. All the log has must be there, and nothing twice.
		inner := open(t, srv, cluster, 1000)
		s, err = relay.New(t.Context(), inner, relay.Options{Dir: dir, From: 1000})
		if err != nil {
			t.Fatal(err)
		}
		reached := inner.Applied() // New has applied what the log has
		s.Close()
		if at == len(txns) && reached > last || at < len(txns) && reached > txns[at-1].CommitTS {
			t.Fatalf("replayed up to %d, %d was handed over", reached, txns[at-1].CommitTS)
		}
		got := [2]string{dump(t, db, "shop.wide"), dump(t, db, "shop.plain")}

		reset()
		direct := open(t, srv, cluster+1, 1000)
		b := sink.Batch{Passed: max(reached, 1000)}
		for _, x := range txns {
			if x.CommitTS <= reached {
				b.Txns = append(b.Txns, x)
			}
		}
		if err := direct.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := direct.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		direct.Close()
		want := [2]string{dump(t, db, "shop.wide"), dump(t, db, "shop.plain")}
		if got != want {
			t.Fatalf("after %d of %d transactions the tables are not what they should be:\n%s\nwant\n%s", at, len(txns),
				strings.Join(got[:], "\n---\n"), strings.Join(want[:], "\n---\n"))
		}
	}
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}
