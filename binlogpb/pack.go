package binlogpb

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// PacksKey is metadata of PullBinlogs, with any value: who sends it takes several binlogs in a message, which are one
// PullBinlogResp after another. A pump of Pumphouse then sends what it has at hand so; upstream's programs do not know it.
const PacksKey = "pumphouse-packs"

// packSize is how many bytes of binlogs go into a message: the cost of a message is spread over many binlogs by then.
const packSize = 32 << 10

// Pack is a message of PullBinlogs with any number of binlogs. To be sent: those that were put in, SendMsg(&pack) takes them out.
// Received, RecvMsg(&pack): what a pump sent, whether it knows packs or not.
type Pack struct {
	buf *[]byte // to be sent
	got []byte  // received
}

// Empty reports whether there is nothing to be sent.
func (p *Pack) Empty() bool { return p.buf == nil }

// Put puts a delivery in, and keeps nothing of its payload. False: there is no room. What has none in an empty pack is sent on its own.
func (p *Pack) Put(d *Delivery) (bool, error) {
	f, err := d.frame()
	switch {
	case err != nil:
		return false, err
	case f.wire > packSize:
		return false, nil
	case p.buf == nil:
		p.buf = mem.DefaultBufferPool().Get(packSize)
		*p.buf = (*p.buf)[:0]
	case len(*p.buf)+f.wire > packSize:
		return false, nil
	}
	*p.buf = d.append(*p.buf, f)
	return true, nil
}

// take gives what is to be sent, and forgets it.
func (p *Pack) take() mem.BufferSlice {
	b := p.buf
	p.buf = nil
	if b == nil {
		return nil
	}
	return mem.BufferSlice{mem.NewBuffer(b, mem.DefaultBufferPool())}
}

// Each gives what was received, in the order in which it was sent, until f fails. The payloads share memory, which is the receiver's own.
func (p *Pack) Each(f func(Delivery) error) error {
	none, inner := true, error(nil)
	err := eachField(p.got, func(field field) {
		if field.num != 1 || field.typ != protowire.BytesType || inner != nil {
			return
		}
		none = false
		var d Delivery
		if inner = d.complete(d.unmarshalEntity(field.bytes)); inner == nil {
			inner = f(d)
		}
	})
	switch {
	case inner != nil:
		return inner
	case err != nil:
		return fmt.Errorf("pulled entity: %w", err)
	case none:
		return fmt.Errorf("pulled entity: %w: there is none", ErrMalformed)
	}
	return nil
}
