package golden

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
)

// Committed are the binlogs as pumps deliver them: those that committed, in order.
func (d *Data) Committed(t testing.TB) [][]byte {
	t.Helper()
	type delivery struct {
		ts      int64
		payload []byte
	}
	var list []delivery
	open := make(map[int64][]byte)
	for _, payload := range d.Binlogs {
		head, err := binlogpb.Peek(payload)
		if err != nil {
			t.Fatal(err)
		}
		switch head.Type {
		case binlogpb.BinlogType_Prewrite:
			open[head.StartTS] = payload
		case binlogpb.BinlogType_Commit:
			var b binlogpb.Binlog
			if err := proto.Unmarshal(open[head.StartTS], &b); err != nil {
				t.Fatal(err)
			}
			b.CommitTs = &head.CommitTS
			full, err := binlogpb.EncodeBinlog(&b)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, delivery{head.CommitTS, full})
		}
	}
	slices.SortFunc(list, func(a, b delivery) int { return cmp.Compare(a.ts, b.ts) })
	payloads := make([][]byte, len(list))
	for i, x := range list {
		payloads[i] = x.payload
	}
	return payloads
}

// History is the DDL history in a directory, which goes with the test.
func (d *Data) History(t testing.TB) schema.Dir {
	t.Helper()
	dir := t.TempDir()
	for _, text := range d.Jobs {
		var head struct{ ID int64 }
		if err := json.Unmarshal(text, &head); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.json", head.ID)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return schema.Dir(dir)
}

// Transactions are the committed binlogs as a drainer hands them to a sink that takes all of
// them: what filters leave out and DDL statements to be skipped included, early statements not.
func (d *Data) Transactions(t testing.TB) []*sink.Txn {
	t.Helper()
	return d.transactions(t, func(x *sink.Txn, b *txn.Binlog, find txn.Finder) (err error) {
		x.Changes, err = b.Changes(find, time.UTC)
		return err
	})
}

// LargeTransactions are the same, each with rows handed over as those of a large one are.
func (d *Data) LargeTransactions(t testing.TB) []*sink.Txn {
	t.Helper()
	return d.transactions(t, func(x *sink.Txn, b *txn.Binlog, find txn.Finder) (err error) {
		x.Large, err = b.Rows(find, time.UTC, func(*txn.Change) bool { return true })
		return err
	})
}

func (d *Data) transactions(t testing.TB, rows func(*sink.Txn, *txn.Binlog, txn.Finder) error) []*sink.Txn {
	t.Helper()
	h, err := schema.Open(t.Context(), d.History(t), schema.Position{Exact: true}, schema.Options{JobTimeout: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	var list []*sink.Txn
	for _, payload := range d.Committed(t) {
		b, err := txn.Parse(payload)
		if err != nil {
			t.Fatal(err)
		}
		x := &sink.Txn{StartTS: b.StartTS, CommitTS: b.CommitTS}
		if b.DDL() {
			x.Query = string(b.DDLQuery)
			x.DDL, err = h.Reach(t.Context(), b.CommitTS, b.DDLJobID, b.DDLState, x.Query)
		} else if err = h.Advance(t.Context(), b.CommitTS, b.SchemaVersion); err == nil {
			find := func(id int64) (*schema.Table, error) { return h.Find(t.Context(), id, b.CommitTS) }
			err = rows(x, b, find)
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, x)
	}
	return list
}
