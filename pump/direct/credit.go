package direct

import (
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// credit bounds the frames of a connection that bring no binlog (RFC 9113, 10.5): resets,
// SETTINGS, pings, empty frames, refused calls. Each costs something, time and good calls bring
// it back. A peer that spends more than it has is sent away with ENHANCE_YOUR_CALM.
type credit struct {
	// The reader's:
	left   int
	since  time.Time // left is of then; zero: nothing has been given yet
	member bool      // left is a member's

	good atomic.Int64 // good calls since then
	bad  atomic.Int64 // calls since then that could not be accepted
}

// What a connection may spend: as much at first and at most, and as much more in a second. One
// that has made a good call may reset every call that it may have open, and again a few seconds
// later; a keep-alive and the SETTINGS of a client that has made none are a few.
const (
	strangerCredit, strangerRefill = 200, 20
	memberCredit, memberRefill     = 10_000, 1_000
	// A good call brings back more than what clients send with each: a ping that measures the
	// way, window updates, a reset that crosses the answer.
	goodCall = 4
	badCall  = 2
)

// spend takes what a frame costs; an error says that the peer has not got it.
func (c *credit) spend(cost int, member bool) error {
	if c.left -= cost; c.left >= 0 && c.bad.Load() < strangerCredit/4 {
		return nil
	}
	most, refill := strangerCredit, strangerRefill
	if member {
		most, refill = memberCredit, memberRefill
	}
	now := time.Now()
	if c.since.IsZero() || member && !c.member {
		c.left += most
		c.member = member
	} else {
		c.left += int(min(now.Sub(c.since).Seconds()*float64(refill), float64(most)))
	}
	c.left += int(min(goodCall*c.good.Swap(0), memberCredit) - badCall*c.bad.Swap(0))
	c.left = min(c.left, most)
	c.since = now
	if c.left < 0 {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	return nil
}

// smallData is how many bytes of a message make a frame worth its while.
const smallData = 256

// cost is what a frame costs before anything is known of its stream.
func (h frameHeader) cost() int {
	switch h.typ {
	case http2.FrameData:
		if h.flags.Has(http2.FlagDataEndStream) || h.length >= smallData && !h.flags.Has(http2.FlagDataPadded) {
			return 0
		}
		return 1
	case http2.FrameHeaders:
		return 0 // what becomes of the call counts
	case http2.FrameSettings:
		return 4 // it is answered, and may change the header compression
	}
	return 1
}
