package txn

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/drainer/schema"
)

// Tables calls each with every table that the binlog has rows of, as find knows it then, but not with those that
// find leaves out. unknown gives the IDs of the columns that the rows have and the definition does not know, whose
// values decoding leaves out; it looks at every row, without decoding values, and what is malformed it leaves to
// the decoder. Both are for [schema.History.Early]. An error of each ends it and comes back.
func (b *Binlog) Tables(find Finder, each func(t *schema.Table, unknown func() []int64) error) error {
	for _, m := range b.mutations {
		t, err := find(m.table)
		if err != nil {
			return &RowError{CommitTS: b.CommitTS, TableID: m.table, Err: err}
		}
		if t == nil {
			continue
		}
		if err := each(t, func() []int64 { return unknownColumns(t, m.body) }); err != nil {
			return err
		}
	}
	return nil
}

// unknownColumns looks the rows of a marshalled TableMutation over.
func unknownColumns(t *schema.Table, body []byte) (ids []int64) {
	see := func(row []byte) {
		for i := 0; len(row) > 0; i++ {
			key, rest, err := next(row)
			if err != nil || key.form != rawInt {
				return // the end of a row without columns, or corrupt
			}
			if i >= len(t.Columns) || t.Columns[i].ID != int64(key.num) { // mostly they are in order
				id := int64(key.num)
				if i = t.Column(id); i < 0 && id != schema.RowIDColumn && !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
			if row, err = skip(rest); err != nil {
				return
			}
		}
	}
	_ = fields(body, func(num protowire.Number, _ uint64, row []byte) error {
		switch num {
		case 2: // inserted: the handle's values first
			for range max(1, len(t.HandleColumns)) {
				var err error
				if row, err = skip(row); err != nil {
					return nil
				}
			}
			see(row)
		case 3, 6: // an updated row is two rows
			see(row)
		}
		return nil
	})
	return ids
}

// skip is what follows the next value.
func skip(b []byte) ([]byte, error) {
	_, rest, err := next(b)
	return rest, err
}
