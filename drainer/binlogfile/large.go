package binlogfile

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
)

// pieceBytes is how much of a large record is gathered for one write.
const pieceBytes = 1 << 20

// Write writes the record of a large transaction, the same bytes that Append would make, in pieces of about
// 1 MiB, and gives how many there were. The record begins with its size: so the rows are gone through
// twice, and memory does not grow with them. After an error a part of the record has been written.
func (e *Encoder) Write(w io.Writer, t *sink.Txn) (size int64, err error) {
	events := 0
	err = t.Each(func(c *txn.Change) error {
		e.events = e.events[:0]
		e.event(c)
		events += len(e.events)
		return nil
	})
	if err != nil {
		return 0, err
	}
	head := appendVarint(nil, 1, uint64(pbfile.BinlogType_DML))
	head = appendVarint(head, 2, uint64(t.CommitTS))
	head = protowire.AppendTag(head, 3, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(events))
	p := NewPieces(w, int64(len(head)+events))
	p.Write(head)
	err = t.Each(func(c *txn.Change) error {
		e.events = e.events[:0]
		e.event(c)
		return p.Write(e.events)
	})
	e.events = e.events[:0]
	e.shrink()
	if err != nil {
		return p.written, err
	}
	return p.Close()
}

// Pieces writes a record whose payload comes in pieces.
type Pieces struct {
	w       io.Writer
	buf     []byte
	sum     uint32
	written int64
	err     error
}

// NewPieces begins a record with a payload of so many bytes.
func NewPieces(w io.Writer, payload int64) *Pieces {
	p := &Pieces{w: w, buf: make([]byte, headerSize, pieceBytes+pieceBytes/4)}
	binary.LittleEndian.PutUint32(p.buf, magic)
	binary.LittleEndian.PutUint64(p.buf[4:], uint64(payload))
	p.written = -headerSize // of the payload, until Close
	return p
}

// Write takes the next piece of the payload. The error is that of the writer, and stays.
func (p *Pieces) Write(b []byte) error {
	if p.err != nil {
		return p.err
	}
	p.sum = crc32.Update(p.sum, castagnoli, b)
	if p.buf = append(p.buf, b...); len(p.buf) >= pieceBytes {
		p.flush()
	}
	return p.err
}

func (p *Pieces) flush() {
	var n int
	if n, p.err = p.w.Write(p.buf); p.err == nil {
		p.written += int64(n)
	}
	p.buf = p.buf[:0]
}

// Close ends the record, and gives its size.
func (p *Pieces) Close() (size int64, err error) {
	if p.err == nil {
		p.buf = binary.LittleEndian.AppendUint32(p.buf, p.sum)
		p.flush()
	}
	return p.written + headerSize, p.err
}
