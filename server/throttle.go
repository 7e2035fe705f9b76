package server

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// How logins are slowed down.
const (
	freeFailures   = 5 // these cost nothing
	firstDelay     = 100 * time.Millisecond
	longestDelay   = 3 * time.Second
	forgetFailures = 5 * time.Minute // after the last one
	attemptTime    = 2 * time.Second // an attempt that has not ended by then counts as failed
	longestWait    = 8 * time.Second // of an attempt for its turn
	maxGuessed     = 4096            // entries in the table
	maxWaiting     = 1024            // attempts, of all entries
	ipv6Network    = 64              // one customer's addresses
)

// throttle makes guessing passwords slow. It counts for each user name and network, so that
// nobody is held up by guesses at another name or from elsewhere:
//
//   - Up to freeFailures attempts may be under way or have failed; further ones wait for one of
//     them to end. A pool that connects at once with the right password is not slowed down.
//   - After freeFailures failures attempts go one at a time, with a delay between them that
//     doubles. So it gains nothing to try in parallel, to hang up early or to let an attempt hang.
//   - A success forgets the failures of that name from that network.
//
// Attempts get their turns in the order in which they came.
type throttle struct {
	now   func() time.Time
	after func(d time.Duration, f func()) // calls f once, then, on a goroutine of its own

	mu      sync.Mutex
	guessed map[guessKey]*guesses
	waiting int
}

// guessKey is what one entry of the table stands for.
type guessKey struct {
	user    string
	network netip.Addr
	unix    bool
}

// guesses are the attempts at one user name from one network. Guarded by throttle.mu.
type guesses struct {
	failures int
	last     time.Time  // of the failures
	next     time.Time  // no attempt before; only after freeFailures
	running  int        // attempts under way
	queue    []*attempt // that wait for their turn
	armed    bool       // a timer is set for next
}

// attempt is one login on its way.
type attempt struct {
	t     *throttle
	key   guessKey
	turn  chan struct{} // closed when it may go on
	begun bool
	ended bool // it no longer counts as running
}

func newThrottle() *throttle {
	return &throttle{
		now:     time.Now,
		after:   func(d time.Duration, f func()) { time.AfterFunc(d, f) },
		guessed: make(map[guessKey]*guesses),
	}
}

// keyOf is the entry for a user name, which may be any text a client sends.
func keyOf(user string, from peer) guessKey {
	return guessKey{user: user[:min(len(user), maxNameShown)], network: network(from.ip), unix: from.unix}
}

// network is the addresses that count as one.
func network(ip netip.Addr) netip.Addr {
	if !ip.Is6() {
		return ip
	}
	p, err := ip.Prefix(ipv6Network)
	if err != nil {
		return ip
	}
	return p.Addr()
}

// begin announces an attempt, which may go on when its turn comes; nil: too many wait.
func (t *throttle) begin(key guessKey) *attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.guessed[key]
	if g == nil {
		if len(t.guessed) >= maxGuessed {
			t.makeRoomLocked()
		}
		g = &guesses{}
		t.guessed[key] = g
	}
	a := &attempt{t: t, key: key, turn: make(chan struct{})}
	g.queue = append(g.queue, a)
	t.waiting++
	t.serveLocked(g)
	if !a.begun && t.waiting > maxWaiting {
		g.queue = g.queue[:len(g.queue)-1]
		t.waiting--
		return nil
	}
	return a
}

// waits reports whether the attempt's turn is still to come.
func (a *attempt) waits() bool {
	select {
	case <-a.turn:
		return false
	default:
		return true
	}
}

// leave ends an attempt that has waited long enough; it does not count as failed. If its turn
// has come just now, it is true and the attempt has to go on.
func (a *attempt) leave() (turn bool) {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	if a.begun {
		return true
	}
	g := a.t.guessed[a.key]
	if i := slices.Index(g.queue, a); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
		a.t.waiting--
	}
	return false
}

// end says how an attempt went that has had its turn. One that took longer than attemptTime
// has been counted as failed before; a success is one all the same.
func (a *attempt) end(ok bool) {
	t := a.t
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.guessed[a.key]
	if g == nil {
		return // it has been forgotten since it was late
	}
	late := a.ended
	if !late {
		a.ended = true
		g.running--
	}
	switch {
	case ok:
		g.failures, g.next = 0, time.Time{}
	case !late:
		g.failures++
		g.last = t.now()
		if over := g.failures - freeFailures; over >= 0 {
			g.next = g.last.Add(min(firstDelay<<min(over, 10), longestDelay))
		}
	}
	t.serveLocked(g)
	if g.failures == 0 && g.running == 0 && len(g.queue) == 0 {
		delete(t.guessed, a.key)
	}
}

// serveLocked gives turns to those who may have them.
func (t *throttle) serveLocked(g *guesses) {
	now := t.now()
	if g.failures > 0 && now.Sub(g.last) > forgetFailures {
		g.failures, g.next = 0, time.Time{}
	}
	for len(g.queue) > 0 {
		if g.failures < freeFailures {
			if g.failures+g.running >= freeFailures {
				return
			}
		} else if g.running > 0 {
			return
		} else if d := g.next.Sub(now); d > 0 {
			if !g.armed {
				g.armed = true
				t.after(d, func() {
					t.mu.Lock()
					defer t.mu.Unlock()
					g.armed = false
					t.serveLocked(g)
				})
			}
			return
		}
		a := g.queue[0]
		g.queue = slices.Delete(g.queue, 0, 1)
		t.waiting--
		g.running++
		a.begun = true
		close(a.turn)
		t.after(attemptTime, a.overdue)
	}
}

// overdue counts an attempt as failed that has not ended, so that it holds up nobody.
func (a *attempt) overdue() {
	a.t.mu.Lock()
	ended := a.ended
	a.t.mu.Unlock()
	if !ended {
		a.end(false)
	}
}

// makeRoomLocked drops entries that nobody uses: what has expired, then names that failed a few times
// only, and if that is little, any others. A flood of names must neither walk the table at
// each attempt nor push out what is known of the names that are really guessed at.
func (t *throttle) makeRoomLocked() {
	now := t.now()
	drop := func(which func(g *guesses) bool) {
		for key, g := range t.guessed {
			if len(t.guessed) <= maxGuessed*3/4 {
				return
			}
			if g.running == 0 && len(g.queue) == 0 && which(g) {
				delete(t.guessed, key)
			}
		}
	}
	drop(func(g *guesses) bool { return now.Sub(g.last) > forgetFailures })
	drop(func(g *guesses) bool { return g.failures <= freeFailures })
	drop(func(*guesses) bool { return true })
}
