package binlogpb

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Delivery is a [PullBinlogResp] in the form both ends of PullBinlogs work with.
// The [Codec] writes and reads it with one copy of the payload and without
// building the messages in between: SendMsg(&Delivery{…}), RecvMsg(&d).
type Delivery struct {
	StartTS  int64
	CommitTS int64
	// Payload is a marshalled [Binlog]. To be sent: the prewrite as it was
	// stored, CommitTS is filled in on the way; nothing: a fake binlog. One of [Giant]
	// bytes or more must not be changed afterwards. Received: with the commit TS, and the
	// receiver's own.
	Payload []byte
}

// Fake reports whether d carries no transaction: it only says that nothing up to
// its commit TS is still to come.
func (d *Delivery) Fake() bool { return d.StartTS == d.CommitTS }

// FakeBinlog is the payload of a fake binlog at ts.
func FakeBinlog(ts int64) []byte {
	b := []byte{fieldTp << 3, byte(BinlogType_Rollback), fieldStartTS << 3}
	b = protowire.AppendVarint(b, uint64(ts))
	b = append(b, fieldCommitTS<<3)
	b = protowire.AppendVarint(b, uint64(ts))
	return append(b, fieldJobID<<3, 0, 8<<3, 0)
}

// The tags of the length-delimited fields of PullBinlogResp and Entity.
const (
	tagEntity   = 1<<3 | byte(protowire.BytesType)
	tagPos      = 1<<3 | byte(protowire.BytesType)
	tagPayload  = 2<<3 | byte(protowire.BytesType)
	tagMeta     = 4<<3 | byte(protowire.BytesType)
	tagMetaTS   = 1<<3 | byte(protowire.VarintType)
	tagMetaTSTo = 2<<3 | byte(protowire.VarintType)
)

// frame is where everything of a Delivery goes on the wire.
type frame struct {
	binlog                      []byte // the payload without the commit TS
	i, j                        int    // the commit_ts to replace
	payload, meta, entity, wire int    // sizes
}

func (d *Delivery) frame() (frame, error) {
	binlog := d.Payload
	if len(binlog) == 0 {
		if !d.Fake() {
			return frame{}, fmt.Errorf("marshal binlog with start TS %d: %w: there is no payload", d.StartTS, ErrMalformed)
		}
		binlog = FakeBinlog(d.CommitTS)
	}
	i, j, err := locateCommitTS(binlog)
	if err != nil {
		return frame{}, fmt.Errorf("marshal binlog with start TS %d: %w", d.StartTS, err)
	}
	f := frame{binlog: binlog, i: i, j: j}
	f.payload = splicedSize(binlog, d.CommitTS, i, j)
	if d.StartTS != 0 {
		f.meta += 1 + protowire.SizeVarint(uint64(d.StartTS))
	}
	if d.CommitTS != 0 {
		f.meta += 1 + protowire.SizeVarint(uint64(d.CommitTS))
	}
	f.entity = 2 + // an empty pos
		1 + protowire.SizeBytes(f.payload) +
		1 + protowire.SizeBytes(f.meta)
	f.wire = 1 + protowire.SizeBytes(f.entity)
	return f, nil
}

func (d *Delivery) append(b []byte, f frame) []byte {
	b = append(b, tagEntity)
	b = protowire.AppendVarint(b, uint64(f.entity))
	b = append(b, tagPos, 0, tagPayload)
	b = protowire.AppendVarint(b, uint64(f.payload))
	return d.appendMeta(appendSpliced(b, f.binlog, d.CommitTS, f.i, f.j), f)
}

// appendMeta appends the meta data, which come last.
func (d *Delivery) appendMeta(b []byte, f frame) []byte {
	b = append(b, tagMeta, byte(f.meta))
	if d.StartTS != 0 {
		b = protowire.AppendVarint(append(b, tagMetaTS), uint64(d.StartTS))
	}
	if d.CommitTS != 0 {
		b = protowire.AppendVarint(append(b, tagMetaTSTo), uint64(d.CommitTS))
	}
	return b
}

// unmarshal reads a PullBinlogResp; the payload stays a part of b.
func (d *Delivery) unmarshal(b []byte) error {
	*d = Delivery{}
	inner := error(nil)
	err := eachField(b, func(f field) {
		if f.num == 1 && f.typ == protowire.BytesType && inner == nil {
			inner = d.unmarshalEntity(f.bytes)
		}
	})
	if err == nil {
		err = inner
	}
	return d.complete(err)
}

// complete ends reading, which came to err so far. A pump that leaves out the meta data is helped out with what the payload says.
func (d *Delivery) complete(err error) error {
	if err == nil && d.CommitTS == 0 {
		h, peeked := Peek(d.Payload)
		d.StartTS, d.CommitTS, err = h.StartTS, h.CommitTS, peeked
	}
	if err != nil {
		return fmt.Errorf("pulled entity: %w", err)
	}
	return nil
}

func (d *Delivery) unmarshalEntity(b []byte) error {
	inner := error(nil)
	err := eachField(b, func(f field) {
		if f.typ != protowire.BytesType {
			return
		}
		switch f.num {
		case 2:
			d.Payload = f.bytes
		case 4:
			if err := d.unmarshalMeta(f.bytes); err != nil && inner == nil {
				inner = err
			}
		}
	})
	if err == nil {
		err = inner
	}
	return err
}

func (d *Delivery) unmarshalMeta(b []byte) error {
	return eachField(b, func(f field) {
		switch {
		case f.typ != protowire.VarintType:
		case f.num == 1:
			d.StartTS = int64(f.varint)
		case f.num == 2:
			d.CommitTS = int64(f.varint)
		}
	})
}
