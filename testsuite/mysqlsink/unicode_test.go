package mysqlsink

import (
	"fmt"
	"math/rand/v2"
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
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
)

// wordsTable is a table with a text as its key.
func wordsTable(id int64, name, collation string) *schema.Table {
	key := sinktest.Column("k", pmysql.TypeVarchar, pmysql.PriKeyFlag|pmysql.NotNullFlag)
	key.Type.SetCharset("utf8mb4")
	key.Type.SetCollate(collation)
	return &schema.Table{ID: id, Schema: "words", Name: name, Columns: []schema.Column{key, sinktest.Column("n", pmysql.TypeLong, 0)},
		Keys: []schema.Key{{Name: "PRIMARY", Primary: true, Columns: []int{0}}}}
}

// word is a transaction that writes or deletes a row.
func word(ts nodes.TSO, t *schema.Table, op txn.Op, key string) *sink.Txn {
	c := &txn.Change{Table: t, Op: op}
	row := txn.Row{txn.TextOf([]byte(key)), txn.IntOf(int64(ts))}
	if op != txn.Insert {
		c.Old = row
	}
	if op != txn.Delete {
		c.New = row
	}
	return &sink.Txn{StartTS: ts - 1, CommitTS: ts, Changes: []*txn.Change{c}}
}

// TestKeysOfOtherScripts: where the downstream compares text exactly, a row whose key is not ASCII does not wait for
// another of its table.
func TestKeysOfOtherScripts(t *testing.T) {
	l := newLab(t, mariadbtest.Start(t))
	l.exec(t, "CREATE DATABASE words", "CREATE TABLE words.w (k VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, n INT)")
	l.opts.Workers = 4
	s := l.open(t, 0)
	locks, err := l.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locks.Exec("INSERT INTO words.w VALUES ('ключ', 0)"); err != nil {
		t.Fatal(err)
	}
	w := wordsTable(1, "w", "utf8mb4_bin")
	list := []*sink.Txn{word(10, w, txn.Insert, "ключ"), word(20, w, txn.Insert, "замок"), word(30, w, txn.Insert, "Ключ"), word(40, w, txn.Insert, "鍵")}
	if err := s.Apply(t.Context(), sink.Batch{Txns: list, Passed: 40}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		if n := column[int](t, l, "SELECT COUNT(*) FROM words.w WHERE n > 10"); n[0] == 3 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("%d rows are there while the first waits for a lock, want 3", n[0])
		}
	}
	if err := locks.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := column[int](t, l, "SELECT COUNT(*) FROM words.w"); n[0] != 4 {
		t.Errorf("%d rows, want 4", n[0])
	}
}

// TestKeysThatOnlyTheDownstreamTakesForEqual: rows whose keys the downstream's collation takes for equal take effect in
// commit order, also where the upstream's tells them apart.
func TestKeysThatOnlyTheDownstreamTakesForEqual(t *testing.T) {
	random := rand.New(rand.NewPCG(form.Seed(t), 1))
	srv := mariadbtest.Start(t)
	for i, collation := range []string{"utf8mb4_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci"} {
		t.Run(collation, func(t *testing.T) {
			l := newLab(t, srv)
			l.exec(t, "CREATE DATABASE IF NOT EXISTS words", fmt.Sprintf("CREATE OR REPLACE TABLE words.w (k VARCHAR(40) CHARACTER SET utf8mb4 COLLATE %s PRIMARY KEY, n INT)", collation))
			l.opts.Workers, l.opts.TxnBatch = 8, 1
			s := l.open(t, 0)
			// Of each kind at most one is there at a time, so that every collation can have it.
			kinds := [][]string{{"é", "É", "e", "E", "é  "}, {"straße", "Straße", "STRAßE"}, {"ключ", "Ключ", "КЛЮЧ"}, {"Å", "å", "Å"}}
			w := wordsTable(int64(10+i), "w", "utf8mb4_bin")
			there := make([]string, len(kinds))
			var list []*sink.Txn
			for ts := nodes.TSO(10); len(list) < 1500; ts += 10 {
				n := random.IntN(len(kinds))
				switch {
				case there[n] == "":
					there[n] = kinds[n][random.IntN(len(kinds[n]))]
					list = append(list, word(ts, w, txn.Insert, there[n]))
				case random.IntN(3) == 0:
					list = append(list, word(ts, w, txn.Update, there[n]))
				default:
					list = append(list, word(ts, w, txn.Delete, there[n]))
					there[n] = ""
				}
			}
			mustApply(t, s, list...)
			want := slices.DeleteFunc(slices.Clone(there), func(k string) bool { return k == "" })
			got := column[string](t, l, "SELECT k FROM words.w")
			slices.Sort(want)
			slices.Sort(got)
			if strings.Join(got, ",") != strings.Join(want, ",") {
				t.Errorf("%q are there, want %q", got, want)
			}
		})
	}
}

// BenchmarkKeys: one-row inserts by what their keys are made of, and by the collation downstream. They are equal but for
// the order in which they may take effect.
func BenchmarkKeys(b *testing.B) {
	srv := mariadbtest.Start(b)
	for i, c := range []struct{ word, collation string }{
		{"key", "utf8mb4_bin"}, {"ключ", "utf8mb4_bin"}, {"key", "utf8mb4_general_ci"}, {"ключ", "utf8mb4_general_ci"},
	} {
		b.Run(c.word+"/"+c.collation, func(b *testing.B) {
			l := newLab(b, srv)
			l.exec(b, "CREATE DATABASE IF NOT EXISTS words", fmt.Sprintf("CREATE OR REPLACE TABLE words.w (k VARCHAR(40) CHARACTER SET utf8mb4 COLLATE %s PRIMARY KEY, n INT)", c.collation))
			s := l.open(b, 0)
			w := wordsTable(int64(20+i), "w", c.collation)
			const count = 20000
			ts := nodes.TSO(0)
			for b.Loop() {
				b.StopTimer()
				var list []*sink.Txn
				for range count {
					ts++
					list = append(list, word(ts, w, txn.Insert, fmt.Sprintf("%s %d", c.word, uint32(ts)*2654435761)))
				}
				b.StartTimer()
				for part := range slices.Chunk(list, 500) {
					if err := s.Apply(b.Context(), sink.Batch{Txns: part, Passed: part[len(part)-1].CommitTS}); err != nil {
						b.Fatal(err)
					}
				}
				if err := s.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*count)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
