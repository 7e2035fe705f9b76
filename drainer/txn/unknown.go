package txn

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/drainer/schema"
)

// Unknown are columns that rows of a table have and its definition has not.
type Unknown struct {
	Table   *schema.Table
	Columns []int64 // IDs, as they come
}

// Unknown finds the columns that the definitions do not know; decoding leaves out their values.
// They are for [schema.History.Early], which tells when they must not be left out. It looks at
// every row, without decoding values; what is malformed it leaves to the decoder.
func (b *Binlog) Unknown(find Finder) ([]Unknown, error) {
	var list []Unknown
	for _, m := range b.mutations {
		t, err := find(m.table)
		if err != nil {
			return nil, &RowError{CommitTS: b.CommitTS, TableID: m.table, Err: err}
		}
		if t == nil {
			continue
		}
		if ids := unknownColumns(t, m.body); len(ids) > 0 {
			list = append(list, Unknown{t, ids})
		}
	}
	return list, nil
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
