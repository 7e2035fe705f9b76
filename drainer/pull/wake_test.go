package pull

import (
	"context"
	"slices"
	"testing"
	"time"

	"pumphouse/drainer/merge"
	"pumphouse/nodes"
)

// resting is a station that can be woken.
func resting(t *testing.T) *station {
	t.Helper()
	s := newStation(t)
	s.srv.Stop()
	s.woken = make(chan uint64, 100)
	s.listen("127.0.0.1:0")
	t.Cleanup(func() { s.srv.Stop() })
	return s
}

// A pump that tells the time only when it is woken holds up nothing, beside one that tells it by itself and cannot be
// woken, as upstream's.
func TestWakesPumpsThatRest(t *testing.T) {
	c := newCluster(t)
	busy, idle, old := newStation(t), resting(t), newStation(t)
	c.record("busy", busy.addr, nodes.Online)
	c.record("idle", idle.addr, nodes.Online)
	c.record("old", old.addr, nodes.Online)
	var group *Group
	started := make(chan struct{})
	m := merge.New(merge.Options{Waits: func() { <-started; group.Wake() }})
	r := c.run(Options{Merger: m})
	group = r.group
	close(started)
	for _, s := range []*station{busy, idle, old} {
		s.has(-10)
	}
	r.passed(10)
	if !idle.wakes.Load() {
		t.Error("the pump was not told that it is woken when it is needed")
	}
	for ts := int64(20); ts < 50; ts += 10 {
		woken := make(chan uint64, 1)
		go func() {
			id := <-idle.woken
			woken <- id
			idle.has(-ts - 2)
		}()
		busy.has(ts)
		old.has(-ts - 1)
		if got := r.take(1); !slices.Equal(got, []int64{ts}) {
			t.Errorf("got %v, want %d", got, ts)
		}
		if id := <-woken; id != c.ClusterID {
			t.Errorf("woken with the cluster ID %d, want %d", id, c.ClusterID)
		}
		r.group.wakes.last.Store(-int64(wakeEvery)) // as if a second had passed
	}
}

// Whatever calls Wake, a pump is called once a second at most.
func TestWakesSeldom(t *testing.T) {
	g := &Group{wakes: newWakes()}
	g.wakes.base = g.wakes.base.Add(-time.Hour)
	g.wakes.last.Store(int64(time.Hour - wakeEvery))
	for range 1000 {
		g.Wake()
	}
	if n := len(g.wakes.ask); n != 1 {
		t.Errorf("%d requests, want one", n)
	}
	<-g.wakes.ask
	g.wakes.last.Store(int64(2 * time.Hour)) // woken just now
	for range 1000 {
		g.Wake()
	}
	if n := len(g.wakes.ask); n != 0 {
		t.Errorf("%d requests within a second of the last, want none", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.wakeAll(ctx) // ends with the group
}
