package file

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/testsuite/tidbtest/golden"
)

// What real TiDBs wrote goes through files and comes back as it was.
func TestRealTransactions(t *testing.T) {
	for _, year := range golden.Years() {
		t.Run(fmt.Sprint(year), func(t *testing.T) {
			data, err := golden.Load(year)
			if err != nil {
				t.Fatal(err)
			}
			txns := slices.DeleteFunc(data.Transactions(t), func(x *sink.Txn) bool { return x.DDL != nil && x.DDL.Skip != "" })
			dir := t.TempDir()
			s := open(t, Options{Dir: dir, MaxFileBytes: 10_000, Gzip: true})
			for part := range slices.Chunk(txns, 10) {
				if err := s.Apply(t.Context(), sink.Batch{Txns: part, Passed: part[len(part)-1].CommitTS}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Close()
			paths, err := binlogfile.Files(dir)
			if err != nil || len(paths) < 5 {
				t.Fatal(paths, err)
			}
			txns = slices.DeleteFunc(txns, func(x *sink.Txn) bool { return x.DDL == nil && len(x.Changes) == 0 || x.DDL != nil && x.DDL.Setval })
			for _, p := range paths {
				err := eachIn(p, func(b *pbfile.Binlog) {
					compare(t, b, txns[0])
					txns = txns[1:]
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if len(txns) > 0 {
				t.Errorf("%d transactions are not in the files", len(txns))
			}
			var text bytes.Buffer
			if err := binlogfile.Print(&text, paths...); err != nil || text.Len() < 10_000 {
				t.Errorf("%d bytes were printed: %v", text.Len(), err)
			}
		})
	}
}

func compare(t *testing.T, b *pbfile.Binlog, want *sink.Txn) {
	t.Helper()
	if b.GetCommitTs() != int64(want.CommitTS) {
		t.Fatalf("commit TS %d, want %d", b.GetCommitTs(), want.CommitTS)
	}
	if want.DDL != nil {
		if b.GetTp() != pbfile.BinlogType_DDL || !bytes.Contains(b.GetDdlQuery(), []byte(want.Query+";")) {
			t.Errorf("DDL %q, want %q", b.GetDdlQuery(), want.Query)
		}
		return
	}
	events := b.GetDmlData().GetEvents()
	if len(events) != len(want.Changes) {
		t.Fatalf("commit TS %d: %d events, want %d", want.CommitTS, len(events), len(want.Changes))
	}
	for i, e := range events {
		compareEvent(t, e, want.Changes[i])
	}
}

func compareEvent(t *testing.T, e *pbfile.Event, want *txn.Change) {
	t.Helper()
	if e.GetSchemaName() != want.Table.Schema || e.GetTableName() != want.Table.Name || int(e.GetTp()) != int(want.Op) {
		t.Fatalf("%v of %s.%s, want %v of %s", e.GetTp(), e.GetSchemaName(), e.GetTableName(), want.Op, want.Table)
	}
	value := want.New
	if want.Op != txn.Insert {
		value = want.Old
	}
	row := e.GetRow()
	for i := range want.Table.Columns {
		def := &want.Table.Columns[i]
		if !def.Public || def.Generated && want.Op == txn.Update || !def.Generated && value[i].Kind == txn.Missing {
			continue
		}
		var c pbfile.Column
		if err := proto.Unmarshal(row[0], &c); err != nil {
			t.Fatal(err)
		}
		row = row[1:]
		if c.GetName() != def.Name || len(c.GetTp()) != 1 || c.GetTp()[0] != def.Type.GetType() || c.GetMysqlType() == "" {
			t.Errorf("column %s of type %x (%s), want %s of %d", c.GetName(), c.GetTp(), c.GetMysqlType(), def.Name, def.Type.GetType())
		}
		compareValue(t, def, c.GetValue(), value[i])
		if want.Op == txn.Update {
			compareValue(t, def, c.GetChangedValue(), want.New[i])
		} else if c.ChangedValue != nil {
			t.Errorf("%s has a changed value", def.Name)
		}
	}
	if len(row) > 0 {
		t.Errorf("%s has %d columns more", want.Table, len(row))
	}
}

func compareValue(t *testing.T, def *schema.Column, raw []byte, want txn.Value) {
	t.Helper()
	got, err := binlogfile.Value(raw)
	if err != nil {
		t.Fatalf("column %s: %v", def.Name, err)
	}
	same := false
	switch v := got.(type) {
	case nil:
		same = want.Kind == txn.Null || want.Kind == txn.Missing && def.Generated
	case int64:
		same = want.Kind == txn.Int && v == want.Int64()
	case uint64:
		same = v == want.Uint64() && (want.Kind == txn.Uint || want.Kind == txn.Bit || def.Type.GetType() == mysql.TypeEnum || def.Type.GetType() == mysql.TypeSet)
	case float64:
		same = v == want.Float() && (want.Kind == txn.Float32 || want.Kind == txn.Float64)
	case []byte:
		same = bytes.Equal(v, want.Bytes) && (want.Kind == txn.Text || want.Kind == txn.Bytes)
	}
	if !same {
		t.Errorf("column %s: %v, want %s", def.Name, got, want)
	}
}
