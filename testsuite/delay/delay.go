// Package delay makes servers far away, for tests and benches.
package delay

import (
	"bytes"
	"net"
	"sync"
	"time"
)

// Proxy is a TCP proxy that makes a server far away: each direction delivers bytes a time after they were sent, in
// order, however many are on the way. It does not limit how many a second. A connection takes two round trips until the
// server's greeting is there, as over a real distance.
type Proxy struct {
	oneWay   time.Duration
	to       string
	listener net.Listener
}

// Start is a proxy of a server, host:port, until Close.
func Start(to string, oneWay time.Duration) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &Proxy{oneWay: oneWay, to: to, listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go d.serve(c)
		}
	}()
	return d, nil
}

// Port is where clients connect to, on 127.0.0.1.
func (d *Proxy) Port() int { return d.listener.Addr().(*net.TCPAddr).Port }

// Close takes no more connections. Those there are go on.
func (d *Proxy) Close() { _ = d.listener.Close() }

func (d *Proxy) serve(client net.Conn) {
	defer client.Close()
	time.Sleep(3 * d.oneWay) // of the handshake; the greeting takes the fourth
	server, err := net.Dial("tcp", d.to)
	if err != nil {
		return
	}
	defer server.Close()
	var wg sync.WaitGroup
	wg.Go(func() { d.carry(server, client) })
	wg.Go(func() { d.carry(client, server) })
	wg.Wait()
}

// piece are bytes and when they arrive.
type piece struct {
	at    time.Time
	bytes []byte
}

// carry brings bytes from one side to the other until one of them is closed.
func (d *Proxy) carry(to, from net.Conn) {
	way := make(chan piece, 1<<16) // more than is ever on the way
	go func() {
		defer close(way)
		b := make([]byte, 64<<10)
		for {
			n, err := from.Read(b)
			if n > 0 {
				way <- piece{time.Now().Add(d.oneWay), bytes.Clone(b[:n])}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.at))
		if _, err := to.Write(p.bytes); err != nil {
			break
		}
	}
	_ = to.Close()
	_ = from.Close()
	for range way { // until the reader has seen that
	}
}
