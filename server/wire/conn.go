package wire

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
)

const (
	readBufferSize  = 4 << 10
	writeBufferSize = 4 << 10
	keepWriteBuffer = 64 << 10 // larger ones are not given back to the pool
	flushThreshold  = 64 << 10 // rows are sent once this much is waiting
	firstBigRead    = 64 << 10 // first allocation for a packet longer than the read buffer
	headerSize      = 4
)

// Shared is what the connections of one server have in common. The zero value is ready.
type Shared struct {
	In, Out atomic.Uint64 // bytes received and sent
	buffers sync.Pool     // of *[]byte: write buffers between commands
	compressors
}

func (s *Shared) buffer() *[]byte {
	if b, ok := s.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, writeBufferSize)
	return &b
}

// Conn reads and writes packets. It is used by one goroutine; others may call only
// [Conn.Wake], [Conn.Hurry], [Conn.Gone] and [Conn.Close].
type Conn struct {
	nc     net.Conn // what packets go over: the socket, or TLS on it
	socket net.Conn // the socket
	shared *Shared

	buf        []byte // read buffer; unread bytes are buf[rpos:rend]
	rpos, rend int
	seq        byte
	limit      int   // longest payload accepted
	quota      int64 // bytes that may still arrive; negative: any number

	out     []byte // packets not sent yet
	outBuf  *[]byte
	open    int    // where the packet being written begins; -1: none is
	rowText []byte // scratch of the transcoder

	writeTimeout  time.Duration
	readDeadline  time.Time
	writeDeadline time.Time

	caps       uint32
	compressed *compression // nil: packets go as they are
	charset    *Charset
	reserve    func(bytes int64) error // asked before memory is taken for a large packet
	take       func(bytes int64) error // asked for what the connection keeps
}

// NewConn prepares a connection for the handshake. maxPacket is the longest payload
// in bytes that is accepted.
func NewConn(nc net.Conn, maxPacket int, writeTimeout time.Duration, shared *Shared) *Conn {
	return &Conn{
		nc: nc, socket: nc, shared: shared,
		buf:   make([]byte, readBufferSize),
		limit: maxPacket, quota: -1, open: -1,
		writeTimeout: writeTimeout,
		charset:      utf8mb4,
	}
}

// SetLimit sets the longest payload accepted, in bytes.
func (c *Conn) SetLimit(maxPacket int) { c.limit = maxPacket }

// SetReserve has functions asked before memory is taken: packet for a packet that is longer than the
// read buffer, whose bytes the caller keeps as long as the packet is used, and own for what the
// connection keeps, which it gives back (fewer than 0 bytes). An error ends the connection, as
// that of a packet that is too long does.
func (c *Conn) SetReserve(packet, own func(bytes int64) error) { c.reserve, c.take = packet, own }

// SetQuota lets at most n more bytes arrive; a negative n lifts the quota.
func (c *Conn) SetQuota(n int64) { c.quota = n }

// Capabilities are what client and server both can do (mysql.CLIENT_*).
func (c *Conn) Capabilities() uint32 { return c.caps }

// SetCharset sets what texts are sent in from now on.
func (c *Conn) SetCharset(cs *Charset) { c.charset = cs }

// Close closes the socket. A goroutine that reads or writes gets an error.
func (c *Conn) Close() error { return c.socket.Close() }

// Wake makes a blocked read of the connection's goroutine fail at once. It must not
// run at the same time as [Conn.ArmRead].
func (c *Conn) Wake() { _ = c.socket.SetReadDeadline(time.Unix(1, 0)) }

// Hurry gives writes that are under way no more than d. Any goroutine may call it.
func (c *Conn) Hurry(d time.Duration) { _ = c.socket.SetWriteDeadline(time.Now().Add(d)) }

// Gone reports whether the client has closed its side while nobody was reading. Any
// goroutine may call it.
func (c *Conn) Gone() bool { return peerClosed(c.socket) }

// Drain takes at most n more bytes and throws them away, so that a client that is still
// sending gets to read the error it was sent: closing with bytes unread resets the
// connection, and the error is lost with it. A deadline must have been set.
func (c *Conn) Drain(n int64) {
	if half, ok := c.socket.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(c.socket, n))
}

// ArmRead lets the client be silent for d from now on. To save system work the
// deadline is moved only when that matters: it never falls early, and at most a
// tenth of d, or one second, late.
func (c *Conn) ArmRead(now time.Time, d time.Duration) error {
	slack := min(d/10, time.Second)
	if until := c.readDeadline.Sub(now); until >= d && until <= d+slack {
		return nil
	}
	c.readDeadline = now.Add(d + slack)
	return c.nc.SetReadDeadline(c.readDeadline)
}

// SetDeadline bounds everything read from now on; used before login.
func (c *Conn) SetDeadline(t time.Time) error {
	c.readDeadline = t
	return c.nc.SetReadDeadline(t)
}

// StartCommand expects the first packet of a command next.
func (c *Conn) StartCommand() {
	c.seq = 0
	if c.compressed != nil {
		c.compressed.seq = 0
	}
}

// ReadPacket reads one payload, joined from as many packets as it takes. The slice is
// valid until the next call. A client that announces more than the limit gets error
// 1153 before anything is allocated for it; the connection cannot go on after any error.
func (c *Conn) ReadPacket() ([]byte, error) {
	n, err := c.readHeader(0)
	if err != nil {
		return nil, err
	}
	if n <= len(c.buf) && n < mysql.MaxPayloadLen {
		if err := c.fill(n); err != nil {
			return nil, err
		}
		p := c.buf[c.rpos : c.rpos+n : c.rpos+n]
		c.rpos += n
		return p, nil
	}
	var body []byte
	for {
		if body, err = c.readBig(body, n); err != nil {
			return nil, err
		}
		if n < mysql.MaxPayloadLen {
			return body, nil
		}
		if n, err = c.readHeader(len(body)); err != nil {
			return nil, err
		}
	}
}

// readHeader reads a packet's header and checks it; have is how long the payload is
// already.
func (c *Conn) readHeader(have int) (int, error) {
	if err := c.fill(headerSize); err != nil {
		if c.compressed != nil {
			c.seq = c.compressed.seq // for the error that is sent
		}
		return 0, err
	}
	h := c.buf[c.rpos : c.rpos+headerSize]
	c.rpos += headerSize
	n := int(h[0]) | int(h[1])<<8 | int(h[2])<<16
	inOrder := h[3] == c.seq || c.compressed != nil // then frames are in order, and clients number packets differently
	c.seq = h[3] + 1
	if !inOrder {
		return 0, errOutOfOrder()
	}
	if have+n > c.limit {
		return 0, errTooLarge()
	}
	return n, nil
}

// fill makes n unread bytes available in the buffer; n is at most its size.
func (c *Conn) fill(n int) error {
	if c.rend-c.rpos >= n {
		return nil
	}
	if c.rpos > 0 {
		copy(c.buf, c.buf[c.rpos:c.rend])
		c.rend -= c.rpos
		c.rpos = 0
	}
	for c.rend < n {
		got, err := c.read(c.buf[c.rend:])
		c.rend += got
		if err != nil && c.rend < n {
			if errors.Is(err, io.EOF) && c.rend > 0 {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// readBig appends n bytes to body. The allocation doubles as bytes arrive.
func (c *Conn) readBig(body []byte, n int) ([]byte, error) {
	want := len(body) + n
	took := min(n, c.rend-c.rpos)
	body = append(body, c.buf[c.rpos:c.rpos+took]...)
	c.rpos += took
	for len(body) < want {
		if len(body) == cap(body) {
			size := min(max(2*len(body), firstBigRead), max(want, len(body)+1))
			if c.reserve != nil {
				if err := c.reserve(int64(size - cap(body))); err != nil {
					return nil, err
				}
			}
			grown := make([]byte, len(body), size)
			copy(grown, body)
			body = grown
		}
		got, err := c.read(body[len(body):min(cap(body), want)])
		body = body[:len(body)+got]
		if err != nil && len(body) < want {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return body, nil
}

func (c *Conn) read(p []byte) (int, error) {
	if c.compressed != nil {
		return c.compressed.Read(p)
	}
	return c.readRaw(p)
}

// readRaw reads what the socket, or TLS on it, gives.
func (c *Conn) readRaw(p []byte) (int, error) {
	n, err := c.nc.Read(p)
	if n > 0 {
		c.shared.In.Add(uint64(n))
		if c.quota >= 0 {
			if c.quota -= int64(n); c.quota < 0 {
				return 0, ErrQuota
			}
		}
	}
	return n, err
}

// begin opens a packet in the write buffer; end closes it.
func (c *Conn) begin() (offset int) {
	if c.outBuf == nil {
		c.outBuf = c.shared.buffer()
		c.out = (*c.outBuf)[:0]
	}
	offset = len(c.out)
	c.open = offset
	c.out = append(c.out, 0, 0, 0, 0)
	return offset
}

// end fills in the header of the packet that began at offset, and cuts the payload
// into several packets when it is too long for one.
func (c *Conn) end(offset int) {
	for {
		n := len(c.out) - offset - headerSize
		c.putHeader(offset, min(n, mysql.MaxPayloadLen))
		if n < mysql.MaxPayloadLen {
			c.open = -1
			return
		}
		offset += headerSize + mysql.MaxPayloadLen
		c.out = append(c.out, 0, 0, 0, 0)
		copy(c.out[offset+headerSize:], c.out[offset:])
	}
}

func (c *Conn) putHeader(offset, n int) {
	h := c.out[offset : offset+headerSize]
	h[0], h[1], h[2], h[3] = byte(n), byte(n>>8), byte(n>>16), c.seq
	c.seq++
}

// Abandon drops a packet that was begun and not finished, because of a panic.
func (c *Conn) Abandon() {
	if c.open >= 0 && c.outBuf != nil {
		c.out = c.out[:c.open]
	}
	c.open = -1
}

// Flush sends what has been written.
func (c *Conn) Flush() error {
	if c.outBuf == nil {
		return nil
	}
	err := c.send()
	if cap(c.out) <= keepWriteBuffer+keepWriteBuffer/2 {
		*c.outBuf = c.out[:0]
		c.shared.buffers.Put(c.outBuf)
	}
	c.out, c.outBuf = nil, nil
	return err
}

func (c *Conn) send() error {
	if len(c.out) == 0 {
		return nil
	}
	if c.writeTimeout > 0 {
		if now := time.Now(); c.writeDeadline.Sub(now) < c.writeTimeout {
			c.writeDeadline = now.Add(c.writeTimeout + c.writeTimeout/8)
			if err := c.nc.SetWriteDeadline(c.writeDeadline); err != nil {
				return err
			}
		}
	}
	write := c.nc.Write
	if c.compressed != nil {
		write = c.compressed.Write
	}
	n, err := write(c.out)
	c.shared.Out.Add(uint64(n))
	c.out = c.out[:0]
	return err
}

// sendIfLarge keeps a long result from piling up in memory.
func (c *Conn) sendIfLarge() error {
	if len(c.out) < flushThreshold {
		return nil
	}
	return c.send()
}
