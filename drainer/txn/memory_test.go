package txn_test

import (
	"encoding/json"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// TestLargeTransaction: to go through the rows of a large transaction takes no memory that grows
// with it.
func TestLargeTransaction(t *testing.T) {
	tab := oracleTable(t, json.RawMessage(everyType))
	row := []byte("\x08\x02" + "\x08\x04\x06\x0a\x02\x80\x00\x01\x02\x22" + "\x08\x08\x0a\x0c\x03abc" + "\x08\x0c\x02\x28a text of 20 letters")
	const rows = 200_000
	var mutation, payload []byte
	mutation = protowire.AppendVarint(protowire.AppendTag(mutation, 1, protowire.VarintType), 100)
	for range rows {
		mutation = protowire.AppendBytes(protowire.AppendTag(mutation, 2, protowire.BytesType), row)
	}
	for range rows {
		mutation = protowire.AppendVarint(protowire.AppendTag(mutation, 7, protowire.VarintType), 0)
	}
	value := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), mutation)
	payload = protowire.AppendBytes(protowire.AppendTag(payload, 5, protowire.BytesType), value)
	b, err := txn.Parse(payload)
	if err != nil {
		t.Fatal(err)
	}
	find := func(int64) (*schema.Table, error) { return tab, nil }
	live := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, most, n := live(), int64(0), 0
	err = b.Each(find, time.UTC, func(*txn.Change) error {
		if n++; n%(rows/5) == 1 {
			most = max(most, live()-before)
		}
		return nil
	})
	if err != nil || n != rows {
		t.Fatalf("%d rows, %v", n, err)
	}
	if most > 1<<20 {
		t.Errorf("%d KiB are held while %d MiB are read", most>>10, len(payload)>>20)
	}
	r, err := b.Rows(find, time.UTC, func(c *txn.Change) bool { return true })
	if err != nil || r.Len() != rows || r.Counts[txn.Insert] != rows || r.Bytes != len(payload) || len(r.Tables) != 1 || r.Tables[0] != tab {
		t.Errorf("%d rows of %d bytes in %d tables, %v", r.Len(), r.Bytes, len(r.Tables), err)
	}
	if held := live() - before; held > 1<<20 {
		t.Errorf("the rows of a large transaction hold %d KiB", held>>10)
	}
	none, err := b.Rows(find, time.UTC, func(c *txn.Change) bool { return false })
	if err != nil || none.Len() != 0 || len(none.Tables) != 0 {
		t.Errorf("%d rows are left of none, %v", none.Len(), err)
	}
	before = live()
	all, err := b.Changes(find, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	held := live() - before
	runtime.KeepAlive(all)
	t.Logf("a row of %d bytes and %d columns takes %d bytes decoded", len(row), len(tab.Columns), held/int64(len(all)))
	// The row itself (40 bytes a column), the change, text made for types that are not text in rows.
	if per := held / rows; per > 40*int64(len(tab.Columns))+160 {
		t.Errorf("a decoded row takes %d bytes", per)
	}
	runtime.KeepAlive(payload)
}
