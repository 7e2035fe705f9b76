package port

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"

	"pumphouse/internal/certfile"
)

// meanwhileConns is how many connections there may be before Serve.
const meanwhileConns = 64

// ServeMeanwhile answers HTTP on the TCP port until end is called, while a node's start takes longer. Serve comes
// after that. Calls of gRPC fail as they do at a port that is not open yet, and are tried again.
func (p *Port) ServeMeanwhile(sec certfile.Security, h http.Handler) (end func(), err error) {
	tlsConfig, err := sec.Server()
	if err != nil {
		return nil, err
	}
	port, ok := p.listeners[0].(*net.TCPListener)
	if !ok {
		return func() {}, nil
	}
	l := netutil.LimitListener(lent{port}, meanwhileConns)
	if tlsConfig != nil {
		l = tls.NewListener(l, tlsConfig)
	}
	server := &http.Server{Handler: paced(h), ReadTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // ErrServerClosed, or what Serve will meet again
	}()
	return func() {
		_ = server.Close() // the port itself stays open
		<-ended
		_ = port.SetDeadline(time.Time{})
	}, nil
}

// lent is a listener that is given back instead of closed.
type lent struct{ *net.TCPListener }

// Close implements net.Listener: it only ends Accept.
func (l lent) Close() error { return l.SetDeadline(time.Unix(1, 0)) }
