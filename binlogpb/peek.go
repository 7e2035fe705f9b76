package binlogpb

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of a Binlog that the functions here look for.
const (
	fieldTp       = 1
	fieldStartTS  = 2
	fieldCommitTS = 3
	fieldKey      = 4
	fieldJobID    = 7
)

// ErrMalformed says that bytes are no protocol buffer message.
var ErrMalformed = errors.New("malformed message")

// Head is what a pump must know of a Binlog to store it.
type Head struct {
	Type     BinlogType
	StartTS  int64
	CommitTS int64
	Key      []byte // the primary key; part of the bytes that were peeked at
	DDLJobID int64  // 0: not a DDL
}

// Peek reads the head of a marshalled [Binlog] without copying or allocating. It
// accepts what the generated code accepts and finds the same values; anything
// else is an error that wraps [ErrMalformed].
func Peek(binlog []byte) (Head, error) {
	var h Head
	err := eachField(binlog, func(f field) {
		switch {
		case f.num == fieldKey && f.typ == protowire.BytesType:
			h.Key = f.bytes
		case f.typ != protowire.VarintType:
		case f.num == fieldTp:
			h.Type = BinlogType(f.varint)
		case f.num == fieldStartTS:
			h.StartTS = int64(f.varint)
		case f.num == fieldCommitTS:
			h.CommitTS = int64(f.varint)
		case f.num == fieldJobID:
			h.DDLJobID = int64(f.varint)
		}
	})
	if err != nil {
		return Head{}, fmt.Errorf("binlog: %w", err)
	}
	return h, nil
}

// field is one field of a message as it stands in the message's bytes.
type field struct {
	num        protowire.Number
	typ        protowire.Type
	start, end int    // where it lies, tag included
	varint     uint64 // of a varint
	bytes      []byte // of a length-delimited field
}

// eachField calls fn for every top-level field of a message, in order.
func eachField(msg []byte, fn func(field)) error {
	for at := 0; at < len(msg); {
		num, typ, tag := protowire.ConsumeTag(msg[at:])
		if tag < 0 || num > protowire.MaxValidNumber || typ == protowire.EndGroupType {
			return fmt.Errorf("%w: bad tag at byte %d", ErrMalformed, at)
		}
		f := field{num: num, typ: typ, start: at}
		var n int
		switch typ {
		case protowire.VarintType:
			f.varint, n = protowire.ConsumeVarint(msg[at+tag:])
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(msg[at+tag:])
		default:
			n = protowire.ConsumeFieldValue(num, typ, msg[at+tag:])
		}
		if n < 0 {
			return fmt.Errorf("%w: field %d at byte %d is cut short", ErrMalformed, num, at)
		}
		at += tag + n
		f.end = at
		fn(f)
	}
	return nil
}

// locateCommitTS finds the bytes of prewrite that a commit_ts field has to
// replace: its only commit_ts field, or the empty range at the end, where the
// field wins over all before it.
func locateCommitTS(prewrite []byte) (i, j int, err error) {
	found := 0
	err = eachField(prewrite, func(f field) {
		if f.num == fieldCommitTS && f.typ == protowire.VarintType {
			found++
			i, j = f.start, f.end
		}
	})
	if found != 1 {
		i, j = len(prewrite), len(prewrite)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("prewrite: %w", err)
	}
	return i, j, nil
}

// appendSpliced appends prewrite to dst with its bytes i up to j replaced by a commit_ts field. Where TiDB's
// field is replaced, as in all that TiDB writes, the result is the very bytes upstream's encoder makes.
func appendSpliced(dst, prewrite []byte, commitTS int64, i, j int) []byte {
	dst = append(dst, prewrite[:i]...)
	dst = protowire.AppendTag(dst, fieldCommitTS, protowire.VarintType)
	dst = protowire.AppendVarint(dst, uint64(commitTS))
	return append(dst, prewrite[j:]...)
}

func splicedSize(prewrite []byte, commitTS int64, i, j int) int {
	return len(prewrite) - (j - i) + 1 + protowire.SizeVarint(uint64(commitTS))
}
