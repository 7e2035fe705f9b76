package mysqlsink

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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

// The tables of divergence tests: one with a key, one with a key of two columns, one without.
var (
	single = &schema.Table{ID: 501, Schema: "diverge", Name: "single", Keys: []schema.Key{{Name: "PRIMARY", Primary: true, Columns: []int{0}}},
		Columns: []schema.Column{sinktest.Column("id", pmysql.TypeLong, pmysql.NotNullFlag|pmysql.PriKeyFlag), sinktest.Column("v", pmysql.TypeVarchar, 0)}}
	double = &schema.Table{ID: 502, Schema: "diverge", Name: "double", Keys: []schema.Key{{Name: "PRIMARY", Primary: true, Columns: []int{0, 1}}},
		Columns: []schema.Column{sinktest.Column("a", pmysql.TypeLong, pmysql.NotNullFlag|pmysql.PriKeyFlag), sinktest.Column("b", pmysql.TypeVarchar, pmysql.NotNullFlag|pmysql.PriKeyFlag)}}
	none = &schema.Table{ID: 503, Schema: "diverge", Name: "none",
		Columns: []schema.Column{sinktest.Column("a", pmysql.TypeLong, 0), sinktest.Column("b", pmysql.TypeVarchar, 0)}}
)

const divergeTables = "DROP DATABASE IF EXISTS diverge; CREATE DATABASE diverge;" +
	"CREATE TABLE diverge.single (id INT PRIMARY KEY, v VARCHAR(2000));" +
	"CREATE TABLE diverge.`double` (a INT, b VARCHAR(20), PRIMARY KEY (a, b));" +
	"CREATE TABLE diverge.none (a INT, b VARCHAR(20))"

// diverging is a lab whose sinks' reports are kept.
type diverging struct {
	*lab
	mu    sync.Mutex
	found map[string]nodes.TableDivergences
}

func newDiverging(t *testing.T, l *lab) *diverging {
	d := &diverging{lab: l, found: map[string]nodes.TableDivergences{}}
	l.exec(t, strings.Split(divergeTables, ";")...)
	l.opts.Workers = 1
	l.opts.Metrics.Diverged = func(one nodes.TableDivergences) {
		d.mu.Lock()
		defer d.mu.Unlock()
		all := d.found[one.Table]
		all.Table = one.Table
		all.Add(one)
		d.found[one.Table] = all
	}
	return d
}

// want compares what was reported of one table, and that there was nothing else. Which of firsts comes depends on how
// many transactions had come when the statement was made.
func (d *diverging) want(t *testing.T, table string, count uint64, firsts ...nodes.Divergence) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	got := d.found["diverge."+table]
	if len(d.found) != 1 || got.Count != count || !slices.Contains(firsts, got.First) {
		t.Errorf("reported: %+v\nwant %d of %s, first %+v", d.found, count, table, firsts)
	}
	clear(d.found)
}

func inserts(ts nodes.TSO, t *schema.Table, from, to int) *sink.Txn {
	x := &sink.Txn{CommitTS: ts}
	for id := from; id <= to; id++ {
		x.Changes = append(x.Changes, &txn.Change{Table: t, Op: txn.Insert, New: row(t, fmt.Sprint(id), "v")})
	}
	return x
}

func deletes(ts nodes.TSO, t *schema.Table, from, to int) *sink.Txn {
	x := inserts(ts, t, from, to)
	for _, c := range x.Changes {
		c.Op, c.Old, c.New = txn.Delete, c.New, nil
	}
	return x
}

func updates(ts nodes.TSO, t *schema.Table, from, to int, v string) *sink.Txn {
	x := inserts(ts, t, from, to)
	for _, c := range x.Changes {
		c.Op, c.Old, c.New = txn.Update, c.New, row(t, c.New[0].String(), v)
	}
	return x
}

// TestDivergence: rows that somebody removed or changed downstream are reported by the first
// statement that does not find them, with table, key and commit TS; nothing else is.
func TestDivergence(t *testing.T) {
	testDivergence(t, newLab(t, mariadbtest.Start(t)))
}

func testDivergence(t *testing.T, l *lab) {
	for _, c := range []struct {
		name, byHand, table string
		before              *sink.Txn
		then                []*sink.Txn
		count               uint64
		first               []nodes.Divergence // one of these
	}{
		{"update of a row", "DELETE FROM diverge.single WHERE id = 2", "single", inserts(10, single, 1, 3),
			[]*sink.Txn{updates(20, single, 1, 1, "x"), updates(30, single, 2, 2, "x"), updates(40, single, 3, 3, "x")}, 1,
			[]nodes.Divergence{{Statement: "UPDATE", Keys: "id=2", Rows: 1, CommitTS: 30, LastCommitTS: 30}}},
		{"delete of a row", "DELETE FROM diverge.single WHERE id = 2", "single", inserts(10, single, 1, 3),
			[]*sink.Txn{deletes(20, single, 2, 2)}, 1,
			[]nodes.Divergence{{Statement: "DELETE", Keys: "id=2", Rows: 1, CommitTS: 20, LastCommitTS: 20}}},
		{"deletes of many transactions", "DELETE FROM diverge.single WHERE id = 3", "single", inserts(10, single, 1, 5),
			[]*sink.Txn{deletes(20, single, 1, 1), deletes(30, single, 2, 4), deletes(40, single, 5, 5)}, 1,
			[]nodes.Divergence{
				{Statement: "DELETE", Keys: "id=1, id=2, id=3 and 2 more", Rows: 5, Found: 4, CommitTS: 20, LastCommitTS: 40},
				{Statement: "DELETE", Keys: "id=1, id=2, id=3 and 1 more", Rows: 4, Found: 3, CommitTS: 20, LastCommitTS: 30},
				{Statement: "DELETE", Keys: "id=2, id=3, id=4 and 1 more", Rows: 4, Found: 3, CommitTS: 30, LastCommitTS: 40},
				{Statement: "DELETE", Keys: "id=2, id=3, id=4", Rows: 3, Found: 2, CommitTS: 30, LastCommitTS: 30}}},
		{"thousands of rows", "DELETE FROM diverge.single WHERE id IN (250, 4001)", "single", inserts(10, single, 1, 4900),
			[]*sink.Txn{deletes(20, single, 1, 4900)}, 2,
			[]nodes.Divergence{{Statement: "DELETE", Keys: "id=201, id=202, id=203 and 197 more", Rows: 200, Found: 199, CommitTS: 20, LastCommitTS: 20}}},
		{"thousands of updates", "DELETE FROM diverge.single WHERE id > 4000", "single", inserts(10, single, 1, 5500),
			[]*sink.Txn{updates(20, single, 1, 5500, strings.Repeat("long ", 100))}, 1500,
			[]nodes.Divergence{{Statement: "UPDATE", Keys: "id=4001", Rows: 1, CommitTS: 20, LastCommitTS: 20}}},
		{"two columns", "DELETE FROM diverge.`double` WHERE a = 2", "double", inserts(10, double, 1, 3),
			[]*sink.Txn{deletes(20, double, 1, 3)}, 1,
			[]nodes.Divergence{{Statement: "DELETE", Keys: `(a=1 AND b="v"), (a=2 AND b="v"), (a=3 AND b="v")`, Rows: 3, Found: 2, CommitTS: 20, LastCommitTS: 20}}},
		{"update without a key", "UPDATE diverge.none SET b = 'else' WHERE a = 2", "none", inserts(10, none, 1, 3),
			[]*sink.Txn{updates(20, none, 1, 3, "x")}, 1,
			[]nodes.Divergence{{Statement: "UPDATE", Keys: `(a=2 AND b="v")`, Rows: 1, CommitTS: 20, LastCommitTS: 20}}},
		{"delete without a key", "DELETE FROM diverge.none WHERE a = 3", "none", inserts(10, none, 1, 3),
			[]*sink.Txn{deletes(20, none, 1, 3)}, 1,
			[]nodes.Divergence{{Statement: "DELETE", Keys: `(a=3 AND b="v")`, Rows: 1, CommitTS: 20, LastCommitTS: 20}}},
		{"a key that is not unique there", "ALTER TABLE diverge.single DROP PRIMARY KEY; INSERT INTO diverge.single SELECT * FROM diverge.single", "single",
			inserts(10, single, 1, 1), []*sink.Txn{updates(20, single, 1, 1, "x")}, 1,
			[]nodes.Divergence{{Statement: "UPDATE", Keys: "id=1", Rows: 1, Found: 2, CommitTS: 20, LastCommitTS: 20}}},
	} {
		if l.srv == nil && strings.HasPrefix(c.byHand, "ALTER") {
			continue // a clustered primary key of TiDB cannot be dropped
		}
		t.Run(c.name, func(t *testing.T) {
			one := *l
			one.opts.Place.ClusterID = 8000 + clusters.Add(1)
			d := newDiverging(t, &one)
			s := d.open(t, 0)
			mustApply(t, s, c.before)
			d.exec(t, strings.Split(c.byHand, ";")...)
			mustApply(t, s, c.then...)
			d.want(t, c.table, c.count, c.first...)
		})
	}
	t.Run("nothing changes", func(t *testing.T) {
		one := *l
		one.opts.Place.ClusterID = 8000 + clusters.Add(1)
		d := newDiverging(t, &one)
		mustApply(t, d.open(t, 0), inserts(10, single, 1, 3), updates(20, single, 1, 3, "v"), updates(30, single, 1, 3, "v"),
			inserts(40, none, 1, 2), updates(50, none, 1, 2, "v"), deletes(60, none, 1, 2))
		if len(d.found) > 0 {
			t.Errorf("reported: %+v", d.found)
		}
	})
	t.Run("safe mode", func(t *testing.T) {
		one := *l
		one.opts.Place.ClusterID = 8000 + clusters.Add(1)
		one.opts.SafeUntil = 100
		d := newDiverging(t, &one)
		s := d.open(t, 0)
		mustApply(t, s, deletes(10, single, 1, 3), updates(20, single, 4, 4, "x"), deletes(30, none, 1, 1))
		if len(d.found) > 0 {
			t.Errorf("reported: %+v", d.found)
		}
		mustApply(t, s, deletes(110, single, 1, 1))
		d.want(t, "single", 1, nodes.Divergence{Statement: "DELETE", Keys: "id=1", Rows: 1, CommitTS: 110, LastCommitTS: 110})
	})
}

// TestDivergenceOnce: what a downstream transaction did not find counts when it is committed, not
// when it is rolled back and tried again.
func TestDivergenceOnce(t *testing.T) {
	srv := mariadbtest.Start(t, "--innodb-lock-wait-timeout=1")
	d := newDiverging(t, newLab(t, srv))
	retried := make(chan error, 100)
	d.opts.Metrics.Retried = func(err error) {
		select {
		case retried <- err:
		default:
		}
	}
	s := d.open(t, 0)
	mustApply(t, s, inserts(10, single, 1, 2))
	d.exec(t, "DELETE FROM diverge.single WHERE id = 1")
	locker, err := d.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer locker.Rollback()
	if _, err := locker.Exec("SELECT * FROM diverge.single WHERE id = 2 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	x := deletes(20, single, 1, 1)
	for id := 3; id < 203; id++ { // several texts
		x.Changes = append(x.Changes, inserts(20, single, id, id).Changes...)
		x.Changes = append(x.Changes, updates(20, single, id, id, strings.Repeat("x", 2000)).Changes...)
	}
	x.Changes = append(x.Changes, updates(20, single, 2, 2, "x").Changes...)
	if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{x}, Passed: 20}); err != nil {
		t.Fatal(err)
	}
	<-retried
	<-retried
	if err := locker.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.want(t, "single", 1, nodes.Divergence{Statement: "DELETE", Keys: "id=1", Rows: 1, CommitTS: 20, LastCommitTS: 20})
}

// TestStopAtDivergence: the transaction is rolled back, the error names the row, what precedes is
// downstream, and each of the cures that it names lets the sink go on.
func TestStopAtDivergence(t *testing.T) {
	srv := mariadbtest.Start(t)
	for _, cure := range []string{"repair", "skip", "warn"} {
		t.Run(cure, func(t *testing.T) {
			d := newDiverging(t, newLab(t, srv))
			d.opts.StopAtDivergence = true
			s := d.open(t, 0)
			mustApply(t, s, inserts(10, single, 1, 1000))
			d.exec(t, "DELETE FROM diverge.single WHERE id = 333")
			list := []*sink.Txn{updates(20, single, 1, 1, "x"), deletes(30, single, 300, 400), updates(40, single, 2, 2, "x")}
			err := s.Apply(t.Context(), sink.Batch{Txns: list, Passed: 40})
			if err == nil {
				err = s.Flush(t.Context())
			}
			var differs *mysql.DivergenceError
			want := nodes.Divergence{Statement: "DELETE", Keys: "id=333", Rows: 1, CommitTS: 30, LastCommitTS: 30}
			if !errors.As(err, &differs) || differs.Table != "diverge.single" || differs.Divergence != want {
				t.Fatalf("%v", err)
			}
			for _, text := range []string{"id=333", "commit TS 30", "ignore-txn-commit-ts = [30]", `on-divergence = "warn"`} {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("the error has no %s: %v", text, err)
				}
			}
			s.Close()
			state := func() string {
				return fmt.Sprint(column[string](t, d.lab, "SELECT CONCAT_WS(' ', COUNT(*), SUM(v = 'x'), SUM(id BETWEEN 300 AND 400)) FROM diverge.single"))
			}
			if got := state(); got != "[999 1 100]" {
				t.Errorf("downstream: %s", got)
			}
			after := "[899 2 0]"
			switch cure {
			case "repair":
				d.exec(t, "INSERT INTO diverge.single VALUES (333, 'v')")
			case "skip":
				d.opts.IgnoreTxnCommitTS = []nodes.TSO{30}
				after = "[999 2 100]"
			case "warn":
				d.opts.StopAtDivergence = false
			}
			mustApply(t, d.open(t, 10), list...)
			if got := state(); got != after {
				t.Errorf("downstream: %s, want %s", got, after)
			}
		})
	}
}
