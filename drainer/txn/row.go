package txn

import (
	"time"

	"pumphouse/drainer/schema"
)

// The size of the memory that printed values share: of the first piece, and of the largest.
// Most transactions have one row, and many need none.
const (
	firstScratch = 128
	maxScratch   = 4 << 10
)

// decoder decodes rows of one binlog.
type decoder struct {
	zone    *time.Location
	scratch []byte
}

// room makes sure that there is some scratch memory. What was given away is left alone.
func (d *decoder) room() {
	if cap(d.scratch)-len(d.scratch) < 64 {
		d.scratch = make([]byte, 0, min(max(2*cap(d.scratch), firstScratch), maxScratch))
	}
}

// insert decodes an inserted row: the values of the handle and the columns. Left out are the
// column that is the integer handle, columns of a clustered key whose value in the key
// is enough, virtual columns, and NULLs of columns that have no default at all.
func (d *decoder) insert(t *schema.Table, b []byte) (Row, int64, error) {
	var few [4]raw // more are rare
	handle := append(few[:0], make([]raw, max(1, len(t.HandleColumns)))...)
	for i := range handle {
		var err error
		if handle[i], b, err = next(b); err != nil {
			return nil, 0, err
		}
	}
	row := make(Row, len(t.Columns))
	if _, b, err := d.columns(t, b, row); err != nil {
		return nil, 0, err
	} else if len(b) > 0 {
		return nil, 0, corrupt("%d bytes follow the row", len(b))
	}
	for i, h := range t.HandleColumns {
		if row[h.Column].Kind != Missing || h.Prefix {
			continue
		}
		c := &t.Columns[h.Column]
		v, err := d.columnValue(c, handle[i])
		if err != nil {
			return nil, 0, &columnError{c.Name, err}
		}
		row[h.Column] = v
	}
	for i := range row {
		if c := &t.Columns[i]; row[i].Kind == Missing && impliesNull(c) {
			row[i].Kind = Null
		}
	}
	return row, rowID(t, handle[0]), nil
}

// impliesNull reports whether an inserted row without the column means NULL: TiDB leaves out a
// NULL where the default was NULL when the row was written, whatever it is by now. (A column
// that can not be left out so is being dropped.)
func impliesNull(c *schema.Column) bool {
	return c.Public && !c.Virtual() && !c.NotNull() && c.OriginDefault == nil
}

// update decodes an updated row: the old and the new one, both with the same columns.
func (d *decoder) update(t *schema.Table, b []byte) (old, new Row, id int64, err error) {
	old, new = make(Row, len(t.Columns)), make(Row, len(t.Columns))
	id, b, err = d.columns(t, b, old)
	if err != nil {
		return nil, nil, 0, err
	}
	if len(b) == 0 {
		return nil, nil, 0, corrupt("the new row is not there")
	}
	_, b, err = d.columns(t, b, new)
	if err != nil {
		return nil, nil, 0, err
	}
	if len(b) > 0 {
		return nil, nil, 0, corrupt("%d bytes follow the new row", len(b))
	}
	for i := range old {
		if (old[i].Kind == Missing) != (new[i].Kind == Missing) {
			return nil, nil, 0, &columnError{t.Columns[i].Name, corrupt("it is in one of the old and the new row only")}
		}
	}
	return old, new, id, nil
}

// delete decodes a deleted row.
func (d *decoder) delete(t *schema.Table, b []byte) (Row, int64, error) {
	row := make(Row, len(t.Columns))
	id, b, err := d.columns(t, b, row)
	if err != nil {
		return nil, 0, err
	}
	if len(b) > 0 {
		return nil, 0, corrupt("%d bytes follow the row", len(b))
	}
	return row, id, nil
}

// columns reads columns until the row ends: with the bytes, or before the first of its column
// IDs comes again, where the next row begins. Columns the table does not have are skipped.
// The number is _tidb_rowid if it is there.
func (d *decoder) columns(t *schema.Table, b []byte, row Row) (id int64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, corrupt("the row is not there")
	}
	if b[0] == flagNil {
		return 0, b[1:], nil // no columns
	}
	var first int64
	expect := 0 // the column that comes next, if they are in order
	for start := b; len(b) > 0; {
		key, after, err := next(b)
		if err != nil {
			return 0, nil, err
		}
		if key.form != rawInt {
			return 0, nil, corrupt("a column ID is expected and %s comes", key.form)
		}
		column := int64(key.num)
		if len(b) == len(start) {
			first = column
		} else if column == first {
			return id, b, nil
		}
		value, after, err := next(after)
		if err != nil {
			return 0, nil, d.at(t, column, err)
		}
		b = after
		if column == schema.RowIDColumn {
			id = rowID(t, value)
			continue
		}
		i := expect
		if i >= len(t.Columns) || t.Columns[i].ID != column {
			if i = t.Column(column); i < 0 {
				continue
			}
		}
		expect = i + 1
		if row[i].Kind != Missing {
			return 0, nil, d.at(t, column, corrupt("it is in the row twice"))
		}
		if row[i], err = d.columnValue(&t.Columns[i], value); err != nil {
			return 0, nil, d.at(t, column, err)
		}
	}
	return id, nil, nil
}

// at names the column of an error.
func (d *decoder) at(t *schema.Table, column int64, err error) error {
	if i := t.Column(column); i >= 0 {
		return &columnError{t.Columns[i].Name, err}
	}
	return err
}

// rowID is the hidden number of a row in a table that has it.
func rowID(t *schema.Table, r raw) int64 {
	if t.Handle == schema.RowIDHandle && (r.form == rawInt || r.form == rawUint) {
		return int64(r.num)
	}
	return 0
}
