package port

import (
	"container/list"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// DefaultMaxConns is how many connections a port has at most when nothing else is said: more
// than the TiDB servers, drainers and tools of a cluster, and what they cost fits in memory.
const DefaultMaxConns = 1024

// fileShare is the part of the process's file descriptors that connections leave to files and
// to connections to PD and TiKV: a quarter, and at least fileShare if there are twice as many.
const fileShare = 64

// connLimit is how many of the wanted connections there may be when the process may have so many
// files open.
func connLimit(want int, files uint64) int {
	if want <= 0 {
		want = DefaultMaxConns
	}
	if files > 1<<20 { // or as many as the machine has
		files = 1 << 20
	}
	n := int(files)
	return min(want, n-max(n/4, min(fileShare, n/2)))
}

// conns are the open connections of a port. When there are as many as there may be, a new one
// takes the place of the oldest that nobody has vouched for (see [Vouch]); if everybody has been
// vouched for, the new one is refused. What a peer sends does not make it younger: peers that only
// keep sending would else keep their places, and others would wait for them.
type conns struct {
	max   int
	files uint64 // RLIMIT_NOFILE
	log   logrus.FieldLogger
	rate  pace

	mu      sync.Mutex
	open    map[*conn]struct{}
	strange *list.List // of those in open that nobody has vouched for, the oldest first
	ended   bool       // no more are taken

	turnedAway int // since it was said last
	said       time.Time
}

// conn is one of them.
type conn struct {
	net.Conn
	of     *conns
	remote *remote
	heard  atomic.Bool // something has come
	known  atomic.Bool // vouched for

	opened time.Time

	place *list.Element // in of.strange; guarded by of.mu
}

// remote is the remote address of a connection. TLS, HTTP/2 and gRPC pass it on, so it leads
// who serves a call to the connection.
type remote struct {
	net.Addr
	conn *conn
}

// Vouch says that a peer has shown that it belongs to the cluster, so that its connection is not
// closed in favour of others. It does nothing for an address that is not of a [Port]'s connection.
func Vouch(peer net.Addr) {
	if r, ok := peer.(*remote); ok && !r.conn.known.Swap(true) {
		l := r.conn.of
		l.mu.Lock()
		defer l.mu.Unlock()
		if r.conn.place != nil {
			l.strange.Remove(r.conn.place)
			r.conn.place = nil
		}
	}
}

// Vouched reports whether somebody has vouched for the peer with this address, or it has none to
// be closed for: it is not of a [Port]'s connection.
func Vouched(peer net.Addr) bool {
	r, ok := peer.(*remote)
	return !ok || r.conn.known.Load()
}

func newConns(want int, log logrus.FieldLogger) *conns {
	l := &conns{log: log, open: make(map[*conn]struct{}), strange: list.New(),
		rate: pace{every: time.Second / newConnsPerSecond, burst: newConnsPerSecond}}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		limit.Cur = 1024 // the usual one
	}
	l.files = limit.Cur
	l.max = connLimit(want, l.files)
	return l
}

// newConnsPerSecond is how many connections are taken in a second, after as many at once. More
// wait in the kernel: to take and drop one costs more than to ask for it.
const newConnsPerSecond = 500

// accept takes the next connection of l that there is room for.
func (l *conns) accept(from net.Listener) (*conn, error) {
	for wait := time.Millisecond; ; {
		nc, err := from.Accept()
		switch {
		case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE):
			// What is left for files is used up, or the machine has none left.
			l.mu.Lock()
			l.dropLocked("no file descriptor is left for a connection")
			l.mu.Unlock()
			time.Sleep(wait)
			wait = min(2*wait, time.Second)
			continue
		case errors.Is(err, unix.ECONNABORTED):
			continue
		case err != nil:
			return nil, err
		}
		time.Sleep(l.rate.delay(time.Now()))
		if c := l.admit(nc); c != nil {
			return c, nil
		}
	}
}

// grace is how old a connection becomes before it is closed for another that waits, if that one
// has not waited as long: time to make a first call.
const grace = 500 * time.Millisecond

// dropAfter is how long to wait before a connection may be closed for another.
func (l *conns) dropAfter() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first := l.strange.Front(); first != nil && len(l.open) >= l.max {
		return grace - time.Since(first.Value.(*conn).opened)
	}
	return 0
}

// admit gives a connection a place; nil: it is refused, and closed.
func (l *conns) admit(nc net.Conn) *conn {
	for came := time.Now(); time.Since(came) < grace; {
		wait := l.dropAfter()
		if wait <= 0 {
			break
		}
		time.Sleep(min(wait, 10*time.Millisecond)) // others may close meanwhile
	}
	c := &conn{Conn: nc, of: l, opened: time.Now()}
	c.remote = &remote{nc.RemoteAddr(), c}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || len(l.open) >= l.max && !l.dropLocked("all connections are in use") {
		nc.Close()
		return nil
	}
	l.open[c] = struct{}{}
	c.place = l.strange.PushBack(c)
	return c
}

// dropLocked closes the connection that is needed least, if there is one, and says so.
func (l *conns) dropLocked(why string) bool {
	l.turnedAway++
	if now := time.Now(); now.Sub(l.said) >= 30*time.Second {
		l.log.WithFields(logrus.Fields{"turned_away": l.turnedAway, "open": len(l.open), "max_connections": l.max, "open_files_limit": l.files}).
			Warn(why + ": peers that have made no valid call lose theirs, others are refused. " +
				"Find out who connects; for more connections raise max-connections and the limit of open files (LimitNOFILE= in the systemd unit, ulimit -n)")
		l.said, l.turnedAway = now, 0
	}
	first := l.strange.Front()
	if first == nil {
		return false
	}
	c := first.Value.(*conn)
	l.strange.Remove(first)
	c.place = nil
	delete(l.open, c)
	c.Conn.Close() // its reader sees it and closes it once more
	return true
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.heard.Load() {
		c.heard.Store(true)
	}
	return n, err
}

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SyscallConn implements syscall.Conn.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// Close implements net.Conn.
func (c *conn) Close() error {
	l := c.of
	l.mu.Lock()
	delete(l.open, c)
	if c.place != nil {
		l.strange.Remove(c.place)
		c.place = nil
	}
	l.mu.Unlock()
	return c.Conn.Close()
}

// cut closes the connections that nothing has come from, or all. Neither server has the first
// kind yet, and both would wait for it.
func (l *conns) cut(all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = all
	for c := range l.open {
		if all || !c.heard.Load() {
			c.Conn.Close() // its reader sees it and closes it once more
		}
	}
}
