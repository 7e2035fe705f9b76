package binlogfile

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/testsuite/upstream"
)

// What was encoded comes back: every kind of value, whatever order the columns of the table have.
func TestDecode(t *testing.T) {
	tab, _, _ := everyType()
	known := *tab
	known.Columns = []schema.Column{tab.Columns[3], tab.Columns[14], tab.Columns[0]} // the rest is added
	known.Columns[2].Name = "ID"
	d := Decoder{Find: func(schemaName, table string) (*schema.Table, error) {
		if schemaName != tab.Schema || table != tab.Name {
			t.Errorf("asked for %s.%s", schemaName, table)
		}
		return &known, nil
	}}
	x := sample()[2]
	rec, err := NewReader("x", bytes.NewReader(NewEncoder().Append(nil, x))).Next()
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Changes(rec.Payload)
	if err != nil || len(got) != len(x.Changes) {
		t.Fatal(got, err)
	}
	for i, c := range got {
		want := x.Changes[i]
		if c.Op != want.Op || c.Table.Columns[1].Name != "generated" {
			t.Errorf("change %d: %v of %v", i, c.Op, c.Table.Columns)
		}
		sameRow(t, c.Table, c.Old, want.Table, want.Old)
		sameRow(t, c.Table, c.New, want.Table, want.New)
	}
}

func sameRow(t *testing.T, is *schema.Table, got txn.Row, was *schema.Table, want txn.Row) {
	t.Helper()
	values := map[string]string{}
	for i, v := range got {
		if v.Kind != txn.Missing {
			values[strings.ToLower(is.Columns[i].Name)] = fmt.Sprintf("%v %s", v.Kind == txn.Bytes, v)
		}
	}
	for i, v := range want {
		name := was.Columns[i].Name
		switch {
		case v.Kind == txn.Missing, !was.Columns[i].Public, was.Columns[i].Generated:
			continue
		case v.Kind == txn.Enum, v.Kind == txn.Set, v.Kind == txn.Bit:
			v = txn.UintOf(v.Uint64())
		}
		if w := fmt.Sprintf("%v %s", v.Kind == txn.Bytes, v); values[name] != w {
			t.Errorf("%s is %q, want %q", name, values[name], w)
		}
		delete(values, name)
	}
	if len(want) > 0 && len(values) > 0 {
		t.Errorf("more values: %v", values)
	}
}

// Timestamps of files are in the zone of the drainer that wrote them.
func TestTimestampsBecomeUTC(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	for text, want := range map[string]string{
		"2026-11-22 03:04:05":        "2026-11-21 19:04:05",
		"2026-11-22 03:04:05.120000": "2026-11-21 19:04:05.120000",
		"0000-00-00 00:00:00":        "0000-00-00 00:00:00",
	} {
		if got := string(txn.TimestampInUTC([]byte(text), zone)); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	stamp, datetime := sinktest.Column("s", mysql.TypeTimestamp, 0), sinktest.Column("d", mysql.TypeDatetime, 0)
	tab := &schema.Table{Schema: "d", Name: "t", Columns: []schema.Column{stamp, datetime}}
	row := txn.Row{txn.TextOf([]byte("2026-11-22 03:04:05")), txn.TextOf([]byte("2026-11-22 03:04:05"))}
	rec, err := NewReader("x", bytes.NewReader(NewEncoder().Append(nil, &sink.Txn{CommitTS: 1, Changes: []*txn.Change{{Table: tab, New: row}}}))).Next()
	if err != nil {
		t.Fatal(err)
	}
	d := Decoder{Zone: zone, Find: func(string, string) (*schema.Table, error) { return tab, nil }}
	got, err := d.Changes(rec.Payload)
	if err != nil || got[0].New[0].String() != "2026-11-21 19:04:05" || got[0].New[1].String() != "2026-11-22 03:04:05" {
		t.Errorf("%v, %v", got, err)
	}
}

// Every row of the file that upstream's drainer wrote decodes; rows that are not wanted are left out.
func TestDecodeUpstreamsFile(t *testing.T) {
	rows, kept := 0, 0
	d := Decoder{Find: func(s, n string) (*schema.Table, error) { return &schema.Table{Schema: s, Name: n}, nil }}
	some := Decoder{Find: d.Find, Keep: func(_, table string) bool { return table == "nopk" }}
	err := Each(upstream.BinlogFile(t), func(r Record) error {
		list, err := d.Changes(r.Payload)
		rows += len(list)
		if err == nil {
			list, err = some.Changes(r.Payload)
		}
		for _, c := range list {
			kept++
			if c.Table.Name != "nopk" {
				t.Errorf("a row of %s", c.Table)
			}
		}
		return err
	})
	if err != nil || rows < 20 || kept == 0 || kept >= rows {
		t.Errorf("%d rows, %d of them kept: %v", rows, kept, err)
	}
}
