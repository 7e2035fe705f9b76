package storage

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// Type is what a record says about its transaction.
type Type uint8

// The types of records.
const (
	Prewrite Type = 1 // the transaction's changes
	Commit   Type = 2 // it is committed at CommitTS
	Rollback Type = 3 // it is not committed

	void Type = 4 // written by Repair over what it could not save
)

// String names the type for logs.
func (t Type) String() string {
	switch t {
	case Prewrite:
		return "prewrite"
	case Commit:
		return "commit"
	case Rollback:
		return "rollback"
	case void:
		return "void"
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// Record is a binlog as the store takes it.
type Record struct {
	Type     Type
	StartTS  nodes.TSO
	CommitTS nodes.TSO // of a Commit
	Payload  []byte    // of a Prewrite: the marshalled Binlog
}

// ParseRecord reads the payload of a WriteBinlog request. The error wraps
// [ErrInvalid]. The record keeps the payload.
func ParseRecord(payload []byte) (Record, error) {
	h, err := binlogpb.Peek(payload)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	r := Record{StartTS: nodes.TSO(h.StartTS)}
	switch h.Type {
	case binlogpb.BinlogType_Prewrite:
		r.Type, r.Payload = Prewrite, payload
		if len(h.Key) == 0 {
			return r, fmt.Errorf("%w: the prewrite with start TS %s has no key", ErrInvalid, r.StartTS)
		}
	case binlogpb.BinlogType_Commit:
		r.Type, r.CommitTS = Commit, nodes.TSO(h.CommitTS)
	case binlogpb.BinlogType_Rollback:
		r.Type = Rollback
	default:
		return r, fmt.Errorf("%w: type %s is not in use", ErrInvalid, h.Type)
	}
	return r, r.check()
}

func (r Record) check() error {
	switch {
	case r.StartTS <= 0:
		return fmt.Errorf("%w: %s with start TS %s", ErrInvalid, r.Type, r.StartTS)
	case r.Type == Commit && r.CommitTS <= r.StartTS:
		return fmt.Errorf("%w: commit TS %s is not greater than start TS %s", ErrInvalid, r.CommitTS, r.StartTS)
	case r.Type == Prewrite && len(r.Payload) == 0:
		return fmt.Errorf("%w: the prewrite with start TS %s is empty", ErrInvalid, r.StartTS)
	case r.Type < Prewrite || r.Type > Rollback:
		return fmt.Errorf("%w: %s", ErrInvalid, r.Type)
	case len(r.Payload) > MaxPayload:
		return fmt.Errorf("%w: %d bytes are more than the %d a binlog may have", ErrInvalid, len(r.Payload), MaxPayload)
	}
	return nil
}

// MaxPayload is the largest payload in bytes that a record can hold: 2 GiB, where protocol buffers and gRPC end, less
// 1 MiB for what is around it on the wire.
const MaxPayload = 1<<31 - 1<<20

// Flags of a record.
const (
	flagAsked   = 1 << 0 // a Commit or Rollback that TiKV told us of
	flagTimeout = 1 << 1 // a Rollback that the time-out decided

	flagOperator = 1 << 2 // a Commit or Rollback that an operator decided

)

// headerSize is the size of a record's header; align is what records begin at a
// multiple of.
const (
	headerSize = 40
	align      = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is a record's header as doc.go draws it.
type header struct {
	typ        Type
	flags      uint8
	size       uint32 // of the payload
	payloadCRC uint32
	startTS    nodes.TSO
	commitTS   nodes.TSO // of a prewrite: its floor
	lag        uint64    // bytes before the record that were not known durable
}

// footprint is how many bytes a record with such a payload takes in the log.
func footprint(payload int) int64 {
	return (headerSize + int64(payload) + align - 1) &^ (align - 1)
}

func (h *header) footprint() int64 { return footprint(int(h.size)) }

// put writes the header to b. The checksum covers the record's place too, so
// that a record is valid only where it was written.
func (h *header) put(b []byte, seed uint32, offset int64) {
	_ = b[headerSize-1]
	b[4], b[5], b[6], b[7] = byte(h.typ), h.flags, 0, 0
	binary.LittleEndian.PutUint32(b[8:], h.size)
	binary.LittleEndian.PutUint32(b[12:], h.payloadCRC)
	binary.LittleEndian.PutUint64(b[16:], uint64(h.startTS))
	binary.LittleEndian.PutUint64(b[24:], uint64(h.commitTS))
	binary.LittleEndian.PutUint64(b[32:], h.lag)
	binary.LittleEndian.PutUint32(b, headerCRC(b, seed, offset))
}

// parseHeader reads a header; ok is false when there is none at this place.
func parseHeader(b []byte, seed uint32, offset int64) (h header, ok bool) {
	if len(b) < headerSize || b[4] < byte(Prewrite) || b[4] > byte(void) || b[6] != 0 || b[7] != 0 {
		return h, false
	}
	if binary.LittleEndian.Uint32(b) != headerCRC(b, seed, offset) {
		return h, false
	}
	return header{
		typ:        Type(b[4]),
		flags:      b[5],
		size:       binary.LittleEndian.Uint32(b[8:]),
		payloadCRC: binary.LittleEndian.Uint32(b[12:]),
		startTS:    nodes.TSO(binary.LittleEndian.Uint64(b[16:])),
		commitTS:   nodes.TSO(binary.LittleEndian.Uint64(b[24:])),
		lag:        binary.LittleEndian.Uint64(b[32:]),
	}, true
}

func headerCRC(b []byte, seed uint32, offset int64) uint32 {
	return crc32.Update(seed^uint32(offset/align), castagnoli, b[4:headerSize])
}

func payloadCRC(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// place is where a record begins in the log.
type place struct {
	seg uint32
	off uint32 // divided by align
}

func (p place) offset() int64 { return int64(p.off) * align }

// before reports whether p precedes o in the log.
func (p place) before(o place) bool { return p.seg < o.seg || p.seg == o.seg && p.off < o.off }

// entry is a committed transaction in the sorted sequence.
type entry struct {
	commitTS nodes.TSO
	startTS  nodes.TSO
	at       place
	size     uint32 // of the payload
}

// entrySize is the size of an entry in an index file.
const entrySize = 32

// put writes the entry as doc.go draws it; n is its number in the index.
func (e *entry) put(b []byte, n uint64) {
	_ = b[entrySize-1]
	binary.LittleEndian.PutUint64(b, uint64(e.commitTS))
	binary.LittleEndian.PutUint64(b[8:], uint64(e.startTS))
	binary.LittleEndian.PutUint32(b[16:], e.at.seg)
	binary.LittleEndian.PutUint32(b[20:], e.at.off)
	binary.LittleEndian.PutUint32(b[24:], e.size)
	binary.LittleEndian.PutUint32(b[28:], crc32.Update(uint32(n), castagnoli, b[:28]))
}

// parseEntry reads entry number n; ok is false when its checksum is wrong.
func parseEntry(b []byte, n uint64) (e entry, ok bool) {
	if binary.LittleEndian.Uint32(b[28:]) != crc32.Update(uint32(n), castagnoli, b[:28]) {
		return e, false
	}
	return entry{
		commitTS: nodes.TSO(binary.LittleEndian.Uint64(b)),
		startTS:  nodes.TSO(binary.LittleEndian.Uint64(b[8:])),
		at:       place{binary.LittleEndian.Uint32(b[16:]), binary.LittleEndian.Uint32(b[20:])},
		size:     binary.LittleEndian.Uint32(b[24:]),
	}, true
}
