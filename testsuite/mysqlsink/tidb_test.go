package mysqlsink

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/sink/mysql/definition"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
	"pumphouse/testsuite/tidbtest/golden"
)

// TestTiDB: the contract, random transactions over restarts of the sink, and DDL that only
// TiDB knows, with a TiDB as the downstream.
func TestTiDB(t *testing.T) {
	tidb := tidbtest.StartTiDB(t, tidbtest.Options{PD: pdtest.StartEmbed(t).Endpoint(0)})
	host, port, err := net.SplitHostPort(tidb.Addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	fresh := func(t *testing.T) *lab {
		return &lab{db: tidb.Open(t, "multiStatements=true"), opts: mysql.Options{
			Server:  mysql.Server{Host: host, Port: number},
			Place:   mysql.Place{ClusterID: 9000 + clusters.Add(1)},
			Metrics: equals(t),
		}}
	}
	t.Run("contract", func(t *testing.T) {
		sinktest.Run(t, func(t *testing.T) sinktest.Downstream {
			l := fresh(t)
			l.exec(t, "DROP DATABASE IF EXISTS sinktest")
			l.exec(t, strings.Split(sinktest.CreateTable, ";")...)
			return l
		})
	})
	t.Run("random transactions", func(t *testing.T) {
		l := fresh(t)
		l.exec(t, strings.Split(modelTables, ";")...)
		m := &model{rnd: rand.New(rand.NewPCG(form.Seed(t), 0)), keyed: map[int]txn.Row{}, class: map[int]int{}}
		var all []*sink.Txn
		for range 4 {
			for range 60 {
				all = append(all, m.next())
			}
			s := l.open(t, 0)
			if err := s.Apply(t.Context(), sink.Batch{Txns: all, Passed: m.ts}); err != nil {
				t.Fatal(err)
			}
			s.Close()
		}
		s := l.open(t, 0)
		mustApply(t, s, all...)
		if got, want := l.modelLines(t), m.lines(); !slices.Equal(got, want) {
			t.Errorf("the downstream differs:\n%s", difference(got, want))
		}
	})
	t.Run("divergence", func(t *testing.T) { testDivergence(t, fresh(t)) })
	t.Run("DDL", func(t *testing.T) {
		l := fresh(t)
		l.exec(t, "CREATE DATABASE d")
		s := l.open(t, nodes.TSO(50))
		only := ddl(103, "t", "ALTER TABLE `t` /*T! SHARD_ROW_ID_BITS = 4 */;")
		only.DDL.OnlyTiDB = true
		mustApply(t, s, ddl(100, "t", "CREATE TABLE `t` (`a` INT) PARTITION BY RANGE (`a`) (PARTITION `p0` VALUES LESS THAN (10));"),
			ddl(101, "u", "CREATE TABLE `u` (`a` INT);"), ddl(102, "t", "ALTER TABLE `t` EXCHANGE PARTITION `p0` WITH TABLE `u`;"), only)
		var name, text string
		if err := l.db.QueryRow("SHOW CREATE TABLE d.t").Scan(&name, &text); err != nil || !strings.Contains(text, "SHARD_ROW_ID_BITS=4") {
			t.Error(fmt.Sprint(text, err))
		}
	})
	t.Run("elements of an ENUM", func(t *testing.T) {
		l := fresh(t)
		l.exec(t, "DROP DATABASE IF EXISTS d", "CREATE DATABASE d", `CREATE TABLE d.t (e ENUM('x''y', 'b\\'), KEY k (e))`)
		s, err := definition.Open(t.Context(), l.db, definition.TiDB)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Read(t.Context(), l.db, "d", "t")
		if err != nil || got == nil || !slices.Equal(got.Columns[0].Type.Elements, []string{"x'y", `b\`}) || len(got.Keys) != 1 {
			t.Errorf("%s, %v", got, err)
		}
	})
	t.Run("foreign key to another database", func(t *testing.T) {
		l, u := fresh(t), newUpstream(t)
		l.exec(t, "DROP DATABASE IF EXISTS d", "DROP DATABASE IF EXISTS e", "CREATE DATABASE d", "CREATE DATABASE e", "CREATE TABLE e.p (id INT PRIMARY KEY)")
		mustApply(t, l.open(t, 50), u.create("CREATE TABLE `d`.`c` (`id` INT, KEY `f`(`id`), CONSTRAINT `f` FOREIGN KEY (`id`) REFERENCES `e`.`p`(`id`))", 10, "c",
			col(1, "id", "int"), key("f", false, "id/0"), `"fk_info":[{"fk_name":"f","cols":["id"],"ref_schema":"e","ref_table":"p","ref_cols":["id"],"state":5,"version":1}]`))
	})
	// A strict TiDB does not find a row by its key that has NULL in a column whose default was dropped (1364).
	t.Run("a default that was dropped", func(t *testing.T) {
		l := fresh(t)
		l.exec(t, "DROP DATABASE IF EXISTS d", "CREATE DATABASE d", "CREATE TABLE d.t (id BIGINT PRIMARY KEY, v BIGINT DEFAULT 5)", "ALTER TABLE d.t ALTER COLUMN v DROP DEFAULT")
		table := &schema.Table{ID: 500, Schema: "d", Name: "t", Keys: keyed.Keys[:1], Handle: schema.IntHandle, HandleColumns: []schema.HandleColumn{{Column: 0}}, Columns: []schema.Column{
			sinktest.Column("id", pmysql.TypeLonglong, pmysql.NotNullFlag|pmysql.PriKeyFlag),
			sinktest.Column("v", pmysql.TypeLonglong, pmysql.NoDefaultValueFlag)}}
		change := func(op txn.Op, old, new txn.Row) *txn.Change {
			return &txn.Change{Table: table, Op: op, Old: old, New: new}
		}
		null := func(id string) txn.Row { return row(table, id, "NULL") }
		for _, safe := range []bool{false, true} {
			l.exec(t, "TRUNCATE TABLE d.t")
			l.opts.SafeMode = safe
			l.opts.Place.ClusterID++
			mustApply(t, l.open(t, 0), &sink.Txn{CommitTS: 10, Changes: []*txn.Change{change(txn.Insert, nil, null("1")), change(txn.Insert, nil, null("2")), change(txn.Insert, nil, null("3"))}},
				&sink.Txn{CommitTS: 20, Changes: []*txn.Change{change(txn.Update, null("1"), row(table, "1", "7")), change(txn.Delete, null("2"), nil), change(txn.Update, null("3"), null("4"))}})
			if got, want := column[string](t, l, "SELECT CONCAT(id, ' ', IFNULL(v, 'NULL')) FROM d.t WHERE v IS NULL OR v > 0 ORDER BY id"), []string{"1 7", "4 NULL"}; !slices.Equal(got, want) {
				t.Errorf("safe mode %v: the downstream has %v, want %v", safe, got, want)
			}
		}
	})
	// Definitions of a real TiDB, compared with what another says of them after each statement.
	t.Run("real transactions", func(t *testing.T) {
		data, err := golden.Load(2024)
		if err != nil {
			t.Fatal(err)
		}
		l := fresh(t)
		l.replayAll(t, data)
	})
}
