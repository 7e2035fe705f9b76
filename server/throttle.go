package server

import (
	"net/netip"
	"sync"
	"time"
)

// How logins are slowed down.
const (
	freeFailures   = 5 // these cost nothing
	firstDelay     = 100 * time.Millisecond
	longestDelay   = 3 * time.Second
	forgetFailures = 5 * time.Minute // after the last one
	maxAddresses   = 4096
	ipv6Network    = 64 // one customer's addresses
)

// throttle makes guessing passwords slow. Whoever failed too often waits before the
// next attempt is looked at, so that hanging up early gains nothing.
type throttle struct {
	now func() time.Time

	mu       sync.Mutex
	failures map[netip.Addr]failure
}

type failure struct {
	count int
	last  time.Time
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, failures: make(map[netip.Addr]failure)}
}

// network is what one table entry stands for.
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

// delay is how long an attempt from that address has to wait.
func (t *throttle) delay(ip netip.Addr) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.failures[network(ip)]
	over := f.count - freeFailures
	if over < 0 || t.now().Sub(f.last) > forgetFailures {
		return 0
	}
	d := firstDelay << min(over, 10)
	return min(d, longestDelay)
}

// failed counts a login that did not succeed, broken off ones included.
func (t *throttle) failed(ip netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	key := network(ip)
	f, known := t.failures[key]
	if !known && len(t.failures) >= maxAddresses {
		t.makeRoomLocked(now)
	}
	if now.Sub(f.last) > forgetFailures {
		f.count = 0
	}
	t.failures[key] = failure{count: f.count + 1, last: now}
}

// makeRoomLocked drops what has expired, and if that is little, any quarter of the table,
// so that a flood of addresses does not walk it at each failure.
func (t *throttle) makeRoomLocked(now time.Time) {
	for key, f := range t.failures {
		if now.Sub(f.last) > forgetFailures {
			delete(t.failures, key)
		}
	}
	for key := range t.failures {
		if len(t.failures) <= maxAddresses*3/4 {
			return
		}
		delete(t.failures, key)
	}
}

// succeeded forgets an address's failures.
func (t *throttle) succeeded(ip netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.failures, network(ip))
}
