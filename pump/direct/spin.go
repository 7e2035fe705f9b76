package direct

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/soheilhy/cmux"
	"golang.org/x/sys/unix"
)

// spinFor is how long a reader looks for more before it lets its core go. A core that is let go
// sleeps, and to wake it takes a virtual machine tens of microseconds: for a lone writer, whose
// next request comes well within that time, it is a third of all it waits for.
const spinFor = 250 * time.Microsecond

// spinner is a connection's readiness to spin. Only who was answered soon last time spins, and
// of all connections of a server one at a time: what a core is kept awake for is to come soon.
type spinner struct {
	raw      syscall.RawConn // nil: nothing to look at
	spinning *atomic.Bool    // somebody is
	last     time.Duration   // how long the last wait took
}

func newSpinner(nc net.Conn, spinning *atomic.Bool) spinner {
	s := spinner{spinning: spinning}
	if m, ok := nc.(*cmux.MuxConn); ok {
		nc = m.Conn
	}
	// Not of a TLS connection: it may hold bytes that its socket does not show any more.
	if sc, ok := nc.(syscall.Conn); ok {
		s.raw, _ = sc.SyscallConn() // none, none is used
	}
	return s
}

// wait returns when there is something to read, or soon.
func (s *spinner) wait(began time.Time) {
	if s.raw == nil || s.last > spinFor || !s.spinning.CompareAndSwap(false, true) {
		return
	}
	defer s.spinning.Store(false)
	// A connection that is closed is for its reader to find out.
	_ = s.raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for time.Since(began) < spinFor {
			if n, err := unix.Poll(fds, 0); n != 0 || err != nil {
				break
			}
		}
		return true
	})
}
