package server

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pumphouse/internal/logs"
	"pumphouse/server/engine"
	"pumphouse/server/governor"
	"pumphouse/server/session"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/privilege"
	"pumphouse/server/wire"
)

// clientSession is what the command loop needs of a session; *session.Session is the
// one there is. See package session for the meaning of each method.
type clientSession interface {
	Query(ctx context.Context, sql string, emit func(o *session.Outcome, more bool) error) error
	Prepare(ctx context.Context, sql string) (*session.Prepared, error)
	Execute(ctx context.Context, p *session.Prepared, args []engine.Value, emit func(o *session.Outcome, more bool) error) error
	UseDB(ctx context.Context, name string) error
	FieldList(ctx context.Context, table, wildcard string) ([]engine.Column, error)
	Reset()
	SetCollation(id uint16)
	SetMultiStatements(on bool)
	ResultCharset() string
	ClientCharset() string
	DB() string
	Status() uint16
	Warnings() uint16
	IdleTimeout() time.Duration
}

// Server lets MySQL clients in and runs their commands. Make it with [New], start it
// with [Server.Open].
type Server struct {
	opts       Options
	accounts   atomic.Pointer[accounts]
	tls        *tls.Config // nil: no TLS
	throttle   *throttle
	refusals   *privilege.Denials // of logins, for the log
	governor   *governor.Governor
	shared     wire.Shared
	rsaKey     func() (*rsa.PrivateKey, error) // made when the first client needs it
	newSession func(opts session.Options, id uint32, acc privilege.Account) clientSession
	start      time.Time
	counters   counters

	listeners []net.Listener
	wg        sync.WaitGroup
	stopping  chan struct{}
	stopOnce  sync.Once

	mu         sync.Mutex
	closed     bool
	conns      map[uint32]*conn
	handshakes []*conn // not logged in yet, oldest first
	lastID     uint32
	prepared   int
}

// New checks the options. Nothing is bound or started before [Server.Open].
func New(opts Options) (*Server, error) {
	opts.setDefaults()
	if err := opts.checkAddr(); err != nil {
		return nil, err
	}
	accounts, err := newAccounts(opts.Users)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := opts.tlsConfig()
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts:     opts,
		tls:      tlsConfig,
		throttle: newThrottle(),
		refusals: privilege.NewDenials(),
		governor: governor.New(opts.Limits),
		rsaKey:   sync.OnceValues(wire.NewRSAKey),
		newSession: func(o session.Options, id uint32, acc privilege.Account) clientSession {
			return session.New(o, id, acc)
		},
		start:    time.Now(),
		stopping: make(chan struct{}),
		conns:    make(map[uint32]*conn),
	}
	s.accounts.Store(accounts)
	s.opts.Session.Server = s
	s.opts.Session.TLS = tlsConfig != nil
	s.opts.Session.RequireTLS = opts.RequireSecureTransport
	limits := s.governor.Limits()
	s.opts.Session.MaxConns, s.opts.Session.MaxUserConns = limits.Connections, limits.UserConnections
	if s.opts.Session.Views == nil {
		s.opts.Session.Views = nodestmt.NewViews()
	}
	if s.opts.Session.Denials == nil {
		s.opts.Session.Denials = privilege.NewDenials()
	}
	return s, nil
}

// Open binds the addresses and starts serving; ctx bounds only that.
func (s *Server) Open(ctx context.Context) error {
	var lc net.ListenConfig
	tcp, err := lc.Listen(ctx, "tcp", s.opts.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.opts.Addr, err)
	}
	s.listeners = append(s.listeners, tcp)
	if s.opts.Socket != "" {
		removeStaleSocket(s.opts.Socket)
		local, err := lc.Listen(ctx, "unix", s.opts.Socket)
		if err != nil {
			_ = tcp.Close()
			return fmt.Errorf("listen on the socket %s: %w", s.opts.Socket, err)
		}
		s.listeners = append(s.listeners, local)
	}
	s.opts.Session.Addr = tcp.Addr().String()
	s.start = time.Now()
	for _, l := range s.listeners {
		s.wg.Go(func() { s.accept(l) })
	}
	s.wg.Go(s.watch)
	return nil
}

// removeStaleSocket removes what a killed process left behind. A socket somebody
// listens on stays, and listening then fails.
func removeStaleSocket(path string) {
	nc, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = nc.Close()
		return
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		_ = os.Remove(path)
	}
}

// Addr is the TCP address listened on, with the real port; nil before Open.
func (s *Server) Addr() net.Addr {
	if len(s.listeners) == 0 {
		return nil
	}
	return s.listeners[0].Addr()
}

// Close stops accepting, ends idle connections at once, lets running statements go on
// for the grace period, ends them with error 1053 after that, and returns when every
// goroutine has gone. It may be called more than once; each call waits.
func (s *Server) Close() error {
	s.stopOnce.Do(s.shutdown)
	s.wg.Wait()
	return nil
}

// cutOff is how long a statement that was told to stop, or a client that does not read,
// may hold the shutdown up before its socket is closed.
const cutOff = 2 * time.Second

func (s *Server) shutdown() {
	// No new clients, and none admitted that are being accepted just now.
	close(s.stopping)
	for _, l := range s.listeners {
		_ = l.Close()
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()

	gone := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(gone)
	}()
	// Idle clients now, busy ones when their command is done.
	for _, c := range s.all() {
		c.retire()
	}
	if waitFor(gone, s.opts.Grace) {
		return
	}
	for _, c := range s.all() {
		c.end(errShutdown())
	}
	if waitFor(gone, cutOff) {
		return
	}
	for _, c := range s.all() {
		_ = c.wire.Close()
	}
	<-gone
}

func waitFor(gone <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-gone:
		return true
	case <-timer.C:
		return false
	}
}

// accept takes connections in until the listener is closed.
func (s *Server) accept(l net.Listener) {
	pause := time.Duration(0)
	var failures logs.Repeated
	for {
		nc, err := l.Accept()
		if err == nil {
			pause = 0
			if n := failures.Over(); n > 0 {
				s.opts.Logger.WithField("addr", l.Addr().String()).WithField("times", n).Info("connections are accepted again")
			}
			s.admit(nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// Out of file descriptors and the like: others' closing will cure it.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		if n := failures.Again(); n > 0 {
			s.opts.Logger.WithError(err).WithField("addr", l.Addr().String()).WithField("times", n).Warn("cannot accept a connection; retrying")
		}
		select {
		case <-s.stopping:
			return
		case <-time.After(pause):
		}
	}
}

// admit starts a connection's goroutine. When too many are on their way in, the oldest
// of them is dropped: clients take milliseconds, attackers take their time.
func (s *Server) admit(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = nc.Close()
		return
	}
	var oldest *conn
	if len(s.handshakes) >= s.opts.MaxHandshakes {
		oldest = s.handshakes[0]
		s.handshakes = slices.Delete(s.handshakes, 0, 1)
	}
	s.lastID++
	for s.lastID == 0 || s.conns[s.lastID] != nil {
		s.lastID++
	}
	c.id = s.lastID
	s.conns[c.id] = c
	s.handshakes = append(s.handshakes, c)
	s.wg.Add(1)
	s.mu.Unlock()

	s.counters.connections.Add(1)
	if oldest != nil {
		s.counters.abortedConnects.Add(1)
		_ = oldest.wire.Close()
	}
	go c.run()
}

// loggedIn moves a client from those on their way in.
func (s *Server) loggedIn(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errShutdown()
	}
	s.dropHandshakeLocked(c)
	return nil
}

// stepAside takes a client whose login waits for its turn out of those on their way in: it
// holds no place there, and is not dropped for others.
func (s *Server) stepAside(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropHandshakeLocked(c)
}

// comeBack undoes stepAside.
func (s *Server) comeBack(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.share == nil && !slices.Contains(s.handshakes, c) {
		s.handshakes = append(s.handshakes, c)
	}
}

func (s *Server) dropHandshakeLocked(c *conn) {
	if i := slices.Index(s.handshakes, c); i >= 0 {
		s.handshakes = slices.Delete(s.handshakes, i, i+1)
	}
}

// forget removes a connection that has ended.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.id)
	s.dropHandshakeLocked(c)
}

// reservePrepared counts n more (or fewer) prepared statements.
func (s *Server) reservePrepared(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > 0 && s.prepared+n > s.opts.MaxPrepared {
		return false
	}
	s.prepared += n
	return true
}

// all lists the connections by ID.
func (s *Server) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *conn) int { return int(int64(a.id) - int64(b.id)) })
	return list
}

// longStatement is from when on the watchdog looks after a statement's client.
const longStatement = time.Second

// watch ends statements whose clients have gone.
func (s *Server) watch() {
	tick := time.NewTicker(longStatement)
	defer tick.Stop()
	for {
		select {
		case <-s.stopping:
			return
		case now := <-tick.C:
			for _, c := range s.all() {
				if c.runsSince(now.Add(-longStatement)) && c.wire.Gone() {
					s.counters.abortedClients.Add(1)
					c.end(errInterrupted())
				}
			}
		}
	}
}
