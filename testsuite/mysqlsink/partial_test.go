package mysqlsink

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// partialT is a table with columns that the downstream does not have.
var partialT = &schema.Table{
	ID: 400, Schema: "partial", Name: "t",
	Columns: []schema.Column{
		sinktest.Column("id", pmysql.TypeLonglong, pmysql.NotNullFlag|pmysql.PriKeyFlag),
		sinktest.Column("name", pmysql.TypeVarchar, 0),
		sinktest.Column("only_up", pmysql.TypeLonglong, 0),
	},
	Handle: schema.IntHandle, HandleColumns: []schema.HandleColumn{{Column: 0}},
	Keys: []schema.Key{{Name: "PRIMARY", Primary: true, Columns: []int{0}}},
}

// partialK is one whose key the downstream does not have, nor any other.
var partialK = &schema.Table{
	ID: 401, Schema: "partial", Name: "k",
	Columns: []schema.Column{
		sinktest.Column("id", pmysql.TypeLonglong, pmysql.NotNullFlag|pmysql.PriKeyFlag),
		sinktest.Column("name", pmysql.TypeVarchar, 0),
	},
	Handle: schema.IntHandle, HandleColumns: []schema.HandleColumn{{Column: 0}},
	Keys: []schema.Key{{Name: "PRIMARY", Primary: true, Columns: []int{0}}},
}

func changes(ts nodes.TSO, list ...*txn.Change) *sink.Txn {
	return &sink.Txn{CommitTS: ts, Changes: list}
}

func partialLab(t *testing.T) *lab {
	l := newLab(t, mariadbtest.Start(t))
	l.exec(t, "CREATE DATABASE partial",
		"CREATE TABLE partial.t (Id BIGINT PRIMARY KEY, must INT NOT NULL, name VARCHAR(20), extra INT DEFAULT 7, twice BIGINT AS (Id * 2) STORED)",
		"CREATE TABLE partial.k (name VARCHAR(20))")
	l.opts.PartialColumns, l.opts.Workers = true, 4
	return l
}

// TestPartialColumns: rows are written with the columns that both sides have, in both modes; with all
// columns the same rows are refused.
func TestPartialColumns(t *testing.T) {
	r := func(texts ...string) txn.Row { return row(partialT, texts...) }
	list := []*sink.Txn{
		changes(10, &txn.Change{Table: partialT, Op: txn.Insert, New: r("1", "one", "11")}, &txn.Change{Table: partialT, Op: txn.Insert, New: r("2", "two", "22")}),
		changes(20, &txn.Change{Table: partialT, Op: txn.Update, Old: r("1", "one", "11"), New: r("1", "uno", "12")}),
		changes(30, &txn.Change{Table: partialT, Op: txn.Update, Old: r("2", "two", "22"), New: r("3", "three", "33")}),
		changes(40, &txn.Change{Table: partialT, Op: txn.Insert, New: r("4", "four", "44")}),
		changes(50, &txn.Change{Table: partialT, Op: txn.Delete, Old: r("4", "four", "44")}),
		changes(60, &txn.Change{Table: partialK, Op: txn.Insert, New: row(partialK, "1", "same")}, &txn.Change{Table: partialK, Op: txn.Insert, New: row(partialK, "2", "same")}),
		changes(70, &txn.Change{Table: partialK, Op: txn.Delete, Old: row(partialK, "1", "same")}),
	}
	for _, safe := range []bool{false, true} {
		t.Run(fmt.Sprint("safe mode ", safe), func(t *testing.T) {
			l := partialLab(t)
			l.opts.SafeMode = safe
			mustApply(t, l.open(t, 0), list...)
			got := column[string](t, l, "SELECT CONCAT_WS(' ', id, must, name, extra, twice) FROM partial.t ORDER BY id")
			if want := []string{"1 0 uno 7 2", "3 0 three 7 6"}; !slices.Equal(got, want) {
				t.Errorf("downstream: %q, want %q", got, want)
			}
			if got := column[string](t, l, "SELECT name FROM partial.k"); len(got) != 1 {
				t.Errorf("without a key: %q", got)
			}
		})
	}
	l := partialLab(t)
	l.opts.PartialColumns = false
	s := l.open(t, 0)
	err := s.Apply(t.Context(), sink.Batch{Txns: list, Passed: 70})
	if err == nil {
		err = s.Flush(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "Unknown column") {
		t.Errorf("with all columns: %v", err)
	}
}

// TestPartialColumnsChange: what DDL of the stream or somebody by hand does to the downstream's columns
// counts for what comes after it.
func TestPartialColumnsChange(t *testing.T) {
	l := partialLab(t)
	clock := time.Now()
	l.opts.Now = func() time.Time { return clock }
	insert := func(ts nodes.TSO, text string) *sink.Txn {
		return changes(ts, &txn.Change{Table: partialT, Op: txn.Insert, New: row(partialT, fmt.Sprint(ts), text, "5")})
	}
	s := l.open(t, 0)
	mustApply(t, s, insert(10, "a"))
	l.exec(t, "ALTER TABLE partial.t DROP COLUMN name") // an error tells the sink
	mustApply(t, s, insert(20, "b"))
	l.exec(t, "ALTER TABLE partial.t ADD COLUMN name VARCHAR(20)")
	clock = clock.Add(2 * time.Minute) // it looks again
	mustApply(t, s, insert(30, "c"))
	d := &schema.DDL{Job: &schema.Job{ID: 1, Type: schema.ActionAddColumn}, Schema: "partial", Table: "t"}
	mustApply(t, s, &sink.Txn{CommitTS: 40, DDL: d, Query: "ALTER TABLE partial.t ADD COLUMN only_up BIGINT"}, insert(50, "d"))
	got := column[string](t, l, "SELECT CONCAT_WS(' ', id, IFNULL(name, '-'), IFNULL(only_up, '-')) FROM partial.t ORDER BY id")
	if want := []string{"10 - -", "20 - -", "30 c -", "50 d 5"}; !slices.Equal(got, want) {
		t.Errorf("downstream: %q, want %q", got, want)
	}
	l.exec(t, "DROP TABLE partial.t", "CREATE TABLE partial.t (other INT)")
	clock = clock.Add(2 * time.Minute)
	err := s.Apply(t.Context(), one(insert(60, "e")))
	if err == nil {
		err = s.Flush(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "no column of the upstream's") {
		t.Errorf("a table with other columns: %v", err)
	}
}
