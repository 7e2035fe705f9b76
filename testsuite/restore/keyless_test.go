package restore

import (
	"testing"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/file"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// writeKeyless writes files with one table, k.nokey, and that many rows, ten a transaction.
func writeKeyless(t *testing.T, dir string, rows int) {
	t.Helper()
	s, err := file.New(file.Options{Dir: dir, MaxFileBytes: 20_000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	col := sinktest.Column("a", mysql.TypeLonglong, 0)
	tab := &schema.Table{ID: 1, Schema: "k", Name: "nokey", Columns: []schema.Column{col}}
	job := func(query string, tp schema.Action) *sink.Txn {
		return &sink.Txn{Query: query, DDL: &schema.DDL{Schema: "k", Job: &schema.Job{Type: tp}}}
	}
	txns := []*sink.Txn{job("CREATE DATABASE k", schema.ActionCreateSchema), job("CREATE TABLE nokey (a BIGINT)", schema.ActionCreateTable)}
	for n := 0; n < rows; {
		x := &sink.Txn{}
		for range 10 {
			x.Changes = append(x.Changes, &txn.Change{Table: tab, New: txn.Row{txn.IntOf(int64(n))}})
			n++
		}
		txns = append(txns, x)
	}
	for i, x := range txns {
		x.CommitTS = base + nodes.TSO(i)
	}
	if err := s.Apply(t.Context(), sink.Batch{Txns: txns, Passed: txns[len(txns)-1].CommitTS}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}
