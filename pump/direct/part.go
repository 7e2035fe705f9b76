package direct

import (
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/net/http2"

	"pumphouse/binlogpb"
)

// firstWindow is how much of a message its sender may send before the budget has room for all of it.
const firstWindow = 64 << 10

// part is a message that comes in several frames, and its claim of the budget. The methods of nil do nothing: the
// size is not known yet.
type part struct {
	claim *claim
	open  atomic.Bool // the budget has room
	ended atomic.Bool
}

// begins claims the budget for a message whose size is known now. Who is refused may try again at once.
func (c *conn) begins(s *stream) {
	p, id := new(part), s.id
	claim, open, refused := c.srv.held.claim(int64(prefix+messageLength(s.message)), c.member.Load(), func() { c.granted(p, id) }, c.close)
	if refused {
		c.credit.bad.Add(1)
		c.out.reset(id, http2.ErrCodeRefusedStream)
		c.release(s)
		return
	}
	p.claim, s.part = claim, p
	if open {
		p.open.Store(true)
		c.goOn(id, messageLength(s.message))
	}
}

// goOn has the peer send the rest of a message, a window at a time.
func (c *conn) goOn(id uint32, size int) {
	if size > firstWindow && c.srv.opts.StreamWindow > firstWindow {
		c.out.windowUpdate(id, c.srv.opts.StreamWindow-firstWindow)
	}
}

// granted has the peer go on with a message that has waited.
func (c *conn) granted(p *part, id uint32) {
	p.open.Store(true)
	if p.ended.Load() {
		return
	}
	c.goOn(id, firstWindow+1)
	if c.out.flush() != nil {
		c.close() // the reader sees it
	}
}

// whole gives the claim to whoever has the message now; nil: there is none.
func (p *part) whole() (held *claim) {
	if p == nil {
		return nil
	}
	held, p.claim = p.claim, nil
	return held
}

// end gives the claim back, if the message still has it.
func (p *part) end() {
	if p == nil {
		return
	}
	p.ended.Store(true)
	p.whole().end()
}

// add gives the message with the next bytes. The room for all of it is made when the budget has it: to let a large
// one grow would take its memory more than twice.
func (s *stream) add(b []byte) []byte {
	if s.part == nil || cap(s.message)-len(s.message) >= len(b) {
		return append(s.message, b...)
	}
	size := prefix + messageLength(s.message)
	if !s.part.open.Load() || cap(s.message) >= size {
		return append(s.message, b...)
	}
	if size >= binlogpb.Giant {
		debug.FreeOSMemory() // what came before may have been as large
	}
	return append(append(make([]byte, 0, size), s.message...), b...)
}
