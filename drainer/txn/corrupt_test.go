package txn_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// everyType has columns of the types whose bytes can be wrong in ways of their own.
const everyType = `{"id":100,"name":"t","state":5,"pk_is_handle":true,"cols":[
 {"id":1,"name":"id","offset":0,"state":5,"type":{"Tp":8,"Flag":3}},
 {"id":2,"name":"price","offset":1,"state":5,"type":{"Tp":246,"Flen":10,"Decimal":2}},
 {"id":3,"name":"at","offset":2,"state":5,"type":{"Tp":12}},
 {"id":4,"name":"doc","offset":3,"state":5,"type":{"Tp":245}},
 {"id":5,"name":"tags","offset":4,"state":5,"type":{"Tp":248,"Elems":["a"]}},
 {"id":6,"name":"name","offset":5,"state":5,"type":{"Tp":15,"Charset":"utf8mb4"}}]}`

// TestCorruptRows: the error names the table, the column and the commit TS.
func TestCorruptRows(t *testing.T) {
	tab := oracleTable(t, json.RawMessage(everyType))
	for name, c := range map[string]struct {
		op     txn.Op
		row    string
		column string
		want   string
	}{
		"no handle":            {txn.Insert, "", "", "where the row ends"},
		"no row":               {txn.Insert, "\x08\x02", "", "not there"},
		"no value":             {txn.Insert, "\x08\x02\x08\x04", "price", "where the row ends"},
		"unknown flag":         {txn.Insert, "\x08\x02\x08\x04\x63", "price", "kind of value 99"},
		"another type":         {txn.Insert, "\x08\x02\x08\x04\x08\x02", "price", "has an integer"},
		"text for a column ID": {txn.Insert, "\x08\x02\x02\x02a\x08\x02", "", "a column ID"},
		"decimal cut off":      {txn.Insert, "\x08\x02\x08\x04\x06\x0a\x02\x80", "price", "cut off"},
		"decimal of nothing":   {txn.Insert, "\x08\x02\x08\x04\x06\x00\x00", "price", "0 digits"},
		"decimal above 9":      {txn.Delete, "\x08\x04\x06\x02\x02\xff", "price", "above 9"},
		"month 12, hour 31":    {txn.Delete, "\x08\x06\x04\xff\xff\xff\xff\xff\xff\xff\xff", "at", "a time is"},
		"JSON of no type":      {txn.Delete, "\x08\x08\x0a\x02", "doc", "no type 2"},
		"JSON larger than it":  {txn.Delete, "\x08\x08\x0a\x03\x01\x00\x00\x00\xff\x00\x00\x00", "doc", "cut off"},
		"JSON in itself":       {txn.Delete, "\x08\x08\x0a\x03\x01\x00\x00\x00\x0d\x00\x00\x00\x03\x00\x00\x00\x00", "doc", "overlapping"},
		"no such member":       {txn.Delete, "\x08\x0a\x09\x02", "tags", "1 members"},
		"length beyond":        {txn.Delete, "\x08\x0c\x02\x80\x80\x80\x80\x10", "name", "cut off"},
		"no new row":           {txn.Update, "\x08\x0c\x02\x02a", "", "new row is not there"},
		"other columns":        {txn.Update, "\x08\x0c\x02\x02a\x08\x0c\x02\x02b\x08\x02\x08\x02", "id", "one of"},
		"three rows":           {txn.Update, "\x08\x0c\x02\x02a\x08\x0c\x02\x02b\x08\x0c\x02\x02c", "", "follow the new row"},
		"column twice":         {txn.Delete, "\x08\x02\x08\x02\x08\x0c\x02\x02a\x08\x0c\x02\x02b", "name", "twice"},
		"nothing and more":     {txn.Delete, "\x00\x00", "", "follow the row"},
	} {
		t.Run(name, func(t *testing.T) {
			payload, err := binlogOf(100, c.op, []byte(c.row))
			if err != nil {
				t.Fatal(err)
			}
			b, err := txn.Parse(payload)
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.Changes(func(int64) (*schema.Table, error) { return tab, nil }, time.UTC)
			var row *txn.RowError
			if !errors.As(err, &row) || !errors.Is(err, txn.ErrCorrupt) {
				t.Fatalf("%v", err)
			}
			if row.Column != c.column || row.CommitTS != 2 || row.Table != tab {
				t.Errorf("column %q at %d: %v", row.Column, row.CommitTS, err)
			}
			for _, part := range []string{"`d`.`t`", "commit TS 2", c.want} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v: nothing of %q", err, part)
				}
			}
		})
	}
}

// TestSequenceOfAnotherLength: a sequence that does not name every row would leave rows out.
func TestSequenceOfAnotherLength(t *testing.T) {
	row := []byte("\x08\x02\x08\x0c\x02\x02a")
	for inserts := range 4 {
		table := int64(100)
		m := &binlogpb.TableMutation{TableId: &table, InsertedRows: [][]byte{row, row}}
		for range inserts {
			m.Sequence = append(m.Sequence, binlogpb.MutationType_Insert)
		}
		value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{Mutations: []*binlogpb.TableMutation{m}})
		if err != nil {
			t.Fatal(err)
		}
		payload, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{StartTs: proto.Int64(1), CommitTs: proto.Int64(2), PrewriteValue: value})
		if err != nil {
			t.Fatal(err)
		}
		b, err := txn.Parse(payload)
		if err == nil {
			_, err = b.Changes(func(int64) (*schema.Table, error) { return oracleTable(t, json.RawMessage(everyType)), nil }, time.UTC)
		}
		if good := inserts == 2; good != (err == nil) || !good && !errors.Is(err, txn.ErrCorrupt) {
			t.Errorf("2 rows, %d in the sequence: %v", inserts, err)
		}
	}
}

// TestUnknownTable: the finder's error says which table ID at which commit TS.
func TestUnknownTable(t *testing.T) {
	payload, err := binlogOf(77, txn.Insert, []byte{8, 2, 0})
	if err != nil {
		t.Fatal(err)
	}
	b, err := txn.Parse(payload)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Changes(func(int64) (*schema.Table, error) { return nil, schema.ErrNoTable }, time.UTC)
	if !errors.Is(err, schema.ErrNoTable) || !strings.Contains(err.Error(), "table ID 77") {
		t.Errorf("%v", err)
	}
	if got, err := b.Changes(func(int64) (*schema.Table, error) { return nil, nil }, time.UTC); err != nil || len(got) != 0 {
		t.Errorf("rows of a dropped table: %v, %v", got, err)
	}
}
