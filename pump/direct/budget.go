package direct

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// budget bounds what has come of messages that are not whole yet, on all connections together. A message that
// comes in several frames claims its announced size before its sender may send more than a window of it. It gets
// all of that or nothing: so whatever has been granted can be finished, and claims never wait for each other in a
// circle. Members, who have made a good call, come before strangers, and otherwise claims are granted in their
// order. Strangers together get a quarter of the budget, or one message.
type budget struct {
	limit int64
	// slow is how often it is looked, while claims wait, whether those that have been granted go on: one that
	// has got less than slowBytes since then gives way.
	slow time.Duration

	mu        sync.Mutex
	used      int64
	strangers int64 // of used
	granted   map[*claim]struct{}
	waiting   []*claim // members first
	watch     *time.Timer
}

const (
	slowAfter = 5 * time.Second
	slowBytes = 320 << 10 // 64 KiB a second: any network that replication can live with is faster
	// strangersPart is the part of the budget that strangers have.
	strangersPart = 4
	// maxWaiting members and maxStrange others may wait: each has sent a window of its message.
	maxWaiting, maxStrange = 1000, 200
)

func newBudget(limit int64) *budget {
	return &budget{limit: limit, slow: slowAfter, granted: make(map[*claim]struct{})}
}

// claim is the claim of one message.
type claim struct {
	budget *budget
	size   int64
	member bool
	grant  func() // called once, by a goroutine of its own, if the claim had to wait
	evict  func() // called once, by a goroutine of its own, when the message comes too slowly
	got    atomic.Int64

	open bool  // it has been granted; the budget's
	seen int64 // got, at the last look; the budget's
	old  bool  // seen is of a look; the budget's
	gone bool  // it has been evicted; the budget's
}

// claim asks for size bytes. Whether they are granted at once says open; if not, grant is called when they are. It
// is refused when too many wait.
func (b *budget) claim(size int64, member bool, grant, evict func()) (c *claim, open, refused bool) {
	c = &claim{budget: b, size: size, member: member, grant: grant, evict: evict}
	b.mu.Lock()
	defer b.mu.Unlock()
	at, members := len(b.waiting), b.membersLocked()
	if member {
		at = members
	}
	if at == 0 && b.fitsLocked(c) {
		b.openLocked(c)
		return c, true, false
	}
	if member && members >= maxWaiting || !member && len(b.waiting)-members >= maxStrange {
		return nil, false, true
	}
	b.waiting = slices.Insert(b.waiting, at, c)
	if b.watch == nil {
		b.watch = time.AfterFunc(b.slow, b.look)
	}
	return c, false, false
}

// membersLocked is how many of those that wait are members.
func (b *budget) membersLocked() int {
	if n := slices.IndexFunc(b.waiting, func(o *claim) bool { return !o.member }); n >= 0 {
		return n
	}
	return len(b.waiting)
}

func (b *budget) fitsLocked(c *claim) bool {
	if b.used > 0 && b.used+c.size > b.limit {
		return false
	}
	return c.member || b.strangers == 0 || b.strangers+c.size <= b.limit/strangersPart
}

func (b *budget) openLocked(c *claim) {
	c.open = true
	b.granted[c] = struct{}{}
	b.used += c.size
	if !c.member {
		b.strangers += c.size
	}
}

// end gives back what a claim has, or has it wait no more. It may be called again, and of nil.
func (c *claim) end() {
	if c == nil {
		return
	}
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.granted[c]; ok {
		delete(b.granted, c)
		b.used -= c.size
		if !c.member {
			b.strangers -= c.size
		}
	} else if i := slices.Index(b.waiting, c); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	}
	b.serveLocked()
}

// serveLocked grants what fits, in order. A stranger that does not fit does not hold back a member, which is
// before it.
func (b *budget) serveLocked() {
	for len(b.waiting) > 0 && b.fitsLocked(b.waiting[0]) {
		c := b.waiting[0]
		b.waiting = slices.Delete(b.waiting, 0, 1)
		b.openLocked(c)
		go c.grant()
	}
}

// look has messages that come too slowly give way to those that wait.
func (b *budget) look() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		for c := range b.granted {
			c.old = false
		}
		b.watch = nil
		return
	}
	for c := range b.granted {
		got := c.got.Load()
		if c.gone {
			continue // until its connection is closed
		}
		if c.old && got < c.size && got-c.seen < slowBytes {
			c.gone = true
			go c.evict()
			continue
		}
		c.seen, c.old = got, true
	}
	b.watch.Reset(b.slow)
}
