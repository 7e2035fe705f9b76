package direct

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
)

// Call is one WriteBinlog.
type Call struct {
	ClusterID uint64
	Payload   []byte // valid until Options.Write returns
	Err       error  // set by Options.Write; a gRPC status, nil is success

	stream uint32
}

// Options of a [Server]. All are required.
type Options struct {
	// Write stores the calls and sets their errors. It is called by several goroutines.
	Write func([]Call)
	// MaxMessage is how many bytes a message may have.
	MaxMessage int
	// MaxStreams is how many calls a connection may have open.
	MaxStreams uint32
	// StreamWindow and ConnWindow are how many bytes a peer may send ahead, as the gRPC server
	// has them.
	StreamWindow, ConnWindow uint32
}

// Server serves the connections that write and gives the others to a gRPC server. Its methods
// are those of the *grpc.Server.
type Server struct {
	opts  Options
	other *grpc.Server
	// mixed is until when all new connections go to other, in nanoseconds since the epoch.
	mixed    atomic.Int64
	spinning atomic.Bool // a connection is; see spinner

	mu     sync.Mutex
	conns  map[*conn]struct{}
	ending bool
	all    sync.WaitGroup
}

// mixedFor is how long after a connection that writes and does something else nothing is
// served here, so that its sender's next connection can do both.
const mixedFor = time.Minute

// New puts a Server before a gRPC server.
func New(other *grpc.Server, o Options) *Server {
	return &Server{opts: o, other: other, conns: make(map[*conn]struct{})}
}

// Serve takes connections from l until that gives an error, which is that of a closed listener
// when the server ends.
func (s *Server) Serve(l net.Listener) error {
	rest := &listener{Listener: l, conns: make(chan net.Conn), closed: make(chan struct{})}
	failed := make(chan error, 1)
	go func() { failed <- s.other.Serve(rest) }()
	for {
		nc, err := l.Accept()
		if err != nil {
			rest.Close()
			<-failed
			return err
		}
		if time.Now().UnixNano() < s.mixed.Load() {
			if !rest.give(nc) {
				nc.Close()
			}
			continue
		}
		c := newConn(s, nc, rest)
		s.mu.Lock()
		if s.ending {
			s.mu.Unlock()
			nc.Close()
			continue
		}
		s.conns[c] = struct{}{}
		s.all.Add(1)
		s.mu.Unlock()
		go c.run()
	}
}

// forget hears that a connection is closed or the gRPC server's.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// each marks the server as ending and does something with every connection.
func (s *Server) each(do func(*conn)) {
	s.mu.Lock()
	s.ending = true
	for c := range s.conns {
		do(c)
	}
	s.mu.Unlock()
}

// GracefulStop takes no more calls and returns when those under way are through.
func (s *Server) GracefulStop() {
	s.each((*conn).drain)
	s.other.GracefulStop()
	s.all.Wait()
}

// Stop cuts all connections.
func (s *Server) Stop() {
	s.each((*conn).close)
	s.other.Stop()
	s.all.Wait()
}

// listener gives the gRPC server the connections that are not served here.
type listener struct {
	net.Listener
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// give tells whether the gRPC server takes the connection.
func (l *listener) give(c net.Conn) bool {
	select {
	case l.conns <- c:
		return true
	case <-l.closed:
		return false
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// replayed is a connection of which something has been read already.
type replayed struct {
	net.Conn
	head []byte
}

// Read implements net.Conn.
func (c *replayed) Read(b []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(b, c.head)
		if c.head = c.head[n:]; len(c.head) == 0 {
			c.head = nil // it need not be kept
		}
		return n, nil
	}
	return c.Conn.Read(b)
}
