package mysql

import (
	"slices"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/charset"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql/rewrite"
	"pumphouse/drainer/txn"
)

// TiDB keeps the bytes of a latin1 column as they come and converts nothing: UTF-8 from most clients, single
// bytes from those that have said SET NAMES latin1. A client of the latter kind reads its characters back, and is to do so
// downstream, where the connection is UTF-8 and the server converts.

// latin1Places are the columns of latin1 text.
func latin1Places(t *schema.Table) (places []int) {
	for i := range t.Columns {
		if t.Columns[i].Type.GetCharset() == charset.CharsetLatin1 {
			places = append(places, i)
		}
	}
	return places
}

// inUTF8 gives a transaction whose latin1 text is UTF-8: what is not becomes the characters of its bytes in Windows-1252, which
// is what MySQL calls latin1. One that needs nothing stays as it is.
func (s *Sink) inUTF8(t *sink.Txn) *sink.Txn {
	if s.server.flavour == tiDB {
		return t
	}
	changed := t // a large one is changed as it is gone through (each)
	for i, c := range t.Changes {
		places := s.shapes.of(c.Table).latin1
		if places == nil {
			continue
		}
		old, oldChanged := rowInUTF8(places, c.Old)
		row, rowChanged := rowInUTF8(places, c.New)
		if !oldChanged && !rowChanged {
			continue
		}
		if changed == t {
			own := *t
			own.Changes = slices.Clone(t.Changes)
			changed = &own
		}
		one := *c
		one.Old, one.New = old, row
		changed.Changes[i] = &one
	}
	return changed
}

// each calls do with every change, its latin1 text in UTF-8.
func (s *Sink) each(t *sink.Txn, do func(*txn.Change) error) error {
	if t.Large == nil || s.server.flavour == tiDB {
		return t.Each(do)
	}
	return t.Each(func(c *txn.Change) error {
		if places := s.shapes.of(c.Table).latin1; places != nil {
			c.Old, _ = rowInUTF8(places, c.Old)
			c.New, _ = rowInUTF8(places, c.New)
		}
		return do(c)
	})
}

// rowInUTF8 gives a row with its latin1 text in UTF-8, and whether it is another than the one given.
func rowInUTF8(places []int, row txn.Row) (_ txn.Row, changed bool) {
	for _, i := range places {
		if i >= len(row) || row[i].Kind != txn.Text || utf8.Valid(row[i].Bytes) {
			continue
		}
		if !changed {
			row, changed = slices.Clone(row), true
		}
		row[i].Bytes = []byte(rewrite.FromLatin1(row[i].Bytes))
	}
	return row, changed
}
