package binlogfile

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/pingcap/tidb/pkg/parser/types"
	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
)

const (
	magic       = 471532804
	headerSize  = 12
	trailerSize = 4
)

// Encoder makes records. It writes the messages itself, inside out: building them first
// would cost several times as much as everything else here.
type Encoder struct {
	tables map[*schema.Table]*tableHead
	events []byte // the events of a DMLData
	row    []byte // the columns of an event
	value  []byte
}

// NewEncoder makes an encoder, for one goroutine.
func NewEncoder() *Encoder { return &Encoder{tables: make(map[*schema.Table]*tableHead)} }

// tableHead is what of the messages is the same for every row of a table.
type tableHead struct {
	names   []byte       // schema_name and table_name of an Event
	columns []columnHead // those that are written
}

type columnHead struct {
	i         int    // its place in the table
	head      []byte // name, tp and mysql_type of a Column
	generated bool
}

func (e *Encoder) table(t *schema.Table) *tableHead {
	h := e.tables[t]
	if h != nil {
		return h
	}
	if len(e.tables) >= schema.KeptTables {
		clear(e.tables)
	}
	h = &tableHead{}
	h.names = appendString(h.names, 1, t.Schema)
	h.names = appendString(h.names, 2, t.Name)
	for i := range t.Columns {
		c := &t.Columns[i]
		if !c.Public {
			continue
		}
		tp := c.Type.GetType()
		head := appendString(nil, 1, c.Name)
		head = appendString(head, 2, string([]byte{tp}))
		head = appendString(head, 3, types.TypeToStr(tp, c.Type.GetCharset()))
		h.columns = append(h.columns, columnHead{i, head, c.Generated})
	}
	e.tables[t] = h
	return h
}

// Append appends the record of a transaction, which is not a large one ([sink.Txn].Large): see [Encoder.Write].
func (e *Encoder) Append(b []byte, t *sink.Txn) []byte {
	start := len(b)
	b = append(b, make([]byte, headerSize)...)
	if t.DDL != nil {
		b = appendVarint(b, 1, uint64(pbfile.BinlogType_DDL))
		b = appendVarint(b, 2, uint64(t.CommitTS))
		b = appendString(b, 4, Statement(t))
	} else {
		e.events = e.events[:0]
		for _, c := range t.Changes {
			e.event(c)
		}
		b = appendVarint(b, 1, uint64(pbfile.BinlogType_DML))
		b = appendVarint(b, 2, uint64(t.CommitTS))
		b = protowire.AppendTag(b, 3, protowire.BytesType)
		b = protowire.AppendBytes(b, e.events)
	}
	head, sum := Frame(b[start+headerSize:])
	copy(b[start:], head[:])
	e.shrink()
	return append(b, sum[:]...)
}

// Frame gives what stands before and after a payload in a record.
func Frame(payload []byte) (head [headerSize]byte, sum [trailerSize]byte) {
	binary.LittleEndian.PutUint32(head[:], magic)
	binary.LittleEndian.PutUint64(head[4:], uint64(len(payload)))
	binary.LittleEndian.PutUint32(sum[:], crc32.Checksum(payload, castagnoli))
	return head, sum
}

// keepBytes is how large a buffer may be to be used again: a giant transaction is rare.
const keepBytes = 4 << 20

func (e *Encoder) shrink() {
	for _, buf := range []*[]byte{&e.events, &e.row, &e.value} {
		if cap(*buf) > keepBytes {
			*buf = nil
		}
	}
}

// Statement is the text of a DDL in its record: with its database, unless it makes that itself.
func Statement(t *sink.Txn) string {
	if t.DDL.Schema == "" || t.DDL.Job != nil && t.DDL.Job.Type == schema.ActionCreateSchema {
		return t.Query + ";"
	}
	return "use " + schema.QuoteName(t.DDL.Schema) + "; " + t.Query + ";"
}

// event appends a row's change to the events.
func (e *Encoder) event(c *txn.Change) {
	h := e.table(c.Table)
	e.row = e.row[:0]
	tp := pbfile.EventType_Insert
	value, changed := c.New, txn.Row(nil)
	switch c.Op {
	case txn.Update:
		tp, value, changed = pbfile.EventType_Update, c.Old, c.New
	case txn.Delete:
		tp, value = pbfile.EventType_Delete, c.Old
	}
	for i := range h.columns {
		col := &h.columns[i]
		missing := value[col.i].Kind == txn.Missing || changed != nil && changed[col.i].Kind == txn.Missing
		if col.generated && changed != nil || missing && !col.generated {
			continue
		}
		e.value = appendField(e.value[:0], 4, value[col.i])
		if changed != nil {
			e.value = appendField(e.value, 5, changed[col.i])
		}
		e.row = protowire.AppendTag(e.row, 4, protowire.BytesType)
		e.row = protowire.AppendVarint(e.row, uint64(len(col.head)+len(e.value)))
		e.row = append(e.row, col.head...)
		e.row = append(e.row, e.value...)
	}
	e.events = protowire.AppendTag(e.events, 1, protowire.BytesType)
	e.events = protowire.AppendVarint(e.events, uint64(len(h.names)+2+len(e.row)))
	e.events = append(e.events, h.names...)
	e.events = appendVarint(e.events, 3, uint64(tp)) // tp is one byte, and so is its tag
	e.events = append(e.events, e.row...)
}

// appendField appends a value as a field of bytes.
func appendField(b []byte, num protowire.Number, v txn.Value) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	switch v.Kind {
	case txn.Int, txn.Uint, txn.Float32, txn.Float64, txn.Enum, txn.Set, txn.Bit, txn.Null, txn.Missing:
		at := len(b)
		b = appendValue(append(b, 0), v)
		b[at] = byte(len(b) - at - 1) // at most 11
		return b
	}
	n := 1 + protowire.SizeVarint(protowire.EncodeZigZag(int64(len(v.Bytes)))) + len(v.Bytes)
	return appendValue(protowire.AppendVarint(b, uint64(n)), v)
}

// The flags of codec.EncodeValue that are written.
const (
	flagNull    = 0
	flagBytes   = 2
	flagFloat   = 5
	flagVarint  = 8
	flagUvarint = 9
)

// appendValue appends a value in the form of TiDB's codec.EncodeValue.
func appendValue(b []byte, v txn.Value) []byte {
	switch v.Kind {
	case txn.Null, txn.Missing:
		return append(b, flagNull)
	case txn.Int:
		return protowire.AppendVarint(append(b, flagVarint), protowire.EncodeZigZag(v.Int64()))
	case txn.Uint, txn.Enum, txn.Set, txn.Bit:
		return protowire.AppendVarint(append(b, flagUvarint), v.Uint64())
	case txn.Float32, txn.Float64:
		return binary.BigEndian.AppendUint64(append(b, flagFloat), sortable(v.Float()))
	}
	b = protowire.AppendVarint(append(b, flagBytes), protowire.EncodeZigZag(int64(len(v.Bytes))))
	return append(b, v.Bytes...)
}

// sortable is a float as a number that sorts like it.
func sortable(f float64) uint64 {
	u := math.Float64bits(f)
	if f >= 0 {
		return u | 1<<63
	}
	return ^u
}

func unsortable(u uint64) float64 {
	if u&(1<<63) != 0 {
		return math.Float64frombits(u &^ (1 << 63))
	}
	return math.Float64frombits(^u)
}

func appendVarint(b []byte, num protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), n)
}

func appendString(b []byte, num protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}
