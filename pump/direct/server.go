package direct

import (
	"maps"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
)

// Call is one WriteBinlog.
type Call struct {
	ClusterID uint64
	Payload   []byte // valid until Options.Write returns
	Err       error  // set by Options.Write; a gRPC status, nil is success

	stream uint32
	claim  *claim // what its message has of the budget; nil: it came in one frame
}

// Options of a [Server]. All but Vouch and Member are required.
type Options struct {
	// Write stores the calls and sets their errors. It is called by several goroutines.
	Write func([]Call)
	// MaxMessage is how many bytes a message may have.
	MaxMessage int
	// MaxHeld is how many bytes messages may have that have come in part, on all connections
	// together, beside a window of each connection. One message may be larger. Default: a quarter more than MaxMessage.
	MaxHeld int64
	// MaxStreams is how many calls a connection may have open.
	MaxStreams uint32
	// StreamWindow and ConnWindow are how many bytes a peer may send ahead, as the gRPC server
	// has them.
	StreamWindow, ConnWindow uint32
	// Vouch hears once of each connection that has made a good call here: one that succeeded, or
	// that the caller is not to blame for. It is called by several goroutines.
	Vouch func(peer net.Addr)
	// Member reports whether a connection that the gRPC server serves has made a good call; nil:
	// all have.
	Member func(peer net.Addr) bool
}

func (o *Options) member(peer net.Addr) bool { return o.Member == nil || o.Member(peer) }

// Server serves the connections that write and gives the others to a gRPC server. Its methods
// are those of the *grpc.Server.
type Server struct {
	opts  Options
	other *grpc.Server
	held  *budget
	// readers are the buffers of connections that have ended: peers that only come and go need
	// no new ones.
	readers sync.Pool

	mu    sync.Mutex
	conns map[*conn]struct{}
	mixed map[string]time.Time // hosts whose new connections go to other, and until when
	// strangers are hosts, and when the next call of a peer there that has made no good call may
	// come; see strangerCalls.
	strangers map[string]time.Time
	ending    bool
	all       sync.WaitGroup
}

// mixedFor is how long after a connection that writes and does something else new connections of
// its host are not served here, so that its sender's next connection can do both. maxMixed is how
// many such hosts are remembered.
const (
	mixedFor = time.Minute
	maxMixed = 1000
)

// New puts a Server before a gRPC server.
func New(other *grpc.Server, o Options) *Server {
	if o.MaxHeld <= 0 {
		o.MaxHeld = int64(o.MaxMessage) + int64(o.MaxMessage)/4
	}
	return &Server{opts: o, other: other, held: newBudget(o.MaxHeld), conns: make(map[*conn]struct{}), mixed: make(map[string]time.Time), strangers: make(map[string]time.Time)}
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
		if s.isMixed(nc.RemoteAddr()) {
			if !rest.give(s.guard(nc, nil, 0)) {
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

// host is what the connections of one sender have in common.
func host(peer net.Addr) string {
	if h, _, err := net.SplitHostPort(peer.String()); err == nil {
		return h
	}
	return peer.String() // of a Unix socket
}

// mixes remembers that a sender both writes and does something else on one connection.
func (s *Server) mixes(peer net.Addr) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.mixed, func(_ string, until time.Time) bool { return now.After(until) })
	if len(s.mixed) < maxMixed { // who is not remembered is told again
		s.mixed[host(peer)] = now.Add(mixedFor)
	}
}

func (s *Server) isMixed(peer net.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mixed) > 0 && time.Now().Before(s.mixed[host(peer)])
}

// guard is a connection for the gRPC server; raw has been read from it, and acks SETTINGS in it
// are acknowledged.
func (s *Server) guard(nc net.Conn, raw []byte, acks int) net.Conn {
	return &replayed{Conn: nc, srv: s, head: raw, acks: acks, in: walker{preface: len(http2.ClientPreface)},
		parts: newUnfinished(s.held, int64(s.opts.MaxMessage))}
}

// strangersPerSecond is how many calls of the peers of a host that have made no good call the gRPC
// server gets in a second, after as many at once. Each costs it much more than its sender. Beyond
// maxStrangers hosts at a time the others share one budget.
const (
	strangersPerSecond = 200
	maxStrangers       = 1000
)

// strangerCalls is how long n calls of such a peer, which come now, have to wait.
func (s *Server) strangerCalls(now time.Time, peer net.Addr, n int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	earliest := now.Add(-time.Second)
	from := host(peer)
	if _, known := s.strangers[from]; !known && len(s.strangers) >= maxStrangers {
		maps.DeleteFunc(s.strangers, func(_ string, next time.Time) bool { return next.Before(earliest) })
		if len(s.strangers) >= maxStrangers {
			from = "" // no host is called that
		}
	}
	last := s.strangers[from]
	if last.Before(earliest) {
		last = earliest
	}
	next := last.Add(time.Duration(n) * time.Second / strangersPerSecond)
	if wait := next.Sub(now); wait > longestWait {
		return wait // it will not come
	}
	s.strangers[from] = next
	return next.Sub(now)
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

// give reports whether the gRPC server takes the connection.
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
