package txn_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// TestUnknown: columns that the definition has not are found in every kind of row, wherever they
// stand.
func TestUnknown(t *testing.T) {
	tab := oracleTable(t, json.RawMessage(everyType))
	const (
		handle  = "\x08\x02"
		price   = "\x08\x04\x00"
		name    = "\x08\x0c\x02\x02a"
		seven   = "\x08\x0e\x08\x02"     // column 7
		eight   = "\x08\x10\x02\x02\x08" // column 8, whose value looks like a column ID
		rowID   = "\x08\x01\x08\x02"
		nothing = "\x00"
	)
	for _, c := range []struct {
		name string
		op   txn.Op
		row  string
		want []int64
	}{
		{"none", txn.Insert, handle + price + name, nil},
		{"inserted", txn.Insert, handle + seven + price, []int64{7}},
		{"the handle is none", txn.Insert, "\x08\x0e" + price, nil},
		{"at the end, two", txn.Delete, price + name + eight + seven, []int64{8, 7}},
		{"updated", txn.Update, price + seven + name + price + seven + name, []int64{7}},
		{"row ID", txn.Delete, price + rowID, nil},
		{"no columns", txn.Insert, handle + nothing, nil},
		{"corrupt", txn.Insert, handle + seven + "\x63", []int64{7}},
		{"empty", txn.Insert, "", nil},
	} {
		payload, err := binlogOf(100, c.op, []byte(c.row))
		if err != nil {
			t.Fatal(err)
		}
		b, err := txn.Parse(payload)
		if err != nil {
			t.Fatal(err)
		}
		var ids []int64
		err = b.Tables(func(int64) (*schema.Table, error) { return tab, nil }, func(_ *schema.Table, unknown func() []int64) error {
			ids = append(ids, unknown()...)
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !slices.Equal(ids, c.want) {
			t.Errorf("%s: %v, want %v", c.name, ids, c.want)
		}
		err = b.Tables(func(int64) (*schema.Table, error) { return nil, nil }, func(*schema.Table, func() []int64) error { return errors.New("called") })
		if err != nil {
			t.Errorf("%s: of a table that is gone: %v", c.name, err)
		}
	}
}
