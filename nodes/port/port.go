// Package port is where a node is reached: one TCP port for gRPC and HTTP and, if wanted, a Unix socket. It says who may connect
// and who may change the node, bounds what peers can take, and answers HTTP in the form that upstream's tools know. It knows
// nothing of what a node does.
package port

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"

	"pumphouse/internal/certfile"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// Port is where a node is reached: gRPC and HTTP behind one TCP port and, if wanted, one
// Unix socket.
type Port struct {
	// MaxConns is how many connections there may be, on all listeners, default
	// [DefaultMaxConns]; fewer where the process may not have enough files open. It and Log
	// are set before Serve, if at all.
	MaxConns int
	Log      logrus.FieldLogger // hears who is turned away; default: nothing is logged

	listeners []net.Listener
	advertise string
	conns     *conns

	grpc    Server
	http    *http.Server
	serving sync.WaitGroup
	failed  chan error
}

// Server is what a Port needs of a *grpc.Server.
type Server interface {
	Serve(net.Listener) error
	GracefulStop()
	Stop()
}

// Listen binds addr (host:port, port 0 means any) and the Unix socket, if one is named.
// Nothing is accepted yet. advertise is the address that others are to dial, "" for the one
// listened on; a port 0 in it stands for the one that was bound.
func Listen(ctx context.Context, addr, advertise, socket string) (_ *Port, err error) {
	p := &Port{failed: make(chan error, 4)}
	defer func() {
		if err != nil {
			p.Close(ctx)
		}
	}()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w: is another node running there? (-addr)", addr, err)
	}
	p.listeners = append(p.listeners, l)
	if p.advertise, err = advertised(addr, advertise, l.Addr().String()); err != nil {
		return nil, err
	}
	if socket == "" {
		return p, nil
	}
	if err := removeStale(socket); err != nil {
		return nil, err
	}
	u, err := lc.Listen(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("listen on the Unix socket %s: %w (-socket)", socket, err)
	}
	p.listeners = append(p.listeners, u)
	return p, nil
}

// CheckNode reports what is wrong with a node's ID ("": it has none yet) or its addresses; see [CheckAddrs].
func CheckNode(id, addr, advertise, callers string) error {
	var bad error
	if id != "" {
		bad = nodes.ValidateNodeID(id)
	}
	return errors.Join(bad, CheckAddrs(addr, advertise, callers))
}

// CheckAddrs reports what is wrong with the addresses a node is to have; whoever is named in
// callers dials the advertised one.
func CheckAddrs(addr, advertise, callers string) error {
	host, _, err := net.SplitHostPort(addr)
	if addr == "" { // the default, which fits
		host, err = "127.0.0.1", nil
	}
	if err != nil {
		return fmt.Errorf("addr %q: must be host:port: %w", addr, err)
	}
	if advertise == "" {
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			return fmt.Errorf("addr %q: it is every address of this machine, which others cannot dial: set advertise-addr to the host:port that %s use", addr, callers)
		}
		return nil
	}
	if host, _, err = net.SplitHostPort(advertise); err != nil || host == "" || host == "0.0.0.0" || host == "::" {
		return fmt.Errorf("advertise-addr %q: must be the host:port that %s dial", advertise, callers)
	}
	return nil
}

// advertised is the address others are told to dial.
func advertised(addr, advertise, listening string) (string, error) {
	_, port, err := net.SplitHostPort(listening)
	if err != nil {
		return "", err
	}
	if advertise == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return "", err
		}
		return net.JoinHostPort(host, port), nil
	}
	host, given, err := net.SplitHostPort(advertise)
	if err == nil && given == "0" {
		return net.JoinHostPort(host, port), nil
	}
	return advertise, err
}

// removeStale removes the socket of a node that is gone; one that answers stays.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil // nothing there: Listen says what is wrong, if anything is
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s is not a socket: give -socket another path", path)
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return fmt.Errorf("another process listens on the Unix socket %s (-socket)", path)
	}
	return os.Remove(path)
}

// Addr is the TCP address listened on.
func (p *Port) Addr() net.Addr { return p.listeners[0].Addr() }

// Advertised is the host:port that others are told to dial.
func (p *Port) Advertised() string { return p.advertise }

// Serve begins to answer: HTTP/1 goes to h, everything else to g. TCP is encrypted when sec
// says so. It is called once, and an error the second time: two servers would share what the listeners accept, and Close knows of one. How it
// goes on is told by Failed.
func (p *Port) Serve(sec certfile.Security, g Server, h http.Handler) error {
	if p.http != nil {
		return fmt.Errorf("serve at %s: this is done already", p.Addr())
	}
	tlsConfig, err := sec.Server()
	if err != nil {
		return err
	}
	p.Log = logs.OrSilent(p.Log)
	p.conns = newConns(p.MaxConns, p.Log)
	p.grpc = g
	p.http = &http.Server{Handler: paced(h), ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ConnContext: withTLS}
	for _, l := range p.listeners {
		wrap := func(c net.Conn) net.Conn { return c }
		if tlsConfig != nil && l.Addr().Network() == "tcp" {
			wrap = func(nc net.Conn) net.Conn { return tls.Server(nc, tlsConfig) }
		}
		s := newSplit(l, p.conns, wrap)
		p.start("gRPC", func() error { return p.grpc.Serve(s.grpc) })
		p.start("HTTP", func() error { return p.http.Serve(s.http) })
		p.start("connections", s.serve) // ends when the listener is closed
	}
	return nil
}

func (p *Port) start(name string, run func() error) {
	p.serving.Go(func() {
		err := run()
		if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) ||
			errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case p.failed <- fmt.Errorf("serve %s: %w", name, err):
		default:
		}
	})
}

// Failed gives the error of a server that ended though it should not.
func (p *Port) Failed() <-chan error { return p.failed }

// Close takes no more connections, lets calls under way finish until ctx is done, cuts them
// then, and returns when every goroutine of the servers has gone. It may be called again.
func (p *Port) Close(ctx context.Context) {
	for _, l := range p.listeners {
		_ = l.Close() // closed already, or nothing can be done about it
	}
	if p.grpc != nil {
		p.conns.cut(false)
		var ends sync.WaitGroup
		ends.Go(func() {
			// The error is that of the listeners, which are closed already, or ctx's.
			_ = p.http.Shutdown(ctx)
			_ = p.http.Close()
		})
		inTime := context.AfterFunc(ctx, func() {
			p.conns.cut(true)
			p.grpc.Stop()
		})
		p.grpc.GracefulStop()
		inTime()
		ends.Wait()
		p.conns.cut(true)
	}
	p.serving.Wait()
}
