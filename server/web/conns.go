package web

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// From when on an idle connection, and one whose request has not ended, makes room for others first.
const (
	idleAfter = time.Second
	slowAfter = 2 * time.Second
)

// conns are the open connections of the port, of which there are at most max. A further one takes
// the place of one that has been idle for a while, else of one whose request is slow, else of
// any that is idle, always the longest so; when there is none it is refused.
type conns struct {
	max int

	mu   sync.Mutex
	open map[net.Conn]use
}

// use is what a connection does, and since when.
type use struct {
	active bool
	since  time.Time
}

// follow is the http.Server's ConnState.
func (c *conns) follow(nc net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.open[nc]
	switch {
	case state == http.StateNew:
		if len(c.open) >= c.max && !c.dropLocked() {
			cut(nc)
			return
		}
		c.open[nc] = use{since: time.Now()} // it has said nothing yet
	case state == http.StateClosed || state == http.StateHijacked:
		delete(c.open, nc)
	case known:
		c.open[nc] = use{state == http.StateActive, time.Now()}
	}
}

// rank says how well others could do without the connection; 0: not at all.
func (u use) rank(now time.Time) int {
	age := now.Sub(u.since)
	switch {
	case !u.active && age >= idleAfter:
		return 3
	case u.active && age >= slowAfter:
		return 2
	case !u.active:
		return 1
	}
	return 0
}

// dropLocked closes the connection that is needed least, if there is one.
func (c *conns) dropLocked() bool {
	var least net.Conn
	now, most := time.Now(), 1
	for nc, u := range c.open {
		rank := u.rank(now)
		if rank > most || rank == most && (least == nil || u.since.Before(c.open[least].since)) {
			least, most = nc, rank
		}
	}
	if least == nil {
		return false
	}
	delete(c.open, least)
	cut(least)
	return true
}

// cut closes a connection without a farewell, which TLS would wait to send.
func cut(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	nc.Close()
}
