package mysql

import (
	"encoding/binary"
	"hash/maphash"
	"math"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// hasher gives the keys by which two changes are known to touch the same row, or to compete
// for the same unique value. Equal values have equal keys; others may, which costs only time.
type hasher struct {
	seed maphash.Seed
	buf  []byte
}

// change appends the keys of a change: of all unique keys, of the old and the new row.
// whole is true when they do not tell everything: then the change gets in the way of all
// others of its table.
func (h *hasher) change(keys []uint64, s *shape, c *txn.Change) (_ []uint64, whole bool) {
	whole = s.whole
	for n, columns := range s.unique {
		at := len(keys)
		if c.Op != txn.Insert {
			keys, whole = h.row(keys, s, n, columns, c.Old, whole)
		}
		if c.Op != txn.Delete {
			keys, whole = h.row(keys, s, n, columns, c.New, whole)
		}
		if len(keys) == at+2 && keys[at] == keys[at+1] {
			keys = keys[:at+1]
		}
	}
	return keys, whole
}

// row appends the key of one row, unless a value is NULL, which is unique.
func (h *hasher) row(keys []uint64, s *shape, n int, columns []int, row txn.Row, whole bool) ([]uint64, bool) {
	t := s.table
	b := binary.LittleEndian.AppendUint64(h.buf[:0], uint64(t.ID))
	b = append(b, byte(n))
	for _, i := range columns {
		var v txn.Value
		if i < len(row) {
			v = row[i]
		}
		switch v.Kind {
		case txn.Null:
			return keys, whole
		case txn.Missing:
			return keys, true
		}
		var ok bool
		if b, ok = appendFolded(b, &t.Columns[i], v, s.exact(i)); !ok {
			return keys, true
		}
	}
	h.buf = b
	return append(keys, maphash.Bytes(h.seed, b)), whole
}

// appendFolded appends a value so that what some collation takes for equal is equal. It is
// not ok when that cannot be: text that is not plain ASCII is equal to other text in a way
// that depends on the downstream's collation (é and e, ß and ss, all emoji to each other). exact: the
// column's takes nothing but the same text for equal, with or without spaces at the end.
func appendFolded(b []byte, c *schema.Column, v txn.Value, exact bool) (_ []byte, ok bool) {
	switch v.Kind {
	case txn.Float32, txn.Float64:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Float()+0)), true // -0 is 0
	case txn.Bytes:
		return appendSized(b, trimRight(v.Bytes)), true
	case txn.Text:
		if !isText(c) {
			return appendSized(b, v.Bytes), true // numbers and times
		}
		text := trimRight(v.Bytes)
		at := len(b)
		if b, ok = appendASCII(b, text); !ok && exact {
			b, ok = appendSized(b[:at], text), true
		}
		return b, ok
	case txn.Int:
		return binary.LittleEndian.AppendUint64(b, uint64(v.Int64())), true
	}
	return binary.LittleEndian.AppendUint64(b, v.Uint64()), true
}

// trimRight leaves out what pads a value: spaces, and the zeros of BINARY.
func trimRight(text []byte) []byte {
	for len(text) > 0 && (text[len(text)-1] == ' ' || text[len(text)-1] == 0) {
		text = text[:len(text)-1]
	}
	return text
}

func appendSized(b, text []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
}

// appendASCII folds letter case. Control characters have no weight in some collations.
func appendASCII(b, text []byte) ([]byte, bool) {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	for _, c := range text {
		if c < ' ' || c >= 0x7f {
			return b, false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b, true
}
