package direct

import (
	"encoding/binary"
	"net"
	"slices"
	"time"

	"golang.org/x/net/http2"
)

// replayed is a connection for the gRPC server of which something has been read already. It
// leaves out what has been answered here, and has peers spend their credit as those that are
// served here do.
type replayed struct {
	net.Conn
	srv  *Server
	head []byte // read before

	in     walker
	credit credit
	parts  *unfinished

	out  walker
	acks int  // acknowledgements of SETTINGS that the peer has got already
	held bool // the beginning of a header is in out and not sent
}

// longestWait is how long a call of such a peer waits for its turn at most.
const longestWait = 2 * time.Second

// strangerRead is how much is read at a time from a peer that has made no good call, so that it
// is slowed down before the gRPC server has much to do.
const strangerRead = 1 << 10

// Read implements net.Conn.
func (c *replayed) Read(b []byte) (n int, err error) {
	member := c.srv.opts.member(c.RemoteAddr())
	if !member {
		b = b[:min(len(b), strangerRead)]
	}
	if len(c.head) > 0 {
		n = copy(b, c.head)
		if c.head = c.head[n:]; len(c.head) == 0 {
			c.head = nil // it need not be kept
		}
	} else if n, err = c.Conn.Read(b); n == 0 {
		return n, err
	}
	cost, calls := 0, 0
	var large []uint32 // streams whose messages need the budget
	c.in.walk(b[:n], func(h frameHeader) {
		cost += h.cost()
		if id := c.parts.saw(h); id != 0 && !slices.Contains(large, id) {
			large = append(large, id)
		}
		if h.typ == http2.FrameHeaders {
			calls++
		}
	})
	wait := time.Duration(0)
	if calls > 0 && !member {
		wait = c.srv.strangerCalls(time.Now(), c.RemoteAddr(), calls)
	}
	if c.credit.spend(cost, member) != nil || wait > longestWait {
		sendAway(c.Conn)
		return 0, net.ErrClosed
	}
	time.Sleep(wait)
	for _, id := range large {
		if c.parts.claim(id, member, func() { c.Conn.Close() }) != nil {
			sendAway(c.Conn)
			return 0, net.ErrClosed
		}
	}
	return n, err
}

// Close implements net.Conn.
func (c *replayed) Close() error {
	c.parts.end()
	return c.Conn.Close()
}

// Write implements net.Conn. Each DATA frame counts as a good call: its receiver pings and updates
// windows for it, however small it is, and peers that make no good call get none.
func (c *replayed) Write(b []byte) (int, error) {
	var rest *[]byte // what is sent if something is left out
	if c.acks > 0 || c.held {
		cut := make([]byte, 0, len(b)+frameHead)
		rest = &cut
	}
	data := 0
	c.out.cut(b, rest, func(h frameHeader) bool {
		switch {
		case h.typ == http2.FrameData:
			data++
		case c.acks > 0 && h.typ == http2.FrameSettings && h.flags.Has(http2.FlagSettingsAck):
			c.acks--
			return true
		}
		return false
	})
	c.credit.good.Add(int64(data))
	if rest == nil {
		return c.Conn.Write(b)
	}
	c.held = c.out.have > 0
	if _, err := c.Conn.Write(*rest); err != nil {
		return 0, err
	}
	return len(b), nil
}

// walker finds the frames in bytes that come in pieces.
type walker struct {
	head    [frameHead]byte
	have    int // bytes in head
	payload int // bytes of the frame that are still to come
	preface int // bytes of the connection preface that are still to come
}

// walk calls f for each frame whose header ends in b.
func (w *walker) walk(b []byte, f func(frameHeader)) {
	w.cut(b, nil, func(h frameHeader) bool { f(h); return false })
}

// cut appends b to rest, but for the headers that drop wants dropped, which have no payload. A
// header that b ends within is appended when its end has come.
func (w *walker) cut(b []byte, rest *[]byte, drop func(frameHeader) bool) {
	keep := func(b []byte) {
		if rest != nil {
			*rest = append(*rest, b...)
		}
	}
	for len(b) > 0 {
		if skip := min(len(b), w.preface+w.payload); skip > 0 {
			keep(b[:skip])
			b = b[skip:]
			before := min(skip, w.preface)
			w.preface -= before
			w.payload -= skip - before
			continue
		}
		n := copy(w.head[w.have:], b)
		w.have += n
		b = b[n:]
		if w.have < frameHead {
			return
		}
		h := parseHead(w.head[:])
		w.have, w.payload = 0, h.length
		if !drop(h) {
			keep(w.head[:])
		}
	}
}

// sendAway sends a GOAWAY past whoever serves the connection, which may cut through what that
// sends, and closes it when the peer has had time to read it. Nothing more is read meanwhile, so
// that a peer that goes on sending costs nothing.
func sendAway(nc net.Conn) {
	b := []byte{0, 0, 8, byte(http2.FrameGoAway), 0, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(http2.ErrCodeEnhanceYourCalm))
	_ = nc.SetWriteDeadline(time.Now().Add(farewell)) // errors: it is closed either way
	_, _ = nc.Write(b)
	time.Sleep(farewell)
	nc.Close()
}
