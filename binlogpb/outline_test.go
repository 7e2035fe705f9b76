package binlogpb

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
)

// prewriteOf is a prewrite with rows of some tables.
func prewriteOf(tb testing.TB, key string, tables ...int64) []byte {
	tb.Helper()
	value := &PrewriteValue{SchemaVersion: new(int64(7))}
	for _, id := range tables {
		value.Mutations = append(value.Mutations, &TableMutation{TableId: &id, InsertedRows: [][]byte{make([]byte, 100)}})
	}
	v, err := EncodePrewriteValue(value)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := EncodeBinlog(&Binlog{StartTs: new(int64(5)), PrewriteKey: []byte(key), PrewriteValue: v})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestOutline: the key and the tables are found; of a binlog that ends early, those that are there.
func TestOutline(t *testing.T) {
	whole := prewriteOf(t, "the key", 44, 42, 44)
	if o := ReadOutline(whole); string(o.Key) != "the key" || fmt.Sprint(o.Tables) != "[42 44]" || o.Partial {
		t.Errorf("whole: %+v", o)
	}
	tables := 0
	for n := range whole {
		o := ReadOutline(whole[:n])
		if len(o.Tables) < tables {
			t.Errorf("%d bytes show %d tables, fewer showed %d", n, len(o.Tables), tables)
		}
		tables = len(o.Tables)
		if n > 40 && (string(o.Key) != "the key" || !o.Partial && n < len(whole)-20) {
			t.Errorf("the first %d of %d bytes: %+v", n, len(whole), o)
		}
	}
	if o := ReadOutline(nil); o.Key != nil || len(o.Tables) != 0 {
		t.Errorf("nothing: %+v", o)
	}
}

// FuzzOutline: any bytes are read without a panic, and what the generated code reads whole is
// read the same.
func FuzzOutline(f *testing.F) {
	f.Add(prewriteOf(f, "k", 1, 2))
	f.Add([]byte{0x2a, 0x05, 0x12, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		o := ReadOutline(b)
		var want Binlog
		var value PrewriteValue
		if proto.Unmarshal(b, &want) != nil || proto.Unmarshal(want.PrewriteValue, &value) != nil || len(want.ProtoReflect().GetUnknown()) > 0 {
			return
		}
		if o.Partial {
			t.Fatalf("a whole binlog is called partial: %x", b)
		}
		if string(o.Key) != string(want.PrewriteKey) {
			t.Fatalf("key %x, want %x", o.Key, want.PrewriteKey)
		}
		for _, m := range value.Mutations {
			if m.TableId != nil && !slices.Contains(o.Tables, *m.TableId) {
				t.Fatalf("tables %v lack %d", o.Tables, m.GetTableId())
			}
		}
	})
}
