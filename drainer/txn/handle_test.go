package txn_test

import (
	"encoding/json"
	"testing"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// clustered has the key (a, b(2)).
const clustered = `{"id":100,"name":"t","state":5,"is_common_handle":true,"common_handle_version":1,"cols":[
 {"id":1,"name":"a","offset":0,"state":5,"type":{"Tp":8,"Flag":3}},
 {"id":2,"name":"b","offset":1,"state":5,"type":{"Tp":15,"Flag":3,"Charset":"utf8mb4"}},
 {"id":3,"name":"c","offset":2,"state":5,"type":{"Tp":8,"Flag":0}}],
 "index_info":[{"id":1,"idx_name":"PRIMARY","is_primary":true,"is_unique":true,"state":5,
 "idx_cols":[{"name":"a","offset":0,"length":-1},{"name":"b","offset":1,"length":2}]}]}`

// TestValuesFromTheKey: an inserted row may leave out what its clustered key has. A number may have either of TiDB's
// forms, and a column of which the key has only the beginning is never taken from there.
func TestValuesFromTheKey(t *testing.T) {
	tab := oracleTable(t, json.RawMessage(clustered))
	if len(tab.HandleColumns) != 2 || !tab.HandleColumns[1].Prefix {
		t.Fatalf("the key is %+v", tab.HandleColumns)
	}
	const (
		beginning = "\x02\x04ab"
		whole     = "\x08\x04\x02\x06abc"
		c         = "\x08\x06\x08\x0e"
	)
	for name, key := range map[string]string{
		"in few bytes":   "\x08\x09",
		"in eight bytes": "\x03\x7f\xff\xff\xff\xff\xff\xff\xfb",
	} {
		payload, err := binlogOf(100, txn.Insert, []byte(key+beginning+whole+c))
		if err != nil {
			t.Fatal(err)
		}
		row := changesOf(t, tab, payload)[0].New
		if row[0].Kind != txn.Int || row[0].Int64() != -5 || string(row[1].Bytes) != "abc" || row[2].Int64() != 7 {
			t.Errorf("%s: %+v", name, row)
		}
		if payload, err = binlogOf(100, txn.Insert, []byte(key+beginning+c)); err != nil {
			t.Fatal(err)
		}
		if row := changesOf(t, tab, payload)[0].New; row[1].Kind != txn.Missing {
			t.Errorf("%s: the beginning of b is taken for b: %+v", name, row)
		}
	}
}

func changesOf(t *testing.T, tab *schema.Table, payload []byte) []*txn.Change {
	t.Helper()
	b, err := txn.Parse(payload)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := b.Changes(func(int64) (*schema.Table, error) { return tab, nil }, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}
