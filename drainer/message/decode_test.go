package message

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
)

// stream encodes transactions with the additions.
func stream(t testing.TB, list []*sink.Txn) [][]byte {
	t.Helper()
	e := NewEncoder(time.UTC)
	e.Complete()
	var values [][]byte
	for _, x := range list {
		value, err := e.Encode(x)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	return values
}

// bare is a transaction as a message can have it: without columns that are in none.
func bare(x *sink.Txn) *sink.Txn {
	out := &sink.Txn{StartTS: x.StartTS, CommitTS: x.CommitTS, Query: x.Query}
	out.Early = append(out.Early, x.Early...)
	if x.DDL != nil {
		out.DDL = x.DDL
		return out
	}
	tables := make(map[*schema.Table]*schema.Table)
	for _, c := range x.Changes {
		if tables[c.Table] == nil {
			tables[c.Table] = define(c.Table).table()
		}
		row := func(r txn.Row) (out txn.Row) {
			for i, v := range r {
				if written(&c.Table.Columns[i]) {
					out = append(out, v)
				}
			}
			return out
		}
		out.Changes = append(out.Changes, &txn.Change{Table: tables[c.Table], Op: c.Op, Old: row(c.Old), New: row(c.New), RowID: c.RowID})
	}
	return out
}

// same reports whether two transactions are the same to a sink.
func same(a, b *sink.Txn) bool {
	if a.StartTS != b.StartTS || a.CommitTS != b.CommitTS || a.Query != b.Query || len(a.Changes) != len(b.Changes) {
		return false
	}
	if !sameDDL(a.DDL, b.DDL) || !slices.EqualFunc(a.Early, b.Early, func(a, b sink.Statement) bool { return a.Query == b.Query && sameDDL(a.DDL, b.DDL) }) {
		return false
	}
	for i, c := range a.Changes {
		d := b.Changes[i]
		if c.Op != d.Op || c.RowID != d.RowID || !reflect.DeepEqual(c.Table, d.Table) || !sameRow(c.Old, d.Old) || !sameRow(c.New, d.New) {
			return false
		}
	}
	return true
}

// sameDDL reports whether all that is ever written down of two DDLs is the same.
func sameDDL(a, b *schema.DDL) bool {
	if a == nil || b == nil {
		return a == b
	}
	one, err := a.Encode()
	other, err2 := b.Encode()
	return err == nil && err2 == nil && bytes.Equal(one, other)
}

func sameRow(a, b txn.Row) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Kind != b[i].Kind || a[i].Uint64() != b[i].Uint64() || string(a[i].Bytes) != string(b[i].Bytes) {
			return false
		}
	}
	return true
}

// rich is sample, and what is hard to keep.
func rich() []*sink.Txn {
	list := sample()
	ts := list[len(list)-1].CommitTS
	tab, row := list[1].Changes[0].Table, list[1].Changes[0].New
	list = append(list, &sink.Txn{StartTS: ts, CommitTS: ts + 1, Changes: []*txn.Change{
		{Table: tab, Op: txn.Update, Old: row, New: row, RowID: -3}, // a definition that is known
	}})
	zero := append(txn.Row(nil), row...)
	for i, c := range tab.Columns {
		if c.Name == "e" {
			zero[i] = txn.Value{Kind: txn.Enum} // the error value
		}
	}
	after, _ := everyTable()
	return append(list,
		&sink.Txn{StartTS: ts + 1, CommitTS: ts + 2, Changes: []*txn.Change{{Table: tab, Op: txn.Insert, New: zero}}},
		&sink.Txn{StartTS: ts + 2, CommitTS: ts + 3, Query: "alter table x",
			DDL: &schema.DDL{Schema: "a`b", Table: "x", OnlyTiDB: true, Job: &schema.Job{ID: 9, Type: 5}, After: after}},
		&sink.Txn{StartTS: ts + 3, CommitTS: ts + 4, Query: "no job", DDL: &schema.DDL{}},
		&sink.Txn{StartTS: ts + 4, CommitTS: ts + 5, Query: "create database d", DDL: &schema.DDL{Schema: "d", Job: &schema.Job{
			ID: 10, Type: 1, Result: schema.Result{DBInfo: &schema.DBInfo{ID: 7, Name: ast.NewCIStr("d"), Charset: "utf8mb4", Collate: "utf8mb4_unicode_ci"}}}}},
		&sink.Txn{StartTS: ts + 5, CommitTS: ts + 6, Early: []sink.Statement{
			{Query: "alter table x add y", DDL: &schema.DDL{Schema: "a`b", Table: "x", Job: &schema.Job{ID: 11, Type: 61}, After: after}},
			{Query: "alter table z add y", DDL: &schema.DDL{Schema: "a`b", Table: "z", OnlyTiDB: true, Job: &schema.Job{ID: 12, Type: 61}}},
		}, Changes: []*txn.Change{{Table: tab, Op: txn.Insert, New: zero}}},
	)
}

func TestRoundTrip(t *testing.T) {
	list := rich()
	d := NewDecoder()
	var first, second *schema.Table
	for i, value := range stream(t, list) {
		got, err := d.Decode(value)
		if err != nil {
			t.Fatal(err)
		}
		if want := bare(list[i]); !same(got, want) {
			t.Errorf("transaction %d:\n%+v\nwant\n%+v", i, got, want)
			for n, c := range got.Changes {
				t.Logf("%+v\nwant\n%+v", *c, *want.Changes[n])
			}
		}
		if i == 1 {
			first = got.Changes[0].Table
		}
		if i == 2 {
			second = got.Changes[0].Table
		}
	}
	if first != second {
		t.Error("one definition became two tables")
	}
}

// A stream has to be read from its beginning.
func TestUnknownDefinition(t *testing.T) {
	values := stream(t, rich())
	if _, err := NewDecoder().Decode(values[2]); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%v", err)
	}
}

// Without additions, values are the same but for enums and sets, and the primary key is known.
func TestPlain(t *testing.T) {
	list := sample()
	e := NewEncoder(time.UTC)
	value, err := e.Encode(list[1])
	if err != nil {
		t.Fatal(err)
	}
	got, err := NewDecoder().Decode(value)
	if err != nil {
		t.Fatal(err)
	}
	want := bare(list[1])
	row, wantRow := got.Changes[0].New, want.Changes[0].New
	tab := got.Changes[0].Table
	for i, v := range row {
		name, w := tab.Columns[i].Name, wantRow[i]
		switch {
		case name == "missing":
			if v.String() != "as ever" {
				t.Errorf("%s: %v", name, v)
			}
		case name == "virtual":
			if v.Kind != txn.Null {
				t.Errorf("%s: %v", name, v)
			}
		case w.Kind == txn.Enum || w.Kind == txn.Set:
			if v.Kind != txn.Uint || v.Uint64() != w.Uint64() {
				t.Errorf("%s: %+v, want the number of %+v", name, v, w)
			}
		case w.Kind == txn.Bit:
			if v.Kind != w.Kind || v.Uint64() != w.Uint64() {
				t.Errorf("%s: %+v, want %+v", name, v, w)
			}
		case w.Kind == txn.Text && v.Kind == txn.Text && string(v.Bytes) == string(w.Bytes):
		case !sameRow(txn.Row{v}, txn.Row{w}):
			t.Errorf("%s: %+v, want %+v", name, v, w)
		}
		if w := want.Changes[0].Table.Columns[i].Type.GetType(); name != "e" && name != "s" && tab.Columns[i].Type.GetType() != w {
			t.Errorf("%s: type %d, want %d", name, tab.Columns[i].Type.GetType(), w)
		}
	}
	if pk := tab.PrimaryKey(); pk == nil || len(pk.Columns) != 1 || pk.Columns[0] != 0 || !tab.Columns[0].NotNull() {
		t.Errorf("keys: %+v", tab.Keys)
	}
	if len(got.Changes) != len(want.Changes) {
		t.Fatalf("%d changes, want %d", len(got.Changes), len(want.Changes))
	}
	for i, c := range got.Changes {
		if w := want.Changes[i]; c.Op != w.Op || len(c.Old) != len(w.Old) || len(c.New) != len(w.New) || c.Table.Name != w.Table.Name {
			t.Errorf("change %d: %+v", i, c)
		}
	}
}

// Tables keep their ID over changes of their columns: sinks tell by it what has to wait.
func TestPlainIDs(t *testing.T) {
	one := sinktest.Insert(10)
	wide := *one.Changes[0].Table
	wide.Columns = append(append([]schema.Column(nil), wide.Columns...), wide.Columns[2])
	wide.Columns[3].Name = "more"
	two := sinktest.Insert(20)
	two.Changes[0].Table = &wide
	two.Changes[0].New = append(two.Changes[0].New, sinktest.Null())
	e, d := NewEncoder(time.UTC), NewDecoder()
	var ids []int64
	for _, x := range []*sink.Txn{one, two} {
		value, err := e.Encode(x)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Decode(value)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, got.Changes[0].Table.ID)
	}
	if ids[0] != ids[1] || ids[0] == 0 {
		t.Errorf("IDs %v", ids)
	}
}

func FuzzDecode(f *testing.F) {
	for _, value := range stream(f, rich()) {
		f.Add(value)
	}
	for _, x := range sample() {
		value, err := NewEncoder(time.UTC).Encode(x)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
	}
	f.Add(protowire.AppendTag(nil, 100, protowire.Fixed32Type))
	f.Fuzz(func(t *testing.T, value []byte) {
		x, err := NewDecoder().Decode(value)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v", err)
			}
			return
		}
		for _, c := range x.Changes {
			for _, row := range []txn.Row{c.Old, c.New} {
				if row != nil && len(row) != len(c.Table.Columns) {
					t.Fatalf("a row of %d values for %d columns", len(row), len(c.Table.Columns))
				}
			}
		}
		// What was read can be written.
		e := NewEncoder(time.UTC)
		e.Complete()
		if _, err := e.Encode(x); err != nil {
			t.Errorf("encode what was decoded: %v", err)
		}
	})
}

// BenchmarkDecode: one-row transactions, as our drainers' relay logs have them and as every drainer's messages do.
func BenchmarkDecode(b *testing.B) {
	list := []*sink.Txn{sinktest.Insert(10), sinktest.Insert(11)}
	b.Run("complete", func(b *testing.B) { benchmarkDecode(b, stream(b, list)) })
	b.Run("plain", func(b *testing.B) {
		var values [][]byte
		for _, x := range list {
			value, err := NewEncoder(time.UTC).Encode(x)
			if err != nil {
				b.Fatal(err)
			}
			values = append(values, value)
		}
		benchmarkDecode(b, values)
	})
}

func benchmarkDecode(b *testing.B, values [][]byte) {
	d := NewDecoder()
	if _, err := d.Decode(values[0]); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(values[1])))
	for b.Loop() {
		if _, err := d.Decode(values[1]); err != nil {
			b.Fatal(err)
		}
	}
}

// Timestamps are in the zone that a message names, and become UTC where that is asked for; other times stay.
func TestDecodeInUTC(t *testing.T) {
	stamp, datetime := sinktest.Column("s", mysql.TypeTimestamp, 0), sinktest.Column("d", mysql.TypeDatetime, 0)
	tab := &schema.Table{Schema: "d", Name: "t", Columns: []schema.Column{stamp, datetime}}
	const local = "2026-11-22 03:04:05"
	row := txn.Row{txn.TextOf([]byte(local)), txn.TextOf([]byte(local))}
	value, err := NewEncoder(time.FixedZone("Local", 5400)).Encode(&sink.Txn{CommitTS: 1, Changes: []*txn.Change{{Table: tab, Op: txn.Update, Old: row, New: row}}})
	if err != nil {
		t.Fatal(err)
	}
	d := NewDecoder()
	decode := func(want string) {
		t.Helper()
		x, err := d.Decode(value)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []txn.Row{x.Changes[0].Old, x.Changes[0].New} {
			if got := r[0].String() + ", " + r[1].String(); got != want+", "+local {
				t.Errorf("%s, want %s, %s", got, want, local)
			}
		}
	}
	decode(local)
	d.Zone = func(name string) (*time.Location, error) {
		at, err := time.Parse("-07:00", name)
		return at.Location(), err
	}
	decode("2026-11-22 01:34:05")
	d.Zone = func(string) (*time.Location, error) { return nil, errors.New("unknown") }
	if _, err := d.Decode(value); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a time zone that is not known: %v", err)
	}
}
