package txn_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// TestRowsAreChecked: what does not decode in a large transaction, be it the last row, is an error before anybody
// gets the first one.
func TestRowsAreChecked(t *testing.T) {
	tab := oracleTable(t, json.RawMessage(everyType))
	row := []byte("\x08\x02" + "\x08\x04\x06\x0a\x02\x80\x00\x01\x02\x22")
	rows := [][]byte{row, row, slices.Clip(row[:len(row)-1])}
	var mutation []byte
	for _, row := range rows {
		mutation = protowire.AppendBytes(protowire.AppendTag(mutation, 2, protowire.BytesType), row)
	}
	for range rows {
		mutation = protowire.AppendVarint(protowire.AppendTag(mutation, 7, protowire.VarintType), 0)
	}
	value := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), mutation)
	b, err := txn.Parse(protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), value))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Rows(func(int64) (*schema.Table, error) { return tab, nil }, time.UTC, func(*txn.Change) bool { return true })
	if bad := (*txn.RowError)(nil); !errors.As(err, &bad) || bad.Row != 2 {
		t.Errorf("%v, want that row 2 does not decode", err)
	}
}
