package message

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// ErrCorrupt says that a message is none.
var ErrCorrupt = errors.New("a message does not decode")

// Decoder makes transactions of messages. It is for one stream, from its first message on, and
// for one goroutine.
type Decoder struct {
	// Zone gives the time zone of a message's timestamps, which become UTC, of the time_zone that the message
	// names ("": none). Nil: they stay as they are.
	Zone func(name string) (*time.Location, error)

	numbered map[uint64]*table
	plain    map[string]*table // by column_info and keys: of messages without additions
	ids      map[string]int64  // of those tables
	head     []byte
}

// NewDecoder makes a decoder.
func NewDecoder() *Decoder {
	return &Decoder{numbered: make(map[uint64]*table), plain: make(map[string]*table), ids: make(map[string]int64)}
}

// table is a table of the stream.
type table struct {
	*schema.Table
	makers []maker // by column
	stamps []int   // columns that are timestamps
}

func newTable(t *schema.Table) *table {
	out := &table{Table: t}
	for i := range t.Columns {
		out.makers = append(out.makers, newMaker(&t.Columns[i]))
		if t.Columns[i].Type.GetType() == mysql.TypeTimestamp {
			out.stamps = append(out.stamps, i)
		}
	}
	return out
}

// Decode gives the transaction of a message. Errors wrap [ErrCorrupt].
func (d *Decoder) Decode(value []byte) (*sink.Txn, error) {
	b := new(pbkafka.Binlog)
	if err := proto.Unmarshal(value, b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	add, err := additions(b)
	if err != nil {
		return nil, err
	}
	t := &sink.Txn{StartTS: nodes.TSO(add.numbers[addStartTS]), CommitTS: nodes.TSO(b.GetCommitTs())}
	if b.GetType() == pbkafka.BinlogType_DDL {
		t.Query = string(b.GetDdlData().GetDdlQuery())
		t.DDL, err = ddl(b.GetDdlData())
	} else {
		var zone *time.Location
		if d.Zone != nil {
			if zone, err = d.Zone(b.GetTimeZone()); err != nil {
				return nil, corrupt("time_zone %q: %v", b.GetTimeZone(), err)
			}
		}
		err = d.changes(t, b.GetDmlData().GetTables(), zone)
	}
	if text := add.texts[addEarly]; text != nil && err == nil {
		t.Early, err = earlyStatements(text)
	}
	if err != nil {
		return nil, fmt.Errorf("the transaction with commit TS %s: %w", t.CommitTS, err)
	}
	return t, nil
}

// ddl is a DDL; without additions MySQL is taken to know the statement.
func ddl(data *pbkafka.DDLData) (*schema.DDL, error) {
	add, err := additions(data)
	if err != nil {
		return nil, err
	}
	if text := add.texts[addDDL]; text != nil {
		return writtenDDL(text)
	}
	d := &schema.DDL{Schema: data.GetSchemaName(), Table: data.GetTableName()}
	d.Job = &schema.Job{Query: string(data.GetDdlQuery()), SchemaName: d.Schema, TableName: d.Table}
	return d, nil
}

func writtenDDL(text []byte) (*schema.DDL, error) {
	d, err := schema.DecodeDDL(text)
	if err != nil {
		return nil, corrupt("the addition to a statement: %v", err)
	}
	return d, nil
}

func earlyStatements(text []byte) ([]sink.Statement, error) {
	var all []early
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, corrupt("the early statements: %v", err)
	}
	var list []sink.Statement
	for _, e := range all {
		d, err := writtenDDL(e.DDL)
		if err != nil {
			return nil, err
		}
		list = append(list, sink.Statement{DDL: d, Query: e.Query})
	}
	return list, nil
}

func (d *Decoder) changes(t *sink.Txn, tables []*pbkafka.Table, zone *time.Location) error {
	for _, m := range tables {
		tab, err := d.table(m)
		if err != nil {
			return fmt.Errorf("table `%s`.`%s`: %w", m.GetSchemaName(), m.GetTableName(), err)
		}
		for _, mut := range m.GetMutations() {
			c, err := tab.change(mut)
			if err != nil {
				return fmt.Errorf("table %s: %w", tab, err)
			}
			tab.toUTC(c.Old, zone)
			tab.toUTC(c.New, zone)
			t.Changes = append(t.Changes, c)
		}
	}
	return nil
}

// toUTC moves a row's timestamps from a zone to UTC.
func (t *table) toUTC(row txn.Row, zone *time.Location) {
	for _, i := range t.stamps {
		if i < len(row) && row[i].Kind == txn.Text {
			row[i].Bytes = txn.TimestampInUTC(row[i].Bytes, zone)
		}
	}
}

// table finds or makes the definition of a Table.
func (d *Decoder) table(m *pbkafka.Table) (*table, error) {
	add, err := additions(m)
	if err != nil {
		return nil, err
	}
	n, numbered := add.numbers[addNumber]
	if !numbered {
		return d.plainTable(m)
	}
	if text := add.texts[addDefinition]; text != nil {
		var def definition
		if err := json.Unmarshal(text, &def); err != nil {
			return nil, corrupt("its definition: %v", err)
		}
		t, err := def.check()
		if err != nil {
			return nil, err
		}
		d.numbered[n] = t
	}
	if d.numbered[n] == nil {
		return nil, corrupt("its definition %d has not been in a message before", n)
	}
	return d.numbered[n], nil
}

// check makes the table of a definition that makes sense.
func (d *definition) check() (*table, error) {
	for _, k := range d.Keys {
		for _, i := range k.Columns {
			if i < 0 || i >= len(d.Columns) {
				return nil, corrupt("key %s has a column %d, there are %d", k.Name, i, len(d.Columns))
			}
		}
	}
	return newTable(d.table()), nil
}

// change is a row's change.
func (t *table) change(m *pbkafka.TableMutation) (*txn.Change, error) {
	add, err := additions(m)
	if err != nil {
		return nil, err
	}
	c := &txn.Change{Table: t.Table, RowID: int64(add.numbers[addRowID])}
	row, err := t.row(m.GetRow(), add.texts[addMissing])
	if err != nil {
		return nil, err
	}
	switch m.GetType() {
	case pbkafka.MutationType_Insert:
		c.Op, c.New = txn.Insert, row
	case pbkafka.MutationType_Delete:
		c.Op, c.Old = txn.Delete, row
	case pbkafka.MutationType_Update:
		c.Op, c.New = txn.Update, row
		if c.Old, err = t.row(m.GetChangeRow(), add.texts[addMissingOld]); err != nil {
			return nil, err
		}
	default:
		return nil, corrupt("a mutation of type %d", m.GetType())
	}
	return c, nil
}

func (t *table) row(m *pbkafka.Row, missing []byte) (txn.Row, error) {
	columns := m.GetColumns()
	if len(columns) != len(t.Columns) {
		return nil, corrupt("a row of %d values, there are %d columns", len(columns), len(t.Columns))
	}
	row := make(txn.Row, len(columns))
	for i, c := range columns {
		if i/8 < len(missing) && missing[i/8]>>(i%8)&1 == 1 {
			continue
		}
		v, err := t.makers[i].value(c)
		if err != nil {
			return nil, corrupt("column `%s`: %v", t.Columns[i].Name, err)
		}
		row[i] = v
	}
	return row, nil
}

// added are the additions to a message, by field.
type added struct {
	numbers map[protowire.Number]uint64
	texts   map[protowire.Number][]byte
}

// additions reads the fields that the format does not have.
func additions(m proto.Message) (added, error) {
	b := m.ProtoReflect().GetUnknown()
	if len(b) == 0 {
		return added{}, nil
	}
	a := added{numbers: make(map[protowire.Number]uint64), texts: make(map[protowire.Number][]byte)}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return a, corrupt("a field: %v", protowire.ParseError(n))
		}
		b = b[n:]
		switch typ {
		case protowire.VarintType:
			a.numbers[num], n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			a.texts[num], n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return a, corrupt("field %d: %v", num, protowire.ParseError(n))
		}
		b = b[n:]
	}
	return a, nil
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}
