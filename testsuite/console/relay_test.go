package console

import (
	"net"
	"strings"
	"sync"
	"testing"
)

// relay is a wire between a console and PD that a test can hold and cut.
type relay struct {
	target string
	ln     net.Listener
	wg     sync.WaitGroup

	mu    sync.Mutex
	moved *sync.Cond // held or closed changed
	held  bool
	ended bool
	conns map[net.Conn]bool // both ends of every connection
}

// newRelay listens for a URL's clients; it ends with the test.
func newRelay(t testing.TB, url string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{target: strings.TrimPrefix(url, "http://"), ln: ln, conns: map[net.Conn]bool{}}
	r.moved = sync.NewCond(&r.mu)
	r.wg.Go(r.accept)
	t.Cleanup(func() {
		ln.Close()
		r.mu.Lock()
		r.ended = true
		r.mu.Unlock()
		r.moved.Broadcast()
		r.cut()
		r.wg.Wait()
	})
	return r
}

func (r *relay) url() string { return "http://" + r.ln.Addr().String() }

// hold keeps every byte of old and new connections where it is: the peer is not gone, it
// is silent.
func (r *relay) hold() {
	r.mu.Lock()
	r.held = true
	r.mu.Unlock()
}

// release lets bytes flow again.
func (r *relay) release() {
	r.mu.Lock()
	r.held = false
	r.mu.Unlock()
	r.moved.Broadcast()
}

// cut closes every connection; what was held in it is lost. New ones may come.
func (r *relay) cut() {
	r.mu.Lock()
	for c := range r.conns {
		c.Close()
	}
	clear(r.conns)
	r.mu.Unlock()
	r.moved.Broadcast()
}

func (r *relay) accept() {
	for {
		client, err := r.ln.Accept()
		if err != nil {
			return
		}
		r.wg.Go(func() {
			defer client.Close()
			server, err := net.Dial("tcp", r.target)
			if err != nil {
				return
			}
			defer server.Close()
			r.mu.Lock()
			r.conns[client], r.conns[server] = true, true
			r.mu.Unlock()
			r.wg.Go(func() { r.copy(server, client) })
			r.copy(client, server)
		})
	}
}

// copy moves bytes until either end is closed, and closes the other.
func (r *relay) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !r.open(from) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// open waits while the wire is held; false: the connection was cut.
func (r *relay) open(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.held && r.conns[c] && !r.ended {
		r.moved.Wait()
	}
	return r.conns[c] && !r.ended
}
