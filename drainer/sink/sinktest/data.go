package sinktest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/binlogpb"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// CreateTable are the statements for the table of [Table].
const CreateTable = "CREATE DATABASE sinktest; CREATE TABLE sinktest.t (id BIGINT PRIMARY KEY, name VARCHAR(64), n BIGINT)"

// Table is the table that [Insert] writes to, as the upstream defines it.
func Table() *schema.Table { return table }

var table = &schema.Table{
	ID: 100, Schema: "sinktest", Name: "t",
	Columns: []schema.Column{
		Column("id", mysql.TypeLonglong, mysql.NotNullFlag|mysql.PriKeyFlag),
		Column("name", mysql.TypeVarchar, 0),
		Column("n", mysql.TypeLonglong, 0),
	},
	Handle:        schema.IntHandle,
	HandleColumns: []schema.HandleColumn{{Column: 0}},
	Keys:          []schema.Key{{Name: "PRIMARY", Primary: true, Columns: []int{0}}},
}

// Column is a public column; flags are mysql's. With mysql.BinaryFlag it has bytes, else
// UTF-8 text.
func Column(name string, tp byte, flags uint) schema.Column {
	ft := types.NewFieldType(tp)
	ft.SetFlag(flags)
	ft.SetCharset(charset.CharsetUTF8MB4)
	if flags&mysql.BinaryFlag != 0 {
		ft.SetCharset(charset.CharsetBin)
	}
	return schema.Column{ID: 1, Name: name, Type: *ft, Public: true}
}

// Value is text as the value of a column; it panics when it is none.
func Value(c schema.Column, text string) txn.Value {
	c.Default, c.OriginDefault = text, nil
	v, err := txn.Default(&c, time.UTC)
	if err != nil {
		panic(fmt.Sprintf("column %s: %v", c.Name, err))
	}
	return v
}

// Null is NULL.
func Null() txn.Value { return txn.Value{Kind: txn.Null} }

// Insert is a transaction that inserts the row (ts, 'name <ts>', ts/2).
func Insert(ts nodes.TSO) *sink.Txn {
	row := txn.Row{
		Value(table.Columns[0], ts.String()),
		Value(table.Columns[1], "name "+ts.String()),
		Value(table.Columns[2], (ts / 2).String()),
	}
	return &sink.Txn{StartTS: ts - 1, CommitTS: ts, Changes: []*txn.Change{{Table: table, Op: txn.Insert, New: row}}}
}

// Large is a transaction that inserts rows like those of [Insert], as a large one is handed over.
func Large(ts nodes.TSO, ids ...int64) *sink.Txn {
	numbered := *table
	numbered.Columns = slices.Clone(table.Columns)
	for i := range numbered.Columns {
		numbered.Columns[i].ID = int64(i + 1)
	}
	number := func(b []byte, n int64) []byte { return binary.AppendVarint(append(b, 8), n) }
	m := &binlogpb.TableMutation{TableId: &numbered.ID}
	for _, id := range ids {
		name := fmt.Sprint("name ", id)
		row := append(binary.AppendVarint(append(number(number(nil, id), 2), 2), int64(len(name))), name...)
		m.InsertedRows = append(m.InsertedRows, number(number(row, 3), id/2))
		m.Sequence = append(m.Sequence, binlogpb.MutationType_Insert)
	}
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{Mutations: []*binlogpb.TableMutation{m}})
	if err != nil {
		panic(err)
	}
	payload, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{StartTs: new(int64(ts - 1)), CommitTs: new(int64(ts)), PrewriteValue: value})
	if err != nil {
		panic(err)
	}
	b, err := txn.Parse(payload)
	if err != nil {
		panic(err)
	}
	rows, err := b.Rows(func(int64) (*schema.Table, error) { return &numbered, nil }, time.UTC, func(*txn.Change) bool { return true })
	if err != nil {
		panic(err)
	}
	return &sink.Txn{StartTS: ts - 1, CommitTS: ts, Large: rows}
}
