package mysql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// greeted dials a server and waits for the first byte that it says: a MySQL server speaks first. What
// takes connections and says nothing, such as an HTTP port, is named as such after the time for a connection,
// where the driver would wait as long as for an answer.
func (s Server) greeted(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: s.DialTimeout}
	nc, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	end := context.AfterFunc(ctx, func() { nc.SetReadDeadline(time.Unix(1, 0)) }) // the driver ends it after DialTimeout
	first := make([]byte, 1)
	_, err = io.ReadFull(nc, first)
	if !end() && err == nil {
		err = ctx.Err()
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, errors.Join(context.Cause(ctx), nc.Close())
	case err != nil:
		nc.Close()
		return nil, fmt.Errorf("%s takes connections, but does not answer as a MySQL server does (%w): check host and port", addr, err)
	}
	return &greeting{Conn: nc, first: first}, nil
}

// greeting is a connection of which the first byte has been read.
type greeting struct {
	net.Conn
	first []byte // not given yet
}

func (g *greeting) Read(p []byte) (int, error) {
	if len(g.first) > 0 && len(p) > 0 {
		n := copy(p, g.first)
		g.first = g.first[n:]
		return n, nil
	}
	return g.Conn.Read(p)
}
