package drainer_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/drainer"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/sink"
	"pumphouse/nodes"
	"pumphouse/nodes/standby"
)

// closing is a sink that notes its end.
type closing struct {
	sink.Sink
	closed chan struct{}
	once   sync.Once
}

func (c *closing) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Sink.Close()
}

// shareable is a downstream that notes who had the place when it was opened.
type shareable struct {
	downstream.File
	r *rig

	mu     sync.Mutex
	active []string // addresses
	last   *closing // what was opened last
}

func (s *shareable) CheckStandby() error { return nil }

func (s *shareable) Checkpoint(_ context.Context, site drainer.Site) (checkpoint.Store, error) {
	return site.Shared, nil
}

func (s *shareable) Open(ctx context.Context, site drainer.Site, from, until nodes.TSO) (sink.Sink, error) {
	g, err := standby.ReadOne(ctx, s.r.registry, nodes.Drainer, "drainer1")
	if err != nil {
		return nil, err
	}
	a, _ := g.Active()
	out, err := s.File.Open(ctx, site, from, until)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = append(s.active, a.Host)
	s.last = &closing{Sink: out, closed: make(chan struct{})}
	return s.last, err
}

func (s *shareable) opened() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.active)
}

// TestStandbyWaits: a standby does not touch the downstream before it is active, which it is when the first has ended after a signal; with the
// order to pause nobody is.
func TestStandbyWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	down := &shareable{r: r}
	options := func() drainer.Options {
		o := r.options("drainer1")
		o.Standby, o.Downstream = true, down
		return o
	}
	first := r.open(options())
	second, err := drainer.New(options())
	if err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	opened := make(chan error, 1)
	go func() { opened <- second.Open(ctx) }()
	waiting := func() int {
		g, err := standby.ReadOne(t.Context(), r.registry, nodes.Drainer, "drainer1")
		if err != nil {
			t.Fatal(err)
		}
		return len(g.Waiting())
	}
	r.eventually("the second waits", func() bool { return waiting() == 1 })
	if got := down.opened(); !slices.Equal(got, []string{first.Addr().String()}) {
		t.Errorf("the downstream was opened while %v were active", got)
	}
	first.Pause()
	if err := r.ends(first); err != nil {
		t.Error(err)
	}
	select {
	case err := <-opened:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(timeout):
		t.Fatal("the second is not active")
	}
	if got := down.opened(); !slices.Equal(got, []string{first.Addr().String(), second.Addr().String()}) {
		t.Errorf("the downstream was opened while %v were active", got)
	}

	third, err := drainer.New(options())
	if err != nil {
		t.Fatal(err)
	}
	go func() { opened <- third.Open(ctx) }()
	r.eventually("the third waits", func() bool { return waiting() == 1 })
	r.set("drainer1", nodes.Paused)
	if err := r.ends(second); err != nil {
		t.Error(err)
	}
	if g, err := standby.ReadOne(t.Context(), r.registry, nodes.Drainer, "drainer1"); err != nil || g.Held != nodes.Paused {
		t.Errorf("the place of a drainer that was ordered to pause: %+v, %v", g, err)
	}
	giveUp()
	if err := <-opened; !errors.Is(err, context.Canceled) {
		t.Errorf("the third ends with %v", err)
	}
	if got := down.opened(); len(got) != 2 {
		t.Errorf("the downstream was opened while %v were active", got)
	}
}

// TestStandbyStops: a drainer whose lease is over has its downstream closed before it ends, and leaves its record as it is.
func TestStandbyStops(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	down := &shareable{r: r}
	o := r.options("drainer1")
	o.Standby, o.Downstream = true, down
	d := r.open(o)
	queue, err := r.etcd.Get(t.Context(), standby.Of(nodes.Drainer, "drainer1")+"queue/", clientv3.WithPrefix())
	if err != nil || len(queue.Kvs) != 1 {
		t.Fatal(queue, err)
	}
	if _, err := r.etcd.Revoke(t.Context(), clientv3.LeaseID(queue.Kvs[0].Lease)); err != nil {
		t.Fatal(err)
	}
	var lost *standby.LostError
	if err := r.ends(d); !errors.Is(err, drainer.ErrStandby) || !errors.As(err, &lost) {
		t.Errorf("it ends with %v", err)
	}
	select {
	case <-down.last.closed:
	default:
		t.Error("the downstream is still open")
	}
	if got := r.record("drainer1"); got.State != nodes.Online {
		t.Errorf("its record says %s: that is for the next one to write", got.State)
	}
}
