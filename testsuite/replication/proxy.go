package replication

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy stands between a drainer and its downstream and counts what the drainer sends: each packet of
// the MySQL protocol that begins a command is a step. At one of them it can have something done, before
// the downstream gets the command or when it has answered it, which the drainer then never sees.
type Proxy struct {
	Addr string // host:port

	to string

	mu    sync.Mutex
	step  int           // how many until it happens; 0: never
	after bool          // when the answer has come, not before the command goes
	do    func()        // what happens
	done  chan struct{} // closed when it has happened
}

// StartProxy is a proxy of a server until the test ends.
func StartProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), to: to}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return p
}

// At has do called at a step from now on, once, and gives what is closed after that.
func (p *Proxy) At(step int, after bool, do func()) (done <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step, p.after, p.do, p.done = step, after, do, make(chan struct{})
	return p.done
}

// Never takes At back, and reports whether it is too late for that.
func (p *Proxy) Never() (late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	late = p.do != nil && p.step == 0
	p.step, p.do = 0, nil
	return late
}

// due reports whether it is to happen at this step, and gives what.
func (p *Proxy) due() (do func(), after bool, done chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.step == 0 {
		return nil, false, nil
	}
	if p.step--; p.step > 0 {
		return nil, false, nil
	}
	return p.do, p.after, p.done
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	s := &proxied{client: client, server: server, answered: make(chan struct{}, 1)}
	go func() {
		s.back()
		client.Close()
	}()
	for {
		header := make([]byte, 4)
		if _, err := io.ReadFull(client, header); err != nil {
			return
		}
		body := make([]byte, int(binary.LittleEndian.Uint32(append(header[:3:3], 0))))
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		// Commands have the number 0. COM_QUIT and COM_STMT_CLOSE have no answer, and are no steps.
		if header[3] == 0 && len(body) > 0 && body[0] != 1 && body[0] != 25 {
			if do, after, done := p.due(); do != nil {
				if after {
					s.swallow()
					if _, err := server.Write(append(header, body...)); err == nil {
						<-s.answered
					}
				}
				do()
				close(done)
				return
			}
		}
		if _, err := server.Write(append(header, body...)); err != nil {
			return
		}
	}
}

// proxied is a connection.
type proxied struct {
	client, server net.Conn
	answered       chan struct{}

	mu      sync.Mutex
	keeping bool
}

// swallow keeps what the server answers from now on.
func (s *proxied) swallow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeping = true
}

// back brings answers to the client.
func (s *proxied) back() {
	defer close(s.answered)
	buffer := make([]byte, 1<<16)
	for {
		n, err := s.server.Read(buffer)
		if err != nil {
			return
		}
		s.mu.Lock()
		keep := s.keeping
		s.mu.Unlock()
		if keep {
			s.answered <- struct{}{}
			return
		}
		if _, err := s.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}
