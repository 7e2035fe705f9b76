package binlogpb

import (
	"runtime/debug"
	"strings"
	"time"
	"unsafe"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// Giant is from how many bytes on a message is not copied where that can be avoided, and its memory is given back to the
// operating system at once and not some time later.
const Giant = 32 << 20

// pieces is the message of a giant Delivery, with the payload in it where it is: whoever sends it must not change
// the payload afterwards.
func (d *Delivery) pieces(f frame) mem.BufferSlice {
	head := protowire.AppendVarint([]byte{tagEntity}, uint64(f.entity))
	head = append(head, tagPos, 0, tagPayload)
	head = protowire.AppendVarint(head, uint64(f.payload))
	ts := protowire.AppendVarint([]byte{fieldCommitTS << 3}, uint64(d.CommitTS))
	var out mem.BufferSlice
	for _, b := range [][]byte{head, f.binlog[:f.i], ts, f.binlog[f.j:], d.appendMeta(nil, f)} {
		switch {
		case len(b) >= Giant:
			out = append(out, mem.NewBuffer(&b, sent{}))
		case len(b) > 0:
			out = append(out, mem.SliceBuffer(b))
		}
	}
	return out
}

// sent is where the buffers of giant messages go when gRPC has sent them.
type sent struct{}

// Get is for the interface alone.
func (sent) Get(n int) *[]byte { b := make([]byte, n); return &b }

// Put gives the memory back a moment later, when gRPC has let go of it.
func (sent) Put(*[]byte) { time.AfterFunc(time.Second, debug.FreeOSMemory) }

// own copies a received message once into memory that the message may keep. While a giant one is copied, what it
// came in is let go of: both together would be twice its size.
func own(data mem.BufferSlice) []byte {
	size := data.Len()
	if size < Giant {
		return data.Materialize()
	}
	debug.FreeOSMemory() // what came before may have been as large
	var whole strings.Builder
	whole.Grow(size) // unlike make, it writes no zeros, which would take the memory before the bytes are there
	copied := 0
	for i, piece := range data {
		whole.Write(piece.ReadOnlyData())
		copied += piece.Len()
		piece.Free()
		data[i] = mem.SliceBuffer(nil)
		if copied >= Giant {
			copied = 0
			debug.FreeOSMemory()
		}
	}
	return unsafe.Slice(unsafe.StringData(whole.String()), size) // nobody else has the string
}
