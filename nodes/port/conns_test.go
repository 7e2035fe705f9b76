package port_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"
	"google.golang.org/grpc"

	"pumphouse/internal/certfile"
	"pumphouse/nodes/port"
)

// echo stands for the gRPC server: it repeats lines, and vouches for who says so.
type echo struct {
	once sync.Once
	l    net.Listener
	all  sync.WaitGroup
}

func (e *echo) Serve(l net.Listener) error {
	e.l = l
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		e.all.Go(func() {
			defer c.Close()
			for r := bufio.NewReader(c); ; {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if strings.Contains(line, "member") {
					port.Vouch(c.RemoteAddr())
				}
				_, _ = io.WriteString(c, line) // the peer may have gone
			}
		})
	}
}

func (e *echo) GracefulStop() { e.once.Do(func() { e.l.Close() }) }
func (e *echo) Stop()         { e.GracefulStop() }

// peer is a client of an echo.
type peer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dialPeer(t *testing.T, addr net.Addr) *peer {
	t.Helper()
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return &peer{t, c, bufio.NewReader(c)}
}

// says sends a line and waits for it.
func (p *peer) says(line string) error {
	if _, err := io.WriteString(p, line+"\n"); err != nil {
		return err
	}
	got, err := p.r.ReadString('\n')
	if err == nil && got != line+"\n" {
		err = fmt.Errorf("answered with %q", got)
	}
	return err
}

// isClosed waits until the peer is.
func (p *peer) isClosed(who string) {
	p.t.Helper()
	if b, err := io.ReadAll(p.r); errors.Is(err, os.ErrDeadlineExceeded) || len(b) > 0 {
		p.t.Errorf("%s is not closed: %q, %v", who, b, err)
	}
}

// TestServedOnce: a port that is served already keeps its servers: Close ends what it knows of, and counts their connections.
func TestServedOnce(t *testing.T) {
	at, err := port.Listen(t.Context(), "127.0.0.1:0", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close(t.Context())
	if err := at.Serve(certfile.Security{}, grpc.NewServer(), http.NotFoundHandler()); err != nil {
		t.Fatal(err)
	}
	if err := at.Serve(certfile.Security{}, grpc.NewServer(), http.NotFoundHandler()); err == nil || !strings.Contains(err.Error(), at.Addr().String()) {
		t.Errorf("a second time: %v", err)
	}
}

// TestAFullPort has more peers than there may be.
func TestAFullPort(t *testing.T) {
	at, err := port.Listen(t.Context(), "127.0.0.1:0", "", "")
	if err != nil {
		t.Fatal(err)
	}
	log, hook := logtest.NewNullLogger()
	at.MaxConns, at.Log = 4, log
	if err := at.Serve(certfile.Security{}, new(echo), http.NotFoundHandler()); err != nil {
		t.Fatal(err)
	}
	defer at.Close(t.Context())
	says := func(who string, p *peer, line string) {
		t.Helper()
		if err := p.says(line); err != nil {
			t.Errorf("%s: %v", who, err)
		}
	}
	member := dialPeer(t, at.Addr())
	says("a member", member, "PRI member")
	var strangers []*peer
	for range 3 {
		p := dialPeer(t, at.Addr())
		says("a stranger", p, "PRI x")
		strangers = append(strangers, p)
	}
	says("the first stranger", strangers[0], "again") // which does not help it
	late := dialPeer(t, at.Addr())
	says("one more", late, "PRI x")
	strangers[0].isClosed("the oldest stranger")
	says("the second stranger", strangers[1], "still here")
	says("the member", member, "still here")
	// Only members are never closed for others.
	for range 3 {
		says("a new member", dialPeer(t, at.Addr()), "PRI member")
	}
	for i, p := range []*peer{strangers[1], strangers[2], late} {
		p.isClosed(fmt.Sprintf("stranger %d", i))
	}
	refused := dialPeer(t, at.Addr())
	refused.isClosed("one more than fits")
	says("the member", member, "still here")
	member.Close()
	for { // its place is free soon
		if p := dialPeer(t, at.Addr()); p.says("PRI member") == nil {
			break
		}
	}
	entries := hook.AllEntries()
	if len(entries) != 1 || !strings.Contains(entries[0].Message, "max-connections") || entries[0].Data["max_connections"] != 4 || entries[0].Data["turned_away"] != 1 {
		t.Errorf("said: %v", entries)
	}
}

// TestWhoSpeaksWhat hands each peer to the server for it.
func TestWhoSpeaksWhat(t *testing.T) {
	at, err := port.Listen(t.Context(), "127.0.0.1:0", "", "")
	if err != nil {
		t.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	if err := at.Serve(certfile.Security{}, new(echo), hello); err != nil {
		t.Fatal(err)
	}
	defer at.Close(t.Context())
	resp, err := http.Get("http://" + at.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(b) != "hello" || err != nil {
		t.Errorf("HTTP: %q, %v", b, err)
	}
	slow := dialPeer(t, at.Addr())
	for _, c := range "PRI *\n" { // in pieces
		if _, err := slow.Write([]byte{byte(c)}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := slow.r.ReadString('\n'); got != "PRI *\n" || err != nil {
		t.Errorf("gRPC: %q, %v", got, err)
	}
	garbage := dialPeer(t, at.Addr())
	if _, err := garbage.Write([]byte("\x16\x03\x01\x00\x00\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if got, _ := garbage.r.ReadString('\n'); !strings.Contains(got, "400") {
		t.Errorf("garbage: %q", got)
	}
}

// TestPeersThatKeepSending are as many as there may be, and new connections need not wait for them:
// they are older than it takes to make a first call, whatever they send.
func TestPeersThatKeepSending(t *testing.T) {
	at, err := port.Listen(t.Context(), "127.0.0.1:0", "", "")
	if err != nil {
		t.Fatal(err)
	}
	const most = 100
	at.MaxConns = most
	if err := at.Serve(certfile.Security{}, new(echo), http.NotFoundHandler()); err != nil {
		t.Fatal(err)
	}
	defer at.Close(t.Context())
	var all sync.WaitGroup
	for range most {
		p := dialPeer(t, at.Addr())
		if err := p.says("PRI x"); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for p.says("x") == nil {
			}
		})
	}
	late := make([]*peer, most)
	deadline := time.Now().Add(20 * time.Second) // a fifth of a second for each
	for i := range late {
		late[i] = dialPeer(t, at.Addr())
		_ = late[i].SetDeadline(deadline)
		if err := late[i].says("PRI member"); err != nil {
			t.Fatalf("new peer %d: %v", i, err)
		}
	}
	all.Wait() // each was closed for one of them
	for i, p := range late {
		_ = p.SetDeadline(time.Now().Add(20 * time.Second))
		if err := p.says("still here"); err != nil {
			t.Errorf("new peer %d: %v", i, err)
		}
	}
}
