package txn

import (
	"errors"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/binlogpb"
	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// Binlog is a committed transaction as a pump delivers it: its head, and its rows still encoded.
type Binlog struct {
	StartTS  nodes.TSO
	CommitTS nodes.TSO
	// Of a DDL binlog.
	DDLJobID int64 // 0: no DDL
	DDLState schema.State
	DDLQuery []byte
	// Of one with rows.
	SchemaVersion int64 // at the start of the transaction's statement
	mutations     []mutation
	bytes         int // of the payload
}

// mutation are the rows of one table.
type mutation struct {
	table int64
	body  []byte // a marshalled binlogpb.TableMutation
}

// Op is what happened to a row.
type Op uint8

// The operations.
const (
	Insert Op = iota
	Update
	Delete
)

func (op Op) String() string { return [...]string{"inserted row", "updated row", "deleted row"}[op] }

// Change is the change of one row.
type Change struct {
	Table *schema.Table
	Op    Op
	// Old is the row before (Update, Delete), New the one after (Insert, Update).
	Old, New Row
	// RowID is the row's hidden number in a table without a handle of its own columns: it stays
	// the same as long as the row is there. Else 0.
	RowID int64
}

// Bytes is how large the marshalled binlog is.
func (b *Binlog) Bytes() int { return b.bytes }

// DDL reports whether it is a DDL binlog.
func (b *Binlog) DDL() bool { return b.DDLJobID != 0 }

// Parse reads the head of a marshalled binlogpb.Binlog with a prewrite value or a DDL statement
// and a commit TS. What it gives keeps parts of payload. ErrCorrupt.
func Parse(payload []byte) (*Binlog, error) {
	b := &Binlog{bytes: len(payload)}
	var value []byte
	err := fields(payload, func(num protowire.Number, n uint64, bytes []byte) error {
		switch num {
		case 2:
			b.StartTS = nodes.TSO(n)
		case 3:
			b.CommitTS = nodes.TSO(n)
		case 5:
			value = bytes
		case 6:
			b.DDLQuery = bytes
		case 7:
			b.DDLJobID = int64(n)
		case 8:
			b.DDLState = schema.State(n)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, b.parseValue(value)
}

// parseValue reads the head of a PrewriteValue.
func (b *Binlog) parseValue(value []byte) error {
	return fields(value, func(num protowire.Number, n uint64, body []byte) error {
		switch num {
		case 1:
			b.SchemaVersion = int64(n)
		case 2:
			m := mutation{body: body}
			err := fields(body, func(num protowire.Number, n uint64, _ []byte) error {
				if num == 1 {
					m.table = int64(n)
					return errStop
				}
				return nil
			})
			if err != nil && !errors.Is(err, errStop) {
				return err
			}
			b.mutations = append(b.mutations, m)
		}
		return nil
	})
}

// Finder gives the definition of a table, nil for one whose rows are to be dropped.
type Finder func(tableID int64) (*schema.Table, error)

// Each calls do with every change: table by table, as TiDB has them, and within a table in the
// order they were made. Timestamps are printed in zone. A row that does not decode is a *RowError.
// The change is do's own, but for the bytes it shares with the binlog.
func (b *Binlog) Each(find Finder, zone *time.Location, do func(*Change) error) error {
	d := &decoder{zone: zone}
	for _, m := range b.mutations {
		t, err := find(m.table)
		if err != nil {
			return &RowError{CommitTS: b.CommitTS, TableID: m.table, Err: err}
		}
		if t == nil {
			continue
		}
		rows, err := parseRows(m.body)
		if err != nil {
			return &RowError{CommitTS: b.CommitTS, TableID: m.table, Table: t, Err: err}
		}
		if err := b.eachRow(d, t, m.table, rows, do); err != nil {
			return err
		}
	}
	return nil
}

func (b *Binlog) eachRow(d *decoder, t *schema.Table, id int64, rows *rowLists, do func(*Change) error) error {
	for i := range rows.rows {
		op, body, err := rows.take()
		c := &Change{Table: t, Op: op}
		if err == nil {
			switch op {
			case Insert:
				c.New, c.RowID, err = d.insert(t, body)
			case Update:
				c.Old, c.New, c.RowID, err = d.update(t, body)
			case Delete:
				c.Old, c.RowID, err = d.delete(t, body)
			}
		}
		if err != nil {
			e := &RowError{CommitTS: b.CommitTS, TableID: id, Table: t, Op: op, Row: i, Err: err}
			if c := (*columnError)(nil); errors.As(err, &c) {
				e.Column, e.Err = c.column, c.err
			}
			return e
		}
		if err := do(c); err != nil {
			return err
		}
	}
	return nil
}

// Changes are all changes at once.
func (b *Binlog) Changes(find Finder, zone *time.Location) ([]*Change, error) {
	var list []*Change
	err := b.Each(find, zone, func(c *Change) error {
		list = append(list, c)
		return nil
	})
	return list, err
}

// rowLists are the rows of a mutation: three lists, and in which order to take from them. They are
// read from the message row by row: a transaction may have millions.
type rowLists struct {
	rows     int
	sequence cursor
	lists    [3]cursor // by Op
}

// rowFields are the numbers of the lists' fields, by Op.
var rowFields = [...]protowire.Number{Insert: 2, Update: 3, Delete: 6}

const sequenceField = 7

// take is the next row, in the order they were made.
func (r *rowLists) take() (Op, []byte, error) {
	kind, _, ok := r.sequence.next()
	if !ok {
		return 0, nil, corrupt("the sequence is cut off")
	}
	op, err := opOf(kind)
	if err != nil {
		return 0, nil, err
	}
	_, row, ok := r.lists[op].next()
	if !ok {
		return op, nil, corrupt("it is in the sequence and not there")
	}
	return op, row, nil
}

// opOf is what a number of the sequence means.
func opOf(n uint64) (Op, error) {
	switch binlogpb.MutationType(n) {
	case binlogpb.MutationType_Insert:
		return Insert, nil
	case binlogpb.MutationType_Update:
		return Update, nil
	case binlogpb.MutationType_DeleteRow:
		return Delete, nil
	}
	return 0, corrupt("there is a change of the kind %d, which TiDB has not written since 1.0", n)
}

// cursor goes through the fields of a message that have one number. The message is known to be whole.
type cursor struct {
	num    protowire.Number
	msg    []byte // the rest
	packed []byte // the rest of a packed field of numbers
}

// next is the next one: a number, or bytes.
func (c *cursor) next() (n uint64, bytes []byte, ok bool) {
	for {
		if len(c.packed) > 0 {
			n, size := protowire.ConsumeVarint(c.packed)
			c.packed = c.packed[max(size, 0):]
			return n, nil, size > 0
		}
		if len(c.msg) == 0 {
			return 0, nil, false
		}
		num, typ, size := protowire.ConsumeTag(c.msg)
		if size < 0 {
			return 0, nil, false
		}
		value := c.msg[size:]
		if size = protowire.ConsumeFieldValue(num, typ, value); size < 0 {
			return 0, nil, false
		}
		c.msg = value[size:]
		switch {
		case num != c.num:
		case typ == protowire.VarintType:
			n, _ := protowire.ConsumeVarint(value)
			return n, nil, true
		case typ == protowire.BytesType:
			bytes, _ := protowire.ConsumeBytes(value)
			if num != sequenceField {
				return 0, bytes, true
			}
			c.packed = bytes
		}
	}
}

// parseRows checks a TableMutation, and that its sequence is as long as its lists are together.
func parseRows(body []byte) (*rowLists, error) {
	r := &rowLists{sequence: cursor{num: sequenceField, msg: body}}
	for op, num := range rowFields {
		r.lists[op] = cursor{num: num, msg: body}
	}
	rows := 0
	err := fields(body, func(num protowire.Number, n uint64, row []byte) error {
		switch num {
		case 2, 3, 6:
			rows++
		case 4, 5:
			return corrupt("rows are deleted by key only, as TiDB has not done since 1.0")
		case sequenceField:
			if row == nil {
				r.rows++
				_, err := opOf(n)
				return err
			}
			for len(row) > 0 { // packed
				n, size := protowire.ConsumeVarint(row)
				if size < 0 {
					return corrupt("the sequence is cut off")
				}
				if _, err := opOf(n); err != nil {
					return err
				}
				r.rows++
				row = row[size:]
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if rows != r.rows {
		return nil, corrupt("%d rows are there, %d in the sequence", rows, r.rows)
	}
	return r, nil
}

// errStop ends fields early.
var errStop = errors.New("stop")

// fields calls each with the fields of a message: n for a number, bytes (not nil) for bytes.
func fields(msg []byte, each func(num protowire.Number, n uint64, bytes []byte) error) error {
	for len(msg) > 0 {
		num, typ, size := protowire.ConsumeTag(msg)
		if size < 0 {
			return corrupt("%v", protowire.ParseError(size))
		}
		msg = msg[size:]
		var n uint64
		var bytes []byte
		switch typ {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(msg)
		case protowire.BytesType:
			if bytes, size = protowire.ConsumeBytes(msg); bytes == nil {
				bytes = []byte{}
			}
		default:
			if size = protowire.ConsumeFieldValue(num, typ, msg); size >= 0 {
				msg = msg[size:]
				continue
			}
		}
		if size < 0 {
			return corrupt("%v", protowire.ParseError(size))
		}
		msg = msg[size:]
		if err := each(num, n, bytes); err != nil {
			return err
		}
	}
	return nil
}
