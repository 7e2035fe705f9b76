package nodes

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"pumphouse/testsuite/form"
)

// TestMain fails the run when a goroutine of this package outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := lingering(5 * time.Second); left != "" {
			fmt.Fprintln(os.Stderr, "goroutines of this package outlived the tests:\n"+left)
			code = 1
		}
	}
	os.Exit(code)
}

// lingering waits for the goroutines with frames of this package to go and gives the
// stacks of those that do not.
func lingering(patience time.Duration) string {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		buf := make([]byte, 4<<20)
		buf = buf[:runtime.Stack(buf, true)]
		var left []string
		for _, g := range strings.Split(string(buf), "\n\n") {
			if strings.Contains(g, "pumphouse/nodes.") && !strings.Contains(g, "nodes.TestMain") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return ""
		}
		if time.Now().After(end) {
			return strings.Join(left, "\n\n")
		}
	}
}

// etcd is an etcd server in this process that can be stopped and started again on the
// same port and data.
type etcd struct {
	t    testing.TB
	dir  string
	addr string // host:port
	tune func(*embed.Config)
	srv  *embed.Etcd
}

func startEtcd(t testing.TB) *etcd {
	t.Helper()
	return startEtcdWith(t, func(*embed.Config) {})
}

func startEtcdWith(t testing.TB, tune func(*embed.Config)) *etcd {
	t.Helper()
	e := &etcd{t: t, dir: t.TempDir(), addr: form.Addr(t), tune: tune}
	e.start()
	t.Cleanup(e.stop)
	return e
}

// startThree is a PD of three members as far as etcd goes.
func startThree(t testing.TB) []*etcd {
	t.Helper()
	var members []*etcd
	var names []string
	for i := range 3 {
		name := fmt.Sprintf("m%d", i)
		peer := url.URL{Scheme: "http", Host: form.Addr(t)}
		names = append(names, name+"="+peer.String())
		members = append(members, &etcd{t: t, dir: t.TempDir(), addr: form.Addr(t), tune: func(cfg *embed.Config) {
			cfg.TickMs, cfg.ElectionMs = 50, 500
			cfg.Name, cfg.InitialCluster = name, strings.Join(names, ",")
			cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
		}})
	}
	var wg sync.WaitGroup
	for _, m := range members {
		wg.Go(m.start)
		t.Cleanup(m.stop)
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return members
}

func (e *etcd) start() {
	e.t.Helper()
	cfg := embed.NewConfig()
	cfg.Dir = e.dir
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.UnsafeNoFsync = true // what is tested is the protocol, not the disk
	client := url.URL{Scheme: "http", Host: e.addr}
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.TickMs, cfg.ElectionMs = 10, 100 // a lone member elects itself at once
	e.tune(cfg)
	srv, err := embed.StartEtcd(cfg)
	if err != nil {
		e.t.Error(err)
		return
	}
	<-srv.Server.ReadyNotify()
	e.srv = srv
}

func (e *etcd) stop() {
	if e.srv != nil {
		e.srv.Close()
		<-e.srv.Server.StopNotify()
		e.srv = nil
	}
}

// wipe throws the data away; only while stopped.
func (e *etcd) wipe() {
	e.t.Helper()
	if err := os.RemoveAll(e.dir); err != nil {
		e.t.Fatal(err)
	}
}

// client connects to addr (the server itself, or a gate before it).
func newTestClient(t testing.TB, addr string) *clientv3.Client {
	t.Helper()
	cli, err := NewClient([]string{addr}, nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cli.Close() })
	return cli
}

func newTestRegistry(t testing.TB, addr string, timeout time.Duration) *Registry {
	t.Helper()
	return NewRegistry(newTestClient(t, addr), timeout)
}

// gate forwards connections to a server and can be shut: new connections and bytes
// then wait (a network that swallows packets), or be cut: all connections end and new
// ones are refused.
type gate struct {
	l      net.Listener
	target string
	wg     sync.WaitGroup

	holding atomic.Bool // answers are thrown away

	mu    sync.Mutex
	conns map[net.Conn]bool
	open  chan struct{} // closed while bytes may pass
	cut   bool
	done  bool
}

func newGate(t testing.TB, target string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{l: l, target: target, conns: map[net.Conn]bool{}, open: make(chan struct{})}
	close(g.open)
	g.wg.Go(g.accept)
	t.Cleanup(g.close)
	return g
}

func (g *gate) addr() string { return g.l.Addr().String() }

func (g *gate) accept() {
	for {
		c, err := g.l.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		if g.cut || g.done {
			c.Close()
			g.mu.Unlock()
			continue
		}
		up, err := net.Dial("tcp", g.target) // target changes under mu only
		if err != nil {
			c.Close()
			g.mu.Unlock()
			continue
		}
		g.conns[c], g.conns[up] = true, true
		g.wg.Go(func() { g.pipe(c, up, nil) })
		g.wg.Go(func() { g.pipe(up, c, &g.holding) })
		g.mu.Unlock()
	}
}

// hold makes the gate keep back what the server answers, while requests pass.
func (g *gate) hold(on bool) { g.holding.Store(on) }

func (g *gate) pipe(from, to net.Conn, holding *atomic.Bool) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		g.mu.Lock()
		open := g.open
		g.mu.Unlock()
		<-open
		if holding != nil && holding.Load() {
			if err != nil {
				return
			}
			continue // lost; the connection is severed before it is used again
		}
		if _, e := to.Write(buf[:n]); err != nil || e != nil {
			return
		}
	}
}

// shut makes the gate swallow bytes; pass lets them through again.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = false
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

// sever ends all connections and refuses new ones until pass.
func (g *gate) sever() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = true
	for c := range g.conns {
		c.Close()
	}
	clear(g.conns)
}

func (g *gate) close() {
	g.sever()
	g.pass()
	g.mu.Lock()
	g.done = true
	g.mu.Unlock()
	g.l.Close()
	g.wg.Wait()
}

// eventually repeats a check until it holds; the deadline only bounds a failure.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never happened: %s", what)
		}
	}
}

// testRecord is a record as an upstream pump writes it.
func testRecord(id string, s State) Record {
	return Record{NodeID: id, Host: "127.0.0.1:8250", State: s, MaxCommitTS: 470642465486929921, UpdateTS: 470642465971634178}
}

// put writes raw bytes, as other upstream writers do.
func put(t testing.TB, cli *clientv3.Client, key, value string) int64 {
	t.Helper()
	resp, err := cli.Put(context.Background(), key, value)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Header.Revision
}

func mustPut(t testing.TB, reg *Registry, k Kind, r Record) int64 {
	t.Helper()
	rev, err := reg.Put(context.Background(), k, r, 0)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}
