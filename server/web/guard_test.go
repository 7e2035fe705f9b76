package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// serve opens a port for a test.
func serve(t *testing.T, opts Options) *Server {
	t.Helper()
	c := busy(time.Now())
	if opts.View == nil {
		opts.View, opts.Survey, opts.Events = c, c, c
	}
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestHostNames: a page is given to who asks for this console, not for a name of somebody else's.
func TestHostNames(t *testing.T) {
	s := serve(t, Options{Addr: "0.0.0.0:0", Hosts: []string{"Console.Example.com", "[2001:db8::1]"}})
	_, port, _ := net.SplitHostPort(s.Addr().String())
	for host, want := range map[string]int{
		"127.0.0.1:" + port: 200, "127.0.0.1": 200, "localhost:1": 200, "[::1]:80": 200, "127.8.9.10": 200,
		"console.example.com": 200, "CONSOLE.example.com.:8247": 200, "[2001:db8::1]:8247": 200, "0.0.0.0": 200,
		"evil.example": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "10.9.8.7": 421, "console.example.com.evil.example": 421,
		"[2001:db8::2]": 421,
	} {
		for _, path := range []string{"/", "/metrics", "/healthz", "/live.js"} {
			r, _ := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+port+path, nil)
			r.Host = host
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != want || want == 421 && !strings.Contains(string(body), "http-hosts") {
				t.Errorf("%s of %s: %d %.100s", path, host, resp.StatusCode, body)
			}
		}
	}
	for _, bad := range []string{"http://x", "*.example.com", ""} {
		if _, err := hosts("127.0.0.1:0", []string{bad}); err == nil || !strings.Contains(err.Error(), "http-hosts") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestLogin(t *testing.T) {
	login := func(_ context.Context, user, password string, from net.Addr) (bool, error) {
		if !strings.HasPrefix(from.String(), "127.0.0.1:") {
			t.Errorf("from %s", from)
		}
		if user == "slow" {
			return false, errors.New("too many logins")
		}
		return user == "watch" && password == "w4tch", nil
	}
	s := serve(t, Options{Login: login})
	for _, c := range []struct {
		path, user, password string
		want                 int
	}{
		{"/", "", "", 401}, {"/", "watch", "x", 401}, {"/", "watch", "w4tch", 200}, {"/metrics", "", "", 401}, {"/live.js", "", "", 401},
		{"/metrics", "watch", "w4tch", 200}, {"/healthz", "", "", 200}, {"/", "slow", "x", 429},
	} {
		r, _ := http.NewRequest(http.MethodGet, "http://"+s.Addr().String()+c.path, nil)
		if c.user != "" {
			r.SetBasicAuth(c.user, c.password)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want || (c.want == 401) != strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic") {
			t.Errorf("%+v: %d %v", c, resp.StatusCode, resp.Header)
		}
	}
	for addr, refused := range map[string]bool{"0.0.0.0:0": true, ":0": true, "10.0.0.1:0": true, "localhost:0": false, "[::1]:0": false} {
		if err := checkOpen(Options{Addr: addr, Login: login}); (err != nil) != refused {
			t.Errorf("passwords in the clear on %s: %v", addr, err)
		}
		if err := checkOpen(Options{Addr: addr, Login: login, TLS: new(tls.Config)}); err != nil {
			t.Errorf("with TLS on %s: %v", addr, err)
		}
	}
}

// TestReadersShareAPage: however many read, the page is rendered once, and a view asked for once.
func TestReadersShareAPage(t *testing.T) {
	c := busy(time.Now())
	s := serve(t, Options{View: c, Survey: c, Events: c})
	stopped := time.Now()
	s.pages.shared.now = func() time.Time { return stopped }
	var wg sync.WaitGroup
	bodies := make([]string, 40)
	for i := range bodies {
		wg.Go(func() {
			resp, err := http.Get("http://" + s.Addr().String() + "/")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			bodies[i] = string(b)
		})
	}
	wg.Wait()
	for _, b := range bodies[1:] {
		if b != bodies[0] || len(b) < 1000 {
			t.Fatal("the readers have got different pages")
		}
	}
	if n := c.extra.Load(); n != 2 { // the points of one drainer, and the events
		t.Errorf("%d questions for 40 readers, want 2", n)
	}
	stopped = stopped.Add(FreshFor)
	if _, done, err := s.pages.take(); err != nil {
		t.Fatal(err)
	} else {
		done()
	}
	if n := c.extra.Load(); n != 4 {
		t.Errorf("%d questions after a second, want 4", n)
	}
}

// TestFewVersions: readers that never finish hold few versions of the page, whatever the time.
func TestFewVersions(t *testing.T) {
	s := serve(t, Options{})
	now := time.Now()
	s.pages.shared.now = func() time.Time { return now }
	versions := make(map[*version]bool)
	var last func()
	for range 20 {
		v, done, err := s.pages.take()
		if err != nil {
			t.Fatal(err)
		}
		versions[v], last = true, done
		now = now.Add(time.Minute)
	}
	if len(versions) != maxVersions {
		t.Errorf("%d versions", len(versions))
	}
	for range 18 { // the newest one has as many readers
		last()
	}
	v, _, err := s.pages.take()
	if err != nil || versions[v] {
		t.Errorf("a slow reader has gone and the page is still the old one (%v)", err)
	}
}

// TestConnectionsAreCapped: idle ones make room; when all are in use a further one is refused.
func TestConnectionsAreCapped(t *testing.T) {
	s := serve(t, Options{})
	dial := func() net.Conn {
		t.Helper()
		nc, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return nc
	}
	ask := func(nc net.Conn) error {
		fmt.Fprintf(nc, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			return err
		}
		io.Copy(io.Discard, resp.Body)
		return resp.Body.Close()
	}
	silent := make([]net.Conn, MaxConnections)
	for i := range silent {
		silent[i] = dial()
	}
	for range 3 * MaxConnections {
		if err := ask(dial()); err != nil {
			t.Fatalf("silent connections keep out a reader: %v", err)
		}
	}
	for _, nc := range silent {
		nc.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := nc.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a silent connection is still open: %v", err)
		}
	}
}

func TestSpanGrowsWithAge(t *testing.T) {
	for age, want := range map[time.Duration]time.Duration{0: 5 * time.Minute, 4 * time.Minute: 5 * time.Minute,
		6 * time.Minute: 15 * time.Minute, 29 * time.Minute: 30 * time.Minute, 50 * time.Minute: time.Hour, 5 * time.Hour: time.Hour} {
		if got := spanOf(age); got != want {
			t.Errorf("%s: %s, want %s", age, got, want)
		}
	}
	c := busy(time.Now())
	s := serve(t, Options{View: c, Survey: c, Events: c})
	if p := s.look(t.Context()).Plot; p.Span != "30 minutes" && p.Span != "hour" {
		t.Errorf("span %q", p.Span)
	}
	c.points = c.points[1:]
	p := s.look(t.Context()).Plot
	if p.Span != "5 minutes" || p.Times[0].Label != "−5 min" || p.Times[0].At != left {
		t.Errorf("a young console: %q, %+v", p.Span, p.Times)
	}
}

// TestWhoMakesRoom: idle ones, then slow ones, then those that have just come; never who is served.
func TestWhoMakesRoom(t *testing.T) {
	now := time.Now()
	all := map[net.Conn]use{}
	var order []net.Conn
	for _, u := range []use{
		{false, now.Add(-3 * time.Second)}, {false, now.Add(-2 * time.Second)}, {true, now.Add(-time.Hour)}, {true, now.Add(-time.Minute)},
		{false, now.Add(time.Hour)}, {true, now.Add(time.Hour)}, {true, now.Add(time.Hour)},
	} {
		a, b := net.Pipe()
		defer b.Close()
		all[a], order = u, append(order, a)
	}
	c := &conns{max: 7, open: all}
	for i, nc := range order {
		dropped := c.dropLocked()
		if _, there := c.open[nc]; there == (i < 5) || dropped != (i < 5) {
			t.Errorf("connection %d: there %v, one dropped %v", i, there, dropped)
		}
	}
}
