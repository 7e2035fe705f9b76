package binlogpb

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Codec is the gRPC codec of pumps and drainers: plain protocol buffers on the
// wire (it calls itself "proto", so the other end notices nothing), but each
// message is sized once and written once into a pooled buffer, a received
// [WriteBinlogReq] costs one copy of its payload, and a [Delivery] stands for a
// PullBinlogResp, a [Pack] for several.
//
// Pass it with grpc.ForceServerCodecV2 or, in a client, as call option
// grpc.ForceCodecV2; nothing is registered globally.
type Codec struct {
	// Pool gives the buffers of outgoing messages. nil: gRPC's default pool.
	Pool mem.BufferPool
}

var _ encoding.CodecV2 = Codec{}

// Name is the content sub-type on the wire.
func (Codec) Name() string { return "proto" }

func (c Codec) pool() mem.BufferPool {
	if c.Pool == nil {
		return mem.DefaultBufferPool()
	}
	return c.Pool
}

// Marshal implements encoding.CodecV2.
func (c Codec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case *Delivery:
		f, err := m.frame()
		if err != nil {
			return nil, err
		}
		if len(m.Payload) >= Giant {
			return m.pieces(f), nil
		}
		return c.write(f.wire, func(b []byte) ([]byte, error) { return m.append(b, f), nil })
	case *Pack:
		return m.take(), nil
	case *WriteBinlogReq:
		if len(m.ProtoReflect().GetUnknown()) == 0 {
			return c.write(sizeWriteReq(m), func(b []byte) ([]byte, error) { return appendWriteReq(b, m), nil })
		}
		return c.marshal(m)
	case *WriteBinlogResp:
		if m.Errmsg == "" && len(m.ProtoReflect().GetUnknown()) == 0 {
			return nil, nil // success, which is no bytes
		}
		return c.marshal(m)
	case proto.Message:
		return c.marshal(m)
	}
	return nil, fmt.Errorf("marshal: %T is not a protocol buffer message", v)
}

func (c Codec) marshal(m proto.Message) (mem.BufferSlice, error) {
	// The size is computed here and the message does not change before it is
	// written: that is what UseCachedSize asks for.
	return c.write(proto.Size(m), func(b []byte) ([]byte, error) {
		return proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, m)
	})
}

// write lets fill append exactly size bytes to a buffer and hands that to gRPC,
// which gives it back to the pool when it is on the wire.
func (c Codec) write(size int, fill func([]byte) ([]byte, error)) (mem.BufferSlice, error) {
	if mem.IsBelowBufferPoolingThreshold(size) {
		b, err := fill(make([]byte, 0, size))
		if err != nil {
			return nil, err
		}
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	pool := c.pool()
	buf := pool.Get(size)
	if _, err := fill((*buf)[:0]); err != nil {
		pool.Put(buf)
		return nil, err
	}
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case *Delivery:
		return m.unmarshal(own(data))
	case *Pack:
		m.got = own(data)
		return nil
	case *WriteBinlogReq:
		return unmarshalWriteReq(own(data), m)
	case *WriteBinlogResp:
		if data.Len() == 0 {
			m.Reset()
			return nil
		}
		return c.unmarshal(data, m)
	case proto.Message:
		return c.unmarshal(data, m)
	}
	return fmt.Errorf("unmarshal: %T is not a protocol buffer message", v)
}

func (c Codec) unmarshal(data mem.BufferSlice, m proto.Message) error {
	buf := data.MaterializeToBuffer(c.pool())
	defer buf.Free()
	return proto.Unmarshal(buf.ReadOnlyData(), m)
}

func sizeWriteReq(m *WriteBinlogReq) (n int) {
	if m.ClusterID != 0 {
		n += 1 + protowire.SizeVarint(m.ClusterID)
	}
	if len(m.Payload) > 0 {
		n += 1 + protowire.SizeBytes(len(m.Payload))
	}
	return n
}

func appendWriteReq(b []byte, m *WriteBinlogReq) []byte {
	if m.ClusterID != 0 {
		b = append(b, 1<<3|byte(protowire.VarintType))
		b = protowire.AppendVarint(b, m.ClusterID)
	}
	if len(m.Payload) > 0 {
		b = append(b, 2<<3|byte(protowire.BytesType))
		b = protowire.AppendBytes(b, m.Payload)
	}
	return b
}

func unmarshalWriteReq(b []byte, m *WriteBinlogReq) (err error) {
	m.Reset()
	m.ClusterID, m.Payload, err = ParseWriteReq(b)
	return err
}

// ParseWriteReq reads a WriteBinlogReq; the payload stays a part of b.
func ParseWriteReq(b []byte) (clusterID uint64, payload []byte, err error) {
	err = eachField(b, func(f field) {
		switch {
		case f.num == 1 && f.typ == protowire.VarintType:
			clusterID = f.varint
		case f.num == 2 && f.typ == protowire.BytesType:
			payload = f.bytes
		}
	})
	if err != nil {
		return 0, nil, fmt.Errorf("write request: %w", err)
	}
	return clusterID, payload, nil
}
