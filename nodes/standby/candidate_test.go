package standby_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"pumphouse/nodes"
	"pumphouse/nodes/standby"
	"pumphouse/testsuite/pdtest"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// process is a candidate with a way to PD of its own, which can be cut.
type process struct {
	*standby.Candidate
	log lines
	won chan error // what Wait has returned, once

	mu    sync.Mutex
	off   bool
	conns []net.Conn
}

func (p *process) dial(ctx context.Context, addr string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return nil, errors.New("the network is cut")
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err == nil {
		p.conns = append(p.conns, c)
	}
	return c, err
}

// cut takes the way to PD from a process, for good.
func (p *process) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = true
	for _, c := range p.conns {
		c.Close()
	}
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// start makes a process that wants the place of drainer1.
func start(t *testing.T, v *pdtest.View, host string) *process {
	t.Helper()
	p := &process{won: make(chan error, 1)}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{v.URL}, DialTimeout: patience, Logger: zap.NewNop(), DialOptions: []grpc.DialOption{grpc.WithContextDialer(p.dial)}})
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(&p.log)
	p.Candidate = standby.New(standby.Options{Registry: nodes.NewRegistry(client, 5*time.Second), Kind: nodes.Drainer, NodeID: "drainer1", Host: host, Fresh: true, Logger: log})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() {
		cancel()
		p.Close()
		client.Close()
	})
	go func() { p.won <- p.Wait(ctx) }()
	return p
}

// wins waits until a process has the place.
func (p *process) wins(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.won:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("it does not get the place")
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not happen", what)
		}
	}
}

// group is what PD has.
func group(t *testing.T, v *pdtest.View) standby.Group {
	t.Helper()
	g, err := standby.ReadOne(t.Context(), v.Registry, nodes.Drainer, "drainer1")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// writes reports whether PD takes what a process writes under its guard.
func writes(t *testing.T, v *pdtest.View, p *process) bool {
	t.Helper()
	resp, err := v.Registry.Txn(t.Context(), "write", []clientv3.Cmp{p.Guard()}, clientv3.OpPut("/test", "written"))
	if err != nil {
		t.Fatal(err)
	}
	return resp.Succeeded
}

// TestGivesUpFirst: who is cut from PD has given its place up when the next one gets it, and PD takes nothing from it any more.
func TestGivesUpFirst(t *testing.T) {
	t.Parallel()
	v := pdtest.NewView(t)
	first := start(t, v, "10.0.0.1:8249")
	first.wins(t)
	second := start(t, v, "10.0.0.2:8249")
	eventually(t, "the second waits", func() bool { return len(group(t, v).Waiting()) == 1 })
	if !writes(t, v, first) || second.Active() {
		t.Fatal("the first is not the active one")
	}
	first.cut()
	second.wins(t)
	select {
	case <-first.Lost():
	default:
		t.Error("the second has the place, and the first has not given it up")
	}
	var lost *standby.LostError
	if first.Active() || !errors.As(first.Err(), &lost) || nodes.ProblemOf(first.Err()).Code != nodes.ProblemTakeover {
		t.Errorf("the first is active: %v; its error: %v", first.Active(), first.Err())
	}
	if writes(t, v, first) || !writes(t, v, second) {
		t.Error("PD takes what the first writes, or does not take what the second writes")
	}
	if before := second.Before(); len(before) != 1 || before[0] != "10.0.0.1:8249" {
		t.Errorf("before the second: %v", before)
	}
}

// TestHeld: nobody takes a place that is held, before a process is started; who waited longest has it then. A place that is given up is
// taken at once.
func TestHeld(t *testing.T) {
	t.Parallel()
	v := pdtest.NewView(t)
	first := start(t, v, "10.0.0.1:8249")
	first.wins(t)
	second := start(t, v, "10.0.0.2:8249")
	eventually(t, "the second waits", func() bool { return len(group(t, v).Waiting()) == 1 })
	if err := first.Resign(t.Context(), nodes.Paused); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second says that it waits for a start", func() bool {
		return second.Active() || second.log.has("nobody takes its place before a process is started")
	})
	if g := group(t, v); g.Held != nodes.Paused || second.Active() {
		t.Fatalf("the place is held: %+v; the second is active: %v", g, second.Active())
	}
	third := start(t, v, "10.0.0.3:8249")
	second.wins(t)
	eventually(t, "the third waits", func() bool { return len(group(t, v).Waiting()) == 1 })
	if err := second.Resign(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	third.wins(t)
	if a, ok := group(t, v).Active(); !ok || a.Host != "10.0.0.3:8249" {
		t.Errorf("active is %+v", a)
	}
}
