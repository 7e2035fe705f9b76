package binlogpb

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Outline is what a person wants to know of a prewrite binlog before its rows.
type Outline struct {
	Key     []byte  // the primary key; part of the bytes read
	Tables  []int64 // IDs of the tables whose rows it changes, ascending, each once
	Partial bool    // the bytes end early or are malformed: there may be more tables
}

// Fields that [ReadOutline] looks for.
const (
	fieldValue     = 5 // of a Binlog: the marshalled PrewriteValue
	fieldMutations = 2 // of a PrewriteValue
	fieldTableID   = 1 // of a TableMutation
)

// ReadOutline reads the beginning of a marshalled [Binlog]: all of it, or as much as
// there is.
func ReadOutline(beginning []byte) Outline {
	var o Outline
	o.Partial = !eachBegun(beginning, func(num protowire.Number, _ uint64, content []byte) {
		switch num {
		case fieldKey:
			o.Key = content
		case fieldValue:
			o.Partial = !eachBegun(content, func(num protowire.Number, _ uint64, mutation []byte) {
				if num != fieldMutations {
					return
				}
				eachBegun(mutation, func(num protowire.Number, id uint64, _ []byte) {
					if num == fieldTableID {
						o.Tables = append(o.Tables, int64(id))
					}
				})
			}) || o.Partial
		}
	}) || o.Partial
	slices.Sort(o.Tables)
	o.Tables = slices.Compact(o.Tables)
	return o
}

// eachBegun calls fn for every top-level field of a message, and for the last one even if
// the message ends within its bytes. It reports whether the message is whole.
func eachBegun(msg []byte, fn func(num protowire.Number, varint uint64, content []byte)) bool {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return false
		}
		msg = msg[n:]
		switch typ {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(msg)
			if n < 0 {
				return false
			}
			fn(num, v, nil)
			msg = msg[n:]
		case protowire.BytesType:
			size, n := protowire.ConsumeVarint(msg)
			if n < 0 {
				return false
			}
			msg = msg[n:]
			if size > uint64(len(msg)) {
				fn(num, 0, msg)
				return false
			}
			fn(num, 0, msg[:size])
			msg = msg[size:]
		default:
			n := protowire.ConsumeFieldValue(num, typ, msg)
			if n < 0 {
				return false
			}
			msg = msg[n:]
		}
	}
	return true
}
