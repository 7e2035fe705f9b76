package standby

import (
	"io"
	"net"
	"sync"
	"testing"
)

// gate is a way to PD that can be cut, where there are no network namespaces: the drainer reaches pumps, the downstream, and
// what PD itself names as its address, past it.
type gate struct {
	to string
	ln net.Listener

	mu    sync.Mutex
	open  chan struct{} // closed while bytes pass
	conns map[net.Conn]bool
}

func newGate(t testing.TB, to string) *gate {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{to: to, ln: ln, open: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(g.open)
	t.Cleanup(func() {
		ln.Close()
		g.end()
	})
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			go g.serve(in)
		}
	}()
	return g
}

func (g *gate) url() string { return "http://" + g.ln.Addr().String() }

func (g *gate) serve(in net.Conn) {
	defer in.Close()
	<-g.opened()
	out, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer out.Close()
	g.mu.Lock()
	g.conns[in], g.conns[out] = true, true
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.conns, in)
		delete(g.conns, out)
	}()
	go func() {
		g.pass(in, out)
		in.Close()
		out.Close()
	}()
	g.pass(out, in)
}

func (g *gate) opened() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func (g *gate) pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		<-g.opened()
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// cut lets nothing pass any more. Connections just wait, or are closed where programs are to notice.
func (g *gate) cut(how cut) (heal func()) {
	g.mu.Lock()
	g.open = make(chan struct{})
	g.mu.Unlock()
	if how == down {
		g.end()
	}
	return g.heal
}

// end closes every connection.
func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		c.Close()
	}
}

// heal lets everything pass.
func (g *gate) heal() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}
