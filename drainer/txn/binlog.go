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

// DDL tells whether it is a DDL binlog.
func (b *Binlog) DDL() bool { return b.DDLJobID != 0 }

// Parse reads the head of a marshalled binlogpb.Binlog with a prewrite value or a DDL statement
// and a commit TS. What it gives keeps parts of payload. ErrCorrupt.
func Parse(payload []byte) (*Binlog, error) {
	b := new(Binlog)
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

// TableIDs are the tables that have rows in the binlog.
func (b *Binlog) TableIDs() []int64 {
	ids := make([]int64, len(b.mutations))
	for i, m := range b.mutations {
		ids[i] = m.table
	}
	return ids
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
	for i, op := range rows.sequence {
		c := &Change{Table: t, Op: op}
		body, err := rows.take(op)
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

// rowLists are the rows of a mutation: three lists, and in which order to take from them.
type rowLists struct {
	lists    [3][][]byte // by Op
	sequence []Op
}

// take is the next row of a list.
func (r *rowLists) take(op Op) ([]byte, error) {
	if len(r.lists[op]) == 0 {
		return nil, corrupt("it is in the sequence and not there")
	}
	row := r.lists[op][0]
	r.lists[op] = r.lists[op][1:]
	return row, nil
}

// parseRows reads a TableMutation.
func parseRows(body []byte) (*rowLists, error) {
	r := new(rowLists)
	add := func(n uint64) error {
		switch binlogpb.MutationType(n) {
		case binlogpb.MutationType_Insert:
			r.sequence = append(r.sequence, Insert)
		case binlogpb.MutationType_Update:
			r.sequence = append(r.sequence, Update)
		case binlogpb.MutationType_DeleteRow:
			r.sequence = append(r.sequence, Delete)
		default:
			return corrupt("there is a change of the kind %d, which TiDB has not written since 1.0", n)
		}
		return nil
	}
	err := fields(body, func(num protowire.Number, n uint64, row []byte) error {
		switch num {
		case 2:
			r.lists[Insert] = append(r.lists[Insert], row)
		case 3:
			r.lists[Update] = append(r.lists[Update], row)
		case 6:
			r.lists[Delete] = append(r.lists[Delete], row)
		case 4, 5:
			return corrupt("rows are deleted by key only, as TiDB has not done since 1.0")
		case 7:
			if row == nil {
				return add(n)
			}
			for len(row) > 0 { // packed
				n, size := protowire.ConsumeVarint(row)
				if size < 0 {
					return corrupt("the sequence is cut off")
				}
				if err := add(n); err != nil {
					return err
				}
				row = row[size:]
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if n := len(r.lists[Insert]) + len(r.lists[Update]) + len(r.lists[Delete]); n != len(r.sequence) {
		return nil, corrupt("%d rows are there, %d in the sequence", n, len(r.sequence))
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
