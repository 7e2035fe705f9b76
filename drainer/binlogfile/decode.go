package binlogfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// Decoder makes changes of records. It is for one goroutine.
//
// A record has names, types and values of columns, and nothing of keys. So a table comes from whoever
// knows it, and a record's values go to its columns by name. Values of generated columns are dropped.
// ENUM, SET and BIT are numbers.
type Decoder struct {
	// Find gives the definition of a table, of which every column that a record has and it has not is
	// added. It is asked once a table until [Decoder.Forget].
	Find func(schema, table string) (*schema.Table, error)
	// Keep reports whether rows of a table are wanted; nil: all are.
	Keep func(schema, table string) bool
	// Zone is the one that timestamps in records are in. They become UTC.
	Zone *time.Location

	tables map[string]*layout
}

// layout is a table and where its columns are.
type layout struct {
	table  *schema.Table // nil: its rows are not wanted
	places map[string]int
	order  []place // of the columns in the row before
}

// place is a column as the row before had it.
type place struct {
	name   string
	tp     byte
	binary bool
	at     int
}

// Forget has tables looked up again: their definitions may have changed.
func (d *Decoder) Forget() { clear(d.tables) }

// Changes are the changes of rows in a record, in the order they were made. They share memory with the
// record's payload, which must not be changed then.
func (d *Decoder) Changes(payload []byte) (list []*txn.Change, err error) {
	err = fields(payload, func(num protowire.Number, _ uint64, b []byte) error {
		if num != 3 { // dml_data
			return nil
		}
		return fields(b, func(num protowire.Number, _ uint64, b []byte) error {
			c, err := d.event(b)
			if c != nil {
				list = append(list, c)
			}
			return err
		})
	})
	return list, err
}

// event is a row's change; nil: it is not wanted.
func (d *Decoder) event(b []byte) (*txn.Change, error) {
	var schemaName, tableName []byte
	tp := pbfile.EventType_Insert
	columns := 0
	err := fields(b, func(num protowire.Number, n uint64, b []byte) error {
		switch num {
		case 1:
			schemaName = b
		case 2:
			tableName = b
		case 3:
			tp = pbfile.EventType(n)
		case 4:
			columns++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	l, err := d.layout(string(schemaName), string(tableName))
	if err != nil || l.table == nil {
		return nil, err
	}
	c := &txn.Change{Table: l.table}
	switch tp {
	case pbfile.EventType_Insert:
		c.Op, c.New = txn.Insert, make(txn.Row, len(l.table.Columns), len(l.table.Columns)+columns)
	case pbfile.EventType_Delete:
		c.Op, c.Old = txn.Delete, make(txn.Row, len(l.table.Columns), len(l.table.Columns)+columns)
	case pbfile.EventType_Update:
		c.Op, c.New, c.Old = txn.Update, make(txn.Row, len(l.table.Columns)), make(txn.Row, len(l.table.Columns))
	default:
		return nil, fmt.Errorf("an event of the unknown type %d", tp)
	}
	if err := d.row(l, c, b); err != nil {
		return nil, fmt.Errorf("table %s: %w", l.table, err)
	}
	return c, nil
}

func (d *Decoder) row(l *layout, c *txn.Change, event []byte) error {
	i := 0
	err := fields(event, func(num protowire.Number, _ uint64, b []byte) error {
		if num != 4 {
			return nil
		}
		col, err := parseColumn(b)
		if err != nil {
			return err
		}
		p := l.find(i, &col)
		i++
		if l.table.Columns[p.at].Generated {
			return nil
		}
		if err := d.put(&c.Old, c.Op != txn.Insert, p, col.value); err != nil {
			return err
		}
		after := col.value
		if c.Op == txn.Update {
			after = col.changed
		}
		return d.put(&c.New, c.Op != txn.Delete, p, after)
	})
	c.Table = l.table // columns may have been added
	return err
}

// put puts a value into a row.
func (d *Decoder) put(row *txn.Row, wanted bool, p *place, raw []byte) error {
	if !wanted {
		return nil
	}
	v, err := d.value(p, raw)
	if err != nil {
		return fmt.Errorf("column `%s`: %w", p.name, err)
	}
	for len(*row) <= p.at {
		*row = append(*row, txn.Value{})
	}
	(*row)[p.at] = v
	return nil
}

// value makes the value of a column.
func (d *Decoder) value(p *place, raw []byte) (txn.Value, error) {
	if len(raw) > 8 && raw[0] == flagFloat {
		return txn.FloatOf(unsortable(binary.BigEndian.Uint64(raw[1:]))), nil
	}
	v, err := Value(raw)
	if err != nil {
		return txn.Value{}, err
	}
	switch v := v.(type) {
	case int64:
		return txn.IntOf(v), nil
	case uint64:
		return txn.UintOf(v), nil
	case []byte:
		switch {
		case p.tp == mysql.TypeBit && len(v) <= 8:
			return txn.UintOf(Bits(v)), nil
		case p.tp == mysql.TypeTimestamp:
			return txn.TextOf(txn.TimestampInUTC(v, d.Zone)), nil
		case p.binary:
			return txn.BytesOf(v), nil
		}
		return txn.TextOf(v), nil
	}
	return txn.Value{Kind: txn.Null}, nil
}

// layout finds a table.
func (d *Decoder) layout(schemaName, tableName string) (*layout, error) {
	id := schemaName + "\x00" + tableName
	if l := d.tables[id]; l != nil {
		return l, nil
	}
	l := &layout{}
	if d.Keep == nil || d.Keep(schemaName, tableName) {
		t, err := d.Find(schemaName, tableName)
		if err != nil {
			return nil, err
		}
		l.table, l.places = t, make(map[string]int, len(t.Columns))
		for i := range t.Columns {
			l.places[strings.ToLower(t.Columns[i].Name)] = i
		}
	}
	if d.tables == nil {
		d.tables = make(map[string]*layout)
	}
	d.tables[id] = l
	return l, nil
}

// column is a pbfile.Column.
type column struct {
	name, tp, mysqlType, value, changed []byte
}

func parseColumn(b []byte) (c column, err error) {
	err = fields(b, func(num protowire.Number, _ uint64, b []byte) error {
		switch num {
		case 1:
			c.name = b
		case 2:
			c.tp = b
		case 3:
			c.mysqlType = b
		case 4:
			c.value = b
		case 5:
			c.changed = b
		}
		return nil
	})
	return c, err
}

// find is where the column number i of a row goes.
func (l *layout) find(i int, c *column) *place {
	tp := mysql.TypeUnspecified
	if len(c.tp) == 1 {
		tp = c.tp[0]
	}
	if i < len(l.order) && l.order[i].tp == tp && l.order[i].name == string(c.name) {
		return &l.order[i]
	}
	p := place{name: string(c.name), tp: tp, binary: bytes.Contains(c.mysqlType, []byte("binary")) || bytes.HasSuffix(c.mysqlType, []byte("blob"))}
	at, ok := l.places[strings.ToLower(p.name)]
	if !ok {
		at = len(l.table.Columns)
		l.places[strings.ToLower(p.name)] = at
		more := *l.table
		col := schema.Column{Name: p.name, Public: true}
		col.Type.SetType(tp)
		more.Columns = append(slices.Clone(l.table.Columns), col)
		l.table = &more
	}
	p.at = at
	l.order = append(l.order[:min(i, len(l.order))], p)
	return &l.order[len(l.order)-1]
}

// fields calls do with every field of a message: the number of a varint, or the bytes.
func fields(b []byte, do func(num protowire.Number, n uint64, bytes []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errors.New("a message that is cut short")
		}
		b = b[n:]
		var number uint64
		var text []byte
		switch typ {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			text, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return errors.New("a message that is cut short")
		}
		b = b[n:]
		if err := do(num, number, text); err != nil {
			return err
		}
	}
	return nil
}
