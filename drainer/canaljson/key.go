package canaljson

import (
	"bytes"
	"hash/fnv"

	"pumphouse/drainer/txn"
)

// Split is a change as the messages have it: an update of a primary key, or of a unique key without NULLs, is a deletion and an
// insertion. So a consumer that reads only the partition of a key sees when the key is gone. The error is that of [Encoder.Row].
func (e *Encoder) Split(c *txn.Change) ([]*txn.Change, error) {
	if c.Op != txn.Update {
		return []*txn.Change{c}, nil
	}
	t, err := e.table(c.Table)
	if err != nil {
		return nil, err
	}
	for _, col := range t.unique {
		if !same(col.value(c.Old), col.value(c.New)) {
			return []*txn.Change{
				{Table: c.Table, Op: txn.Delete, Old: c.Old, RowID: c.RowID},
				{Table: c.Table, Op: txn.Insert, New: c.New, RowID: c.RowID},
			}, nil
		}
	}
	return []*txn.Change{c}, nil
}

func same(a, b txn.Value) bool {
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case txn.Null, txn.Missing:
		return true
	case txn.Text, txn.Bytes:
		return bytes.Equal(a.Bytes, b.Bytes)
	}
	return a.Uint64() == b.Uint64()
}

// Hash is a number for the row of a change, by which it can be given to a partition: the same for all changes of a row, in every
// process. Without byKey it is one for the table; with it, for the table and the values of the key that identifies the row. What
// has no such key, or one on the beginning of values, has the number of the table. The error is that of [Encoder.Row].
func (e *Encoder) Hash(c *txn.Change, byKey bool) (uint32, error) {
	t, err := e.table(c.Table)
	if err != nil {
		return 0, err
	}
	if !byKey || t.prefix || t.key == nil {
		return t.hash, nil
	}
	row := c.New
	if c.Op == txn.Delete {
		row = c.Old
	}
	h := fnv.New32a()
	h.Write(t.name)
	for _, col := range t.key {
		e.text = e.appendValue(e.text[:0], col.value(row))
		h.Write(e.text)
	}
	return h.Sum32(), nil
}

// hashOf is the number of a table.
func hashOf(name []byte) uint32 {
	h := fnv.New32a()
	h.Write(name)
	return h.Sum32()
}
