package daemon

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// conns knows the open connections of a listener. Whoever connects and says nothing would
// otherwise hold up the end of a node: neither server has such a connection yet, and
// both wait for it.
type conns struct {
	net.Listener

	mu   sync.Mutex
	open map[*conn]struct{}
}

type conn struct {
	net.Conn
	of    *conns
	heard atomic.Bool // something has come
}

func trackConns(l net.Listener) *conns {
	return &conns{Listener: l, open: make(map[*conn]struct{})}
}

func (l *conns) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tracked := &conn{Conn: c, of: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[tracked] = struct{}{}
	return tracked, nil
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.heard.Load() {
		c.heard.Store(true)
	}
	return n, err
}

// SyscallConn implements syscall.Conn.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// cut closes the connections that nothing has come from, or all.
func (l *conns) cut(all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if all || !c.heard.Load() {
			c.Conn.Close() // its reader sees it and closes it once more
		}
	}
}
