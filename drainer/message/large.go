package message

import (
	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
)

// Large is the message of a large transaction ([sink.Txn].Large), of which the size is known and nothing is made
// yet: its rows are gone through once more while it is written.
type Large struct {
	// Size is how many bytes it has.
	Size int

	e          *Encoder
	txn        *sink.Txn
	head, tail []byte // around the tables
	runs       []run
}

// run is a Table of the message: consecutive changes of the same one.
type run struct {
	table *schema.Table
	size  int    // of the Table, without its tag and length
	tail  []byte // what comes after the rows
}

// Large prepares the message of a large transaction, the same that [Encoder.Encode] would give. It is to be
// written before the encoder is used again.
func (e *Encoder) Large(t *sink.Txn) (*Large, error) {
	m := &Large{e: e, txn: t}
	err := t.Each(func(c *txn.Change) error {
		h, err := e.table(c.Table)
		if err != nil {
			return err
		}
		if n := len(m.runs); n == 0 || m.runs[n-1].table != c.Table {
			m.runs = append(m.runs, run{table: c.Table, size: len(h.head)})
		}
		e.dml = e.dml[:0]
		e.mutation(h, c)
		m.runs[len(m.runs)-1].size += len(e.dml)
		return nil
	})
	if err != nil {
		return nil, err
	}
	tables := 0
	for i := range m.runs {
		r := &m.runs[i]
		h, err := e.table(r.table)
		if err != nil {
			return nil, err
		}
		r.tail = append(append(r.tail, h.keys...), e.addition(r.table)...)
		r.size += len(r.tail)
		tables += sizeBytes(r.size)
	}
	m.head = appendVarint(m.head, 1, uint64(pbkafka.BinlogType_DML))
	m.head = appendVarint(m.head, 2, uint64(t.CommitTS))
	m.head = protowire.AppendVarint(protowire.AppendTag(m.head, 3, protowire.BytesType), uint64(tables))
	if m.tail, err = e.appendTail(m.tail, t); err != nil {
		return nil, err
	}
	m.Size = len(m.head) + tables + len(m.tail)
	return m, nil
}

// Bytes is the message in one piece.
func (m *Large) Bytes() ([]byte, error) {
	b := make([]byte, 0, m.Size)
	err := m.Write(func(piece []byte) error {
		b = append(b, piece...)
		return nil
	})
	return b, err
}

// Write gives the message to put, in order and in pieces that put must not keep. The error is put's.
func (m *Large) Write(put func([]byte) error) error {
	if err := put(m.head); err != nil {
		return err
	}
	var h *tableHead
	next := 0 // in runs
	err := m.txn.Each(func(c *txn.Change) error {
		if next == 0 || m.runs[next-1].table != c.Table {
			if next > 0 {
				if err := put(m.runs[next-1].tail); err != nil {
					return err
				}
			}
			var err error
			if h, err = m.e.table(c.Table); err != nil {
				return err
			}
			begin := protowire.AppendTag(nil, 1, protowire.BytesType)
			begin = protowire.AppendVarint(begin, uint64(m.runs[next].size))
			next++
			if err := put(append(begin, h.head...)); err != nil {
				return err
			}
		}
		m.e.dml = m.e.dml[:0]
		m.e.mutation(h, c)
		return put(m.e.dml)
	})
	if err == nil && next > 0 {
		err = put(m.runs[next-1].tail)
	}
	if err == nil {
		err = put(m.tail)
	}
	m.e.shrink()
	return err
}
