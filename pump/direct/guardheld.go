package direct

import (
	"net"
	"sync"

	"golang.org/x/net/http2"
)

// unfinished are the messages on a connection of the gRPC server that have come in part. That library reads a message
// into memory as it comes, so one that is longer than a window claims the budget here, and nothing is read from its
// connection before it has that. How large it becomes is not known here, as it may be compressed: it claims the most.
type unfinished struct {
	budget *budget
	most   int64

	mu     sync.Mutex
	bytes  map[uint32]int // that have come, by stream
	claims map[uint32]*claim
	closed chan struct{}
	over   bool
}

func newUnfinished(b *budget, most int64) *unfinished {
	return &unfinished{budget: b, most: most, bytes: make(map[uint32]int), claims: make(map[uint32]*claim), closed: make(chan struct{})}
}

// saw notes a frame, and gives the stream whose message needs the budget now; 0: none does.
func (u *unfinished) saw(h frameHeader) (needs uint32) {
	ends := h.typ == http2.FrameRSTStream || (h.typ == http2.FrameData || h.typ == http2.FrameHeaders) && h.flags.Has(http2.FlagDataEndStream)
	if !ends && h.typ != http2.FrameData {
		return 0
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if ends {
		u.claims[h.stream].end()
		delete(u.claims, h.stream)
		delete(u.bytes, h.stream)
		return 0
	}
	u.bytes[h.stream] += h.length
	if c := u.claims[h.stream]; c != nil {
		c.got.Store(int64(u.bytes[h.stream]))
	} else if u.bytes[h.stream] > firstWindow {
		return h.stream
	}
	return 0
}

// claim waits until the budget has room for a stream's message. A connection that has room for one does not wait for
// another, which could not be finished before that: it is an error, after which the peer has to take a new connection.
func (u *unfinished) claim(stream uint32, member bool, evict func()) error {
	granted := make(chan struct{})
	c, open, refused := u.budget.claim(u.most, member, func() { close(granted) }, evict)
	u.mu.Lock()
	others := len(u.claims) > 0
	if refused || u.over || others && !open {
		u.mu.Unlock()
		c.end()
		return net.ErrClosed
	}
	u.claims[stream] = c
	u.mu.Unlock()
	if open {
		return nil
	}
	select {
	case <-granted:
		return nil
	case <-u.closed:
		return net.ErrClosed
	}
}

// end gives everything back; the connection is closed. It may be called again.
func (u *unfinished) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return
	}
	u.over = true
	close(u.closed)
	for _, c := range u.claims {
		c.end()
	}
	clear(u.claims)
}
