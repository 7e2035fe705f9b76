package direct

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
)

const (
	readBuffer = 64 << 10 // holds the largest frame
	frameLimit = 16 << 10 // SETTINGS_MAX_FRAME_SIZE, which is not changed
	frameHead  = 9
	// A batch is stored when the buffer has no whole frame more, or when it has so many calls.
	batchCalls = 1024
	// slowStore is how long binlogs are stored before somebody else goes on reading.
	slowStore = 500 * time.Millisecond
	// helloTime is how long a peer may take for the connection preface, a farewell for the
	// answer to the last ping.
	helloTime, farewell = 10 * time.Second, time.Second
	// writeTime is how long a peer may leave answers unread.
	writeTime = 20 * time.Second
)

// conn is a connection. One goroutine at a time is its reader, which owns the fields down to
// out; see [conn.store] for how that changes.
type conn struct {
	srv  *Server
	nc   net.Conn
	rest *listener
	r    *bufio.Reader

	// raw is what has been read until it is decided who serves the connection, settings how
	// many SETTINGS in it are not acknowledged.
	raw      []byte
	settings int

	dec     *hpack.Decoder
	head    header      // of the header block decoded last
	block   []byte      // a header block that comes in several frames
	blockOf frameHeader // its first frame
	streams map[uint32]*stream
	spare   []*stream
	lastID  uint32
	// consumed counts the bytes that the connection's window has not been given back for.
	consumed uint32
	// goodbye is how far a graceful end has come.
	goodbye phase

	credit credit
	member atomic.Bool // it has made a good call

	out      writer
	draining atomic.Bool
}

// phase of a graceful end: first the peer hears that it is to open no more streams; when it
// has surely heard that, the last stream is fixed, and the connection ends with it.
type phase int

const (
	serving phase = iota
	announced
	fixed
)

// stream is a call whose message has not come in full.
type stream struct {
	id       uint32
	message  []byte // with its 5 bytes of prefix
	consumed uint32 // as in conn
	part     *part  // nil: its size is not known yet
}

// batch is what is read and stored together.
type batch struct {
	calls []Call
	arena []byte // short messages
	slow  *time.Timer
	state atomic.Int32 // storing, stored, handedOver
}

const (
	storing int32 = iota
	stored
	handedOver
)

func newConn(s *Server, nc net.Conn, rest *listener) *conn {
	r, _ := s.readers.Get().(*bufio.Reader)
	if r == nil {
		r = bufio.NewReaderSize(nil, readBuffer)
	}
	r.Reset(nc)
	c := &conn{srv: s, nc: nc, rest: rest, r: r, streams: make(map[uint32]*stream)}
	c.dec = hpack.NewDecoder(4096, c.head.field)
	c.dec.SetMaxStringLength(2 * blockLimit) // no string of a block is longer
	c.out.init(nc)
	return c
}

// close ends the connection at once; its reader sees that.
func (c *conn) close() { c.nc.Close() }

// drain has the reader end the connection gracefully.
func (c *conn) drain() {
	c.draining.Store(true)
	_ = c.nc.SetReadDeadline(time.Now()) // wakes it; a closed connection needs no waking
}

// run serves the connection from its beginning.
func (c *conn) run() {
	defer c.srv.all.Done()
	given, err := c.begin()
	switch {
	case err != nil:
		c.leave(err)
	case given:
		c.srv.forget(c) // before it is given: nobody here ends it then
		if !c.rest.give(c.srv.guard(c.nc, c.raw, c.settings)) {
			c.fix()
			c.leave(errEnded)
			return
		}
		c.giveBack()
	default:
		c.serve()
	}
}

// serve reads calls and has them stored until the connection ends or another goroutine reads.
func (c *conn) serve() {
	b := new(batch)
	for {
		if err := c.fill(b); err != nil {
			b.release()
			c.leave(err)
			return
		}
		if handed := c.store(b); handed {
			return
		}
		if b.slow == nil {
			b = new(batch)
		}
	}
}

// leave closes the connection; err says why. It is the last act of the reader.
func (c *conn) leave(err error) {
	defer c.giveBack()
	for _, s := range c.streams {
		s.part.end()
	}
	var broken http2.ConnectionError
	if errors.As(err, &broken) {
		c.out.goAway(c.lastID, http2.ErrCode(broken))
	}
	if broken == http2.ConnectionError(http2.ErrCodeEnhanceYourCalm) && c.out.flush() == nil {
		// It goes on sending, which is not read: a peer that is sent away waits before the next try.
		time.Sleep(farewell)
		c.nc.Close()
		c.srv.forget(c)
		return
	}
	// If there is something unread when a socket is closed, its peer may lose what was sent
	// last: the GOAWAY that says which calls to repeat. So the peer is to close it first.
	if broken != 0 || errors.Is(err, errEnded) {
		_ = c.nc.SetReadDeadline(time.Now().Add(farewell)) // errors: it is closed either way
		if c.out.flush() == nil {
			_, _ = io.Copy(io.Discard, c.nc)
		}
	}
	c.nc.Close()
	c.srv.forget(c)
}

// giveBack has the next connection use the buffer of this one.
func (c *conn) giveBack() {
	c.r.Reset(nil)
	c.srv.readers.Put(c.r)
}

// fill gathers the calls that have come, at least one.
func (c *conn) fill(b *batch) error {
	for len(b.calls) == 0 || c.frameWaits() && len(b.calls) < batchCalls {
		if len(b.calls) == 0 {
			b.arena = b.arena[:0] // what calls left that were refused
		}
		if c.draining.Load() && c.goodbye == serving {
			c.sayGoodbye()
		}
		if c.goodbye == fixed && len(c.streams)+len(b.calls) == 0 && c.out.unanswered.Load() == 0 {
			return errEnded
		}
		if err := c.frame(b); c.woken(err) {
			c.sayGoodbye()
		} else if err != nil {
			return err
		}
	}
	return nil
}

// woken reports whether an error only says that a graceful end goes on.
func (c *conn) woken(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && c.draining.Load()
}

// sayGoodbye takes the next step of a graceful end. What others set before the read deadline is
// changed here is looked at afterwards.
func (c *conn) sayGoodbye() {
	switch c.goodbye {
	case serving:
		c.goodbye = announced
		_ = c.nc.SetReadDeadline(time.Now().Add(farewell))
		c.out.goAway(math.MaxInt32, http2.ErrCodeNo)
		c.out.ping(lastPing)
	case announced:
		c.fix()
		fallthrough
	case fixed:
		_ = c.nc.SetReadDeadline(time.Time{})
	}
}

// fix has the connection end with the calls it has by now.
func (c *conn) fix() {
	c.draining.Store(true)
	c.goodbye = fixed
	c.out.goAway(c.lastID, http2.ErrCodeNo)
}

// frameWaits reports whether a whole frame can be had without waiting.
func (c *conn) frameWaits() bool {
	if c.r.Buffered() < frameHead {
		return false
	}
	head, _ := c.r.Peek(frameHead)
	return c.r.Buffered() >= frameHead+parseHead(head).length
}

// rate counts good and bad calls.
func (c *conn) rate(calls []Call) {
	good, bad := int64(0), int64(0)
	for i := range calls {
		switch calls[i].Err {
		case nil:
			good++
		default:
			if code := status.Code(calls[i].Err); code == codes.InvalidArgument {
				bad++
			} else if code == codes.Unavailable { // no fault of the caller
				good++
			}
		}
	}
	if bad > 0 {
		c.credit.bad.Add(bad)
	}
	if good > 0 {
		c.credit.good.Add(good)
		if !c.member.Swap(true) && c.srv.opts.Vouch != nil {
			c.srv.opts.Vouch(c.nc.RemoteAddr())
		}
	}
}

// store has a batch stored and answers it. While that takes long, another goroutine becomes
// the reader, and this one is not any more when it is through: handed.
func (c *conn) store(b *batch) (handed bool) {
	b.state.Store(storing)
	c.out.unanswered.Add(int64(len(b.calls)))
	c.srv.all.Add(1) // for the timer's function, should it run
	if b.slow != nil {
		b.slow.Reset(slowStore)
	} else {
		b.slow = time.AfterFunc(slowStore, func() {
			defer c.srv.all.Done()
			if b.state.CompareAndSwap(storing, handedOver) {
				c.serve()
			}
		})
	}
	c.srv.opts.Write(b.calls)
	c.rate(b.calls)
	handed = !b.state.CompareAndSwap(storing, stored)
	if b.slow.Stop() {
		c.srv.all.Done()
	} else {
		b.slow = nil // its function may look at the state yet: the batch must not be used again
	}
	if err := c.out.answer(b.calls); err != nil {
		c.nc.Close() // the reader sees it
	} else if handed && c.draining.Load() {
		_ = c.nc.SetReadDeadline(time.Now()) // the reader may wait for nothing but this
	}
	b.release()
	return handed
}

// release lets go of the calls.
func (b *batch) release() {
	giant := false
	for i := range b.calls {
		giant = giant || len(b.calls[i].Payload) >= binlogpb.Giant
		b.calls[i].claim.end()
	}
	clear(b.calls)
	b.calls, b.arena = b.calls[:0], b.arena[:0]
	if giant {
		go debug.FreeOSMemory()
	}
}
