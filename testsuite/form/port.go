package form

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

var ports struct {
	sync.Mutex
	given map[int]bool
}

// Port is a TCP port of 127.0.0.1 where nobody listens, another one at each call. It lies below the range
// that the kernel takes ports of connections and of port 0 from, so that a server that is stopped for a
// while finds its port free again, and nobody answers where nobody is to.
func Port(t testing.TB) int {
	t.Helper()
	const low, high = 12000, 32000
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		port := low + rand.IntN(high-low) // not of the run's seed: runs beside each other would meet
		if ports.given[port] {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			if ports.given == nil {
				ports.given = map[int]bool{}
			}
			ports.given[port] = true
			return port
		}
	}
	t.Fatal("no free port on 127.0.0.1")
	return 0
}

// Addr is 127.0.0.1 with a port where nobody listens (see [Port]).
func Addr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", Port(t))
}
