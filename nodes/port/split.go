package port

import (
	"io"
	"net"
	"sync"
	"time"
)

// helloTime is how long a peer may take for the first bytes, which say what it speaks, TLS
// included.
const helloTime = 10 * time.Second

// split hands the connections of one listener to the gRPC server or to the HTTP server, by what
// their peers speak. Only HTTP/2 begins with PRI; whatever is neither is for the HTTP server,
// which says so in a way that people can read.
type split struct {
	net.Listener
	conns      *conns
	wrap       func(net.Conn) net.Conn // TLS
	grpc, http *half
	asked      sync.WaitGroup
}

func newSplit(l net.Listener, all *conns, wrap func(net.Conn) net.Conn) *split {
	closed := make(chan struct{})
	return &split{Listener: l, conns: all, wrap: wrap,
		grpc: &half{Listener: l, conns: make(chan net.Conn), closed: closed},
		http: &half{Listener: l, conns: make(chan net.Conn), closed: closed}}
}

// serve returns with the error of the listener.
func (s *split) serve() error {
	defer s.asked.Wait()
	defer close(s.grpc.closed) // that of both
	for {
		c, err := s.conns.accept(s.Listener)
		if err != nil {
			return err
		}
		s.asked.Go(func() { s.ask(s.wrap(c)) })
	}
}

// ask reads the first bytes.
func (s *split) ask(c net.Conn) {
	first := make([]byte, 4)
	_ = c.SetReadDeadline(time.Now().Add(helloTime)) // an error comes again when it is read
	if _, err := io.ReadFull(c, first); err != nil {
		c.Close()
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	to := s.http
	if string(first) == "PRI " {
		to = s.grpc
	}
	select {
	case to.conns <- &begun{Conn: c, first: first}:
	case <-to.closed:
		c.Close()
	}
}

// half is the listener of one of the servers. The port closes what it listens on.
type half struct {
	net.Listener
	conns  chan net.Conn
	closed chan struct{}
}

// Accept implements net.Listener.
func (h *half) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// begun is a connection of which the first bytes have been read.
type begun struct {
	net.Conn
	first []byte
}

// Read implements net.Conn.
func (c *begun) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}
