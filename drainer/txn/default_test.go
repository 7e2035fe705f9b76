package txn_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// TestDefault: what a sink gets for a column that a row does not have.
func TestDefault(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	const notNull, unsigned = 1, 32
	for _, c := range []struct {
		tp, flag int
		more     string // of the type
		column   string // of the column
		want     string
	}{
		{3, 0, "", `"default":"5"`, "5"},
		{3, 0, "", `"default":"5","origin_default":"4"`, "4"},
		{3, 0, "", `"default":null`, "NULL"},
		{3, notNull, "", `"default":null`, "0"},
		{8, notNull | unsigned, "", `"origin_default":"18446744073709551615"`, "18446744073709551615"},
		{3, 0, "", `"default":7`, "7"}, // a JSON number
		{4, 0, "", `"default":"0.1"`, "0.1"},
		{246, notNull, `,"Flen":10,"Decimal":3`, `"default":null`, "0.000"},
		{246, 0, `,"Flen":10,"Decimal":3`, `"default":"1.500"`, "1.500"},
		{247, 0, `,"Elems":["x","y"]`, `"default":"Y"`, "y"},
		{247, notNull, `,"Elems":["x","y"]`, `"default":null`, "x"},
		{248, 0, `,"Elems":["a","b","c"]`, `"default":"c,a"`, "a,c"},
		{16, 0, `,"Flen":9`, `"default":"\u0001\u0002","default_bit":"AQI="`, "\x01\x02"},
		{7, 0, "", `"origin_default":"2020-02-02 02:02:02"`, "2020-02-02 04:02:02"},
		{7, notNull, `,"Decimal":3`, `"default":"CURRENT_TIMESTAMP"`, "0000-00-00 00:00:00.000"},
		{7, 0, "", `"default":"0000-00-00 00:00:00"`, "0000-00-00 00:00:00"},
		{12, 0, "", `"default":"2020-02-02 02:02:02"`, "2020-02-02 02:02:02"},
		{11, notNull, `,"Decimal":1`, `"default":null`, "00:00:00.0"},
		{15, notNull, `,"Charset":"utf8mb4"`, `"default":null`, ""},
		{15, 0, `,"Charset":"utf8mb4"`, `"default":"uuid()","default_is_expr":true`, "NULL"},
		{245, notNull, "", `"default":null`, "null"},
	} {
		info := fmt.Sprintf(`{"id":100,"name":"t","state":5,"cols":[{"id":1,"name":"c","state":5,"type":{"Tp":%d,"Flag":%d%s},%s}]}`, c.tp, c.flag, c.more, c.column)
		tab := oracleTable(t, json.RawMessage(info))
		got, err := txn.Default(&tab.Columns[0], zone)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: %q, %v; want %q", info, got, err, c.want)
		}
	}
	tab := oracleTable(t, json.RawMessage(`{"id":100,"name":"t","state":5,"cols":[{"id":1,"name":"c","state":5,"type":{"Tp":3},"default":"five"}]}`))
	if _, err := txn.Default(&tab.Columns[0], zone); err == nil {
		t.Error("a number that is none is taken")
	}
}

// TestLeftOut: a NULL that an inserted row leaves out is one, whatever the column's default is by
// now; what else is left out is missing. The rows of other changes have their NULLs, so whatever
// they leave out is missing.
func TestLeftOut(t *testing.T) {
	const notNull = 1
	for _, c := range []struct {
		name   string
		state  int
		flag   int
		column string
		want   txn.Kind // of the inserted row
	}{
		{"without a default", 5, 0, `"default":null`, txn.Null},
		{"with a default since", 5, 0, `"default":"5"`, txn.Null},
		{"with a default that is computed", 5, 0, `"default":"uuid()","default_is_expr":true`, txn.Null},
		{"with the default of rows older than it", 5, 0, `"default":null,"origin_default":"4"`, txn.Missing},
		{"NOT NULL", 5, notNull, `"default":"5"`, txn.Missing},
		{"stored", 5, 0, `"generated_expr_string":"1","generated_stored":true`, txn.Null},
		{"virtual", 5, 0, `"generated_expr_string":"1"`, txn.Missing},
		{"being dropped", 3, 0, `"default":null`, txn.Missing},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab := oracleTable(t, json.RawMessage(fmt.Sprintf(`{"id":100,"name":"t","state":5,"pk_is_handle":true,"cols":[
				{"id":1,"name":"id","offset":0,"state":5,"type":{"Tp":8,"Flag":3}},
				{"id":2,"name":"c","offset":1,"state":%d,"type":{"Tp":3,"Flag":%d},%s}]}`, c.state, c.flag, c.column)))
			const handle, id = "\x08\x02", "\x08\x02\x08\x02"
			for _, row := range []struct {
				op       txn.Op
				bytes    string
				old, new txn.Kind
			}{
				{txn.Insert, handle + "\x00", txn.Missing, c.want},
				{txn.Update, id + id, txn.Missing, txn.Missing},
				{txn.Delete, id, txn.Missing, txn.Missing},
			} {
				payload, err := binlogOf(100, row.op, []byte(row.bytes))
				if err != nil {
					t.Fatal(err)
				}
				b, err := txn.Parse(payload)
				if err != nil {
					t.Fatal(err)
				}
				changes, err := b.Changes(func(int64) (*schema.Table, error) { return tab, nil }, time.UTC)
				if err != nil {
					t.Fatal(err)
				}
				if old := changes[0].Old; old != nil && old[1].Kind != row.old {
					t.Errorf("%v, old row: %v, want %v", row.op, old[1].Kind, row.old)
				}
				if new := changes[0].New; new != nil && new[1].Kind != row.new {
					t.Errorf("%v, new row: %v, want %v", row.op, new[1].Kind, row.new)
				}
			}
		})
	}
}
