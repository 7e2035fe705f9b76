package mysqlsink

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/testsuite/tidbtest/golden"
)

// upstream are the committed transactions of a real TiDB, decoded.
func upstream(t *testing.T, data *golden.Data) []*sink.Txn {
	t.Helper()
	jobs := t.TempDir()
	for _, text := range data.Jobs {
		var head struct{ ID int64 }
		if err := json.Unmarshal(text, &head); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(jobs, fmt.Sprintf("%d.json", head.ID)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h, err := schema.Open(t.Context(), schema.Dir(jobs), schema.Position{Exact: true}, schema.Options{Patience: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	var list []*sink.Txn
	for _, payload := range committed(t, data.Binlogs) {
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
			x.Changes, err = b.Changes(find, time.UTC)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !system(x) {
			list = append(list, x)
		}
	}
	return list
}

// system tells what the filters of a drainer leave out.
func system(x *sink.Txn) bool {
	if x.DDL != nil {
		return x.DDL.Schema == "mysql"
	}
	return len(x.Changes) > 0 && x.Changes[0].Table.Schema == "mysql"
}

// committed are binlogs as pumps deliver them: those that committed, in order.
func committed(t *testing.T, arrived [][]byte) (payloads [][]byte) {
	t.Helper()
	type delivery struct {
		ts      int64
		payload []byte
	}
	var list []delivery
	open := make(map[int64][]byte)
	for _, payload := range arrived {
		head, err := binlogpb.Peek(payload)
		if err != nil {
			t.Fatal(err)
		}
		switch head.Type {
		case binlogpb.BinlogType_Prewrite:
			open[head.StartTS] = payload
		case binlogpb.BinlogType_Commit:
			full, err := binlogpb.AppendCommitted(nil, open[head.StartTS], head.CommitTS)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, delivery{head.CommitTS, full})
		}
	}
	slices.SortFunc(list, func(a, b delivery) int { return cmp.Compare(a.ts, b.ts) })
	for _, d := range list {
		payloads = append(payloads, d.payload)
	}
	return payloads
}
