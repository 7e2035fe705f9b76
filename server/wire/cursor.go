package wire

import (
	"bytes"
	"encoding/binary"
)

// cursor reads a payload field by field. Once a field reaches beyond the end, ok is
// false for good and every further field is zero.
type cursor struct {
	b  []byte
	ok bool
}

func newCursor(b []byte) cursor { return cursor{b: b, ok: true} }

func (c *cursor) empty() bool { return len(c.b) == 0 }

// take gives the next n bytes, or nil.
func (c *cursor) take(n uint64) []byte {
	if !c.ok || n > uint64(len(c.b)) {
		c.ok = false
		c.b = nil
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) u8() byte {
	if p := c.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if p := c.take(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if p := c.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if p := c.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// lenenc reads a length-encoded integer; the NULL and error marks are not integers.
func (c *cursor) lenenc() uint64 {
	switch first := c.u8(); first {
	case 0xfc:
		return uint64(c.u16())
	case 0xfd:
		if p := c.take(3); p != nil {
			return uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16
		}
		return 0
	case 0xfe:
		return c.u64()
	case 0xfb, 0xff:
		c.ok = false
		return 0
	default:
		return uint64(first)
	}
}

// lenencBytes reads a length-encoded string.
func (c *cursor) lenencBytes() []byte { return c.take(c.lenenc()) }

// zeroTerminated reads up to a NUL, which must be there.
func (c *cursor) zeroTerminated() []byte {
	i := bytes.IndexByte(c.b, 0)
	if !c.ok || i < 0 {
		c.ok = false
		c.b = nil
		return nil
	}
	p := c.b[:i:i]
	c.b = c.b[i+1:]
	return p
}

// zeroOrEnd reads up to a NUL or the end; some clients leave the last NUL out.
func (c *cursor) zeroOrEnd() []byte {
	if bytes.IndexByte(c.b, 0) >= 0 {
		return c.zeroTerminated()
	}
	return c.take(uint64(len(c.b)))
}
