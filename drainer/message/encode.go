package message

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"
	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
)

// Encoder makes messages. It is for one goroutine. It writes them itself, inside out: building
// a tree of objects for every row first costs several times as much.
type Encoder struct {
	zone   *time.Location
	tables map[*schema.Table]*tableHead
	// numbers are those of the definitions written so far; nil: without additions.
	numbers map[*schema.Table]uint64

	dml    []byte // the tables of a DMLData
	row    []byte // of a TableMutation
	old    []byte
	column []byte
}

// NewEncoder makes an encoder. zone is that of the timestamps in rows and of defaults.
func NewEncoder(zone *time.Location) *Encoder {
	return &Encoder{zone: zone, tables: make(map[*schema.Table]*tableHead)}
}

// Complete makes the messages from now on those of a new stream, with the additions that a
// [Decoder] needs to make the same transactions of them.
func (e *Encoder) Complete() { e.numbers = make(map[*schema.Table]uint64) }

// tableHead is what of a message is the same whenever a table is in it.
type tableHead struct {
	head    []byte // names and column_info of a Table
	keys    []byte // unique_keys
	columns []columnHead
}

// columnHead is a column that is written.
type columnHead struct {
	i      int // its place in the table
	number protowire.Number
	def    []byte // the Column for a value that is not in the binlog
	// generated: def stands for it in updates, too.
	generated bool
}

// The fields of a Column.
const (
	fieldNull   = 1
	fieldInt    = 2
	fieldUint   = 3
	fieldDouble = 4
	fieldBytes  = 5
	fieldString = 6
)

// table gives a table's head. The error is of a default that makes no sense.
func (e *Encoder) table(t *schema.Table) (*tableHead, error) {
	if h := e.tables[t]; h != nil {
		return h, nil
	}
	if len(e.tables) >= schema.KeptTables {
		clear(e.tables)
	}
	h := &tableHead{}
	h.head = appendString(h.head, 1, t.Schema)
	h.head = appendString(h.head, 2, t.Name)
	for i := range t.Columns {
		c := &t.Columns[i]
		if !written(c) {
			continue
		}
		primary := mysql.HasPriKeyFlag(c.Type.GetFlag())
		info := appendString(nil, 1, c.Name)
		info = appendString(info, 2, types.TypeToStr(c.Type.GetType(), c.Type.GetCharset()))
		info = appendVarint(info, 3, protowire.EncodeBool(primary))
		info = appendVarint(info, 4, uint64(int64(c.Type.GetFlen())))
		info = appendVarint(info, 5, uint64(int64(c.Type.GetDecimal())))
		h.head = appendBytes(h.head, 3, info)
		col := columnHead{i: i, number: fieldOf(c), generated: c.Generated}
		def := txn.Value{Kind: txn.Null}
		if !c.Generated {
			var err error
			if def, err = txn.Default(c, e.zone); err != nil {
				return nil, fmt.Errorf("table %s: %w", t, err)
			}
		}
		col.def = e.appendColumn(nil, &col, def)
		h.columns = append(h.columns, col)
	}
	for i := range t.Keys {
		h.keys = appendKey(h.keys, t, &t.Keys[i])
	}
	e.tables[t] = h
	return h, nil
}

// written reports whether a column is in messages.
func written(c *schema.Column) bool { return c.Public }

// appendKey appends a key, unless it has columns that are not in messages.
func appendKey(b []byte, t *schema.Table, k *schema.Key) []byte {
	key := appendString(nil, 1, k.Name)
	for _, i := range k.Columns {
		if !written(&t.Columns[i]) {
			return b
		}
		key = appendString(key, 2, t.Columns[i].Name)
	}
	return appendBytes(b, 5, key)
}

// fieldOf is the field of a Column that a column's values are in.
func fieldOf(c *schema.Column) protowire.Number {
	switch c.Type.GetType() {
	case mysql.TypeTiny, mysql.TypeShort, mysql.TypeInt24, mysql.TypeLong, mysql.TypeLonglong:
		if c.Unsigned() {
			return fieldUint
		}
		return fieldInt
	case mysql.TypeEnum, mysql.TypeSet:
		return fieldUint
	case mysql.TypeFloat, mysql.TypeDouble:
		return fieldDouble
	case mysql.TypeBit, mysql.TypeJSON:
		return fieldBytes
	case mysql.TypeVarchar, mysql.TypeString, mysql.TypeVarString,
		mysql.TypeTinyBlob, mysql.TypeBlob, mysql.TypeMediumBlob, mysql.TypeLongBlob:
		if c.Type.GetCharset() == charset.CharsetBin {
			return fieldBytes
		}
	}
	return fieldString
}

// Encode gives the message of a transaction. Its early statements are an addition: without
// additions they have to go in messages of their own ([sink.Txn.Records]). The error is of a table whose definition is nonsense.
func (e *Encoder) Encode(t *sink.Txn) ([]byte, error) {
	if t.Large != nil {
		return e.encodeLarge(t)
	}
	head := make([]byte, 0, 32)
	var field protowire.Number
	if t.DDL != nil {
		head = appendVarint(head, 1, uint64(pbkafka.BinlogType_DDL))
		ddl, err := e.appendDDL(e.dml[:0], t)
		if err != nil {
			return nil, err
		}
		field, e.dml = 4, ddl
	} else {
		head = appendVarint(head, 1, uint64(pbkafka.BinlogType_DML))
		field = 3
		if err := e.encodeTables(t.Changes); err != nil {
			return nil, err
		}
	}
	head = appendVarint(head, 2, uint64(t.CommitTS))
	tail, err := e.appendTail(nil, t)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(head)+len(e.dml)+len(tail)+12)
	b = append(b, head...)
	b = appendBytes(b, field, e.dml)
	e.shrink()
	return append(b, tail...), nil
}

// encodeLarge makes the message in a buffer of its size: to let one grow would take the memory twice.
func (e *Encoder) encodeLarge(t *sink.Txn) ([]byte, error) {
	m, err := e.Large(t)
	if err != nil {
		return nil, err
	}
	return m.Bytes()
}

// appendTail appends what comes after the tables or the statement.
func (e *Encoder) appendTail(b []byte, t *sink.Txn) ([]byte, error) {
	b = appendString(b, 5, e.zoneName(t))
	if e.numbers == nil {
		return b, nil
	}
	b = appendVarint(b, addStartTS, uint64(t.StartTS))
	if len(t.Early) == 0 {
		return b, nil
	}
	list, err := marshalEarly(t.Early)
	if err != nil {
		return nil, err
	}
	return appendBytes(b, addEarly, list), nil
}

// appendDDL appends a DDLData. Its table is named as it is after the statement.
func (e *Encoder) appendDDL(b []byte, t *sink.Txn) ([]byte, error) {
	table := t.DDL.Table
	if t.DDL.After != nil {
		table = t.DDL.After.Name
	}
	b = appendString(b, 1, t.DDL.Schema)
	b = appendString(b, 2, table)
	b = appendString(b, 3, t.Query)
	if e.numbers == nil {
		return b, nil
	}
	ddl, err := t.DDL.Encode()
	if err != nil {
		return nil, err
	}
	return appendBytes(b, addDDL, ddl), nil
}

// zoneName is a name that means something elsewhere: where the zone has none, its offset at the commit.
func (e *Encoder) zoneName(t *sink.Txn) string {
	if name := e.zone.String(); name != "Local" && name != "" && name[0] != '/' {
		return name
	}
	return t.CommitTS.Time().In(e.zone).Format("-07:00")
}

// keepBytes is how large a buffer may be to be used again: a giant transaction is rare.
const keepBytes = 4 << 20

func (e *Encoder) shrink() {
	for _, buf := range []*[]byte{&e.dml, &e.row, &e.old, &e.column} {
		if cap(*buf) > keepBytes {
			*buf = nil
		}
	}
}

// encodeTables fills e.dml: a Table for every run of changes of the same one.
func (e *Encoder) encodeTables(changes []*txn.Change) error {
	e.dml = e.dml[:0]
	for len(changes) > 0 {
		t := changes[0].Table
		h, err := e.table(t)
		if err != nil {
			return err
		}
		start := len(e.dml)
		for len(changes) > 0 && changes[0].Table == t {
			e.mutation(h, changes[0])
			changes = changes[1:]
		}
		e.dml = append(append(e.dml, h.keys...), e.addition(t)...)
		// What comes first is put before it now that the size is known: a giant transaction
		// must not be in two buffers.
		head := protowire.AppendTag(e.row[:0], 1, protowire.BytesType)
		head = protowire.AppendVarint(head, uint64(len(h.head)+len(e.dml)-start))
		e.row = append(head, h.head...)
		e.dml = slices.Insert(e.dml, start, e.row...)
	}
	return nil
}

// mutation appends a row's change to a Table.
func (e *Encoder) mutation(h *tableHead, c *txn.Change) {
	tp := pbkafka.MutationType_Insert
	row := c.New
	e.old = e.old[:0]
	switch c.Op {
	case txn.Update:
		tp = pbkafka.MutationType_Update
		e.old = e.appendRow(e.old, h, c.Old, true)
	case txn.Delete:
		tp, row = pbkafka.MutationType_Delete, c.Old
	}
	e.row = e.appendRow(e.row[:0], h, row, c.Op == txn.Update)
	addition := e.rowAddition(h, c, row)
	size := 2 + sizeBytes(len(e.row)) + len(addition) // the type and its tag are a byte each
	if c.Op == txn.Update {
		size += sizeBytes(len(e.old))
	}
	e.dml = protowire.AppendTag(e.dml, 4, protowire.BytesType)
	e.dml = protowire.AppendVarint(e.dml, uint64(size))
	e.dml = appendVarint(e.dml, 1, uint64(tp))
	e.dml = appendBytes(e.dml, 2, e.row)
	if c.Op == txn.Update {
		e.dml = appendBytes(e.dml, 3, e.old)
	}
	e.dml = append(e.dml, addition...)
}

// appendRow appends the columns of a Row. Upstream's drainers write no generated values in updates; a
// stream that is to be decoded again has them.
func (e *Encoder) appendRow(b []byte, h *tableHead, row txn.Row, update bool) []byte {
	for i := range h.columns {
		col := &h.columns[i]
		if v := row[col.i]; v.Kind == txn.Missing || update && col.generated && e.numbers == nil {
			b = append(b, col.def...)
		} else {
			b = e.appendColumn(b, col, v)
		}
	}
	return b
}

// appendColumn appends a value as an entry of a Row's columns.
func (e *Encoder) appendColumn(b []byte, col *columnHead, v txn.Value) []byte {
	c := e.column[:0]
	switch {
	case v.Kind == txn.Null:
		c = appendVarint(c, fieldNull, 1)
	case col.number == fieldInt:
		c = appendVarint(c, fieldInt, uint64(v.Int64()))
	case col.number == fieldUint:
		c = appendVarint(c, fieldUint, v.Uint64())
	case col.number == fieldDouble:
		c = protowire.AppendTag(c, fieldDouble, protowire.Fixed64Type)
		c = protowire.AppendFixed64(c, math.Float64bits(v.Float()))
	case v.Kind == txn.Int: // a year
		c = appendString(c, fieldString, v.String())
	default:
		c = appendBytes(c, col.number, v.Bytes)
	}
	e.column = c
	return appendBytes(b, 1, c)
}

// sizeBytes is the size of a field of n bytes whose tag is one byte.
func sizeBytes(n int) int { return 1 + protowire.SizeBytes(n) }

func appendVarint(b []byte, num protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), n)
}

func appendString(b []byte, num protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}
