package nodes

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Whoever reads through the same Cluster sees a write at once, also while the watch says
// nothing.
func TestClusterReadersSeeItsWrites(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	straight := newTestRegistry(t, e.addr, 0)
	mustPut(t, straight, Pump, testRecord("p1", Online))
	g := newGate(t, e.addr)
	c := openTestCache(t, newTestRegistry(t, g.addr(), 300*time.Millisecond), CacheOptions{Window: time.Hour})
	awaitFresh(t, c)
	cluster := NewCluster(straight, c)
	g.hold(true)
	if _, _, err := cluster.SetState(context.Background(), Pump, "p1", Paused, nil); err != nil {
		t.Fatal(err)
	}
	// The view is proven for an hour and lacks the write: it must not be shown.
	if s, err := cluster.View(context.Background(), 0); err == nil {
		t.Fatalf("a view that lacks the write: %+v", s.Pumps)
	}
	g.hold(false)
	eventually(t, "the view has the write", func() bool {
		s, err := cluster.View(context.Background(), 0)
		return err == nil && s.Pumps[0].Record.State == Paused
	})
}

// A revision of a history that is gone must not make every read go to PD for ever.
func TestClusterForgetsRevisionsOfAWipedPD(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, time.Second)
	c := openTestCache(t, reg, CacheOptions{Window: time.Hour})
	cluster := NewCluster(reg, c)
	mustPut(t, reg, Pump, testRecord("p1", Online))
	for range 20 {
		if _, _, err := cluster.SetState(context.Background(), Pump, "p1", Paused, nil); err != nil {
			t.Fatal(err)
		}
	}
	e.stop()
	e.wipe()
	e.start()
	eventually(t, "reads come from memory again", func() bool {
		_, err := cluster.View(context.Background(), 0)
		return err == nil && cluster.wrote.Load() == 0
	})
}

// Who waits for a state sees it also when PD's history begins anew meanwhile.
func TestWaitStateInANewHistory(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, time.Second)
	mustPut(t, reg, Pump, testRecord("p1", Online))
	for range 20 {
		if _, _, err := reg.SetState(context.Background(), Pump, "p1", Closing, nil); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := WaitState(ctx, reg, Pump, "p1", Offline)
		done <- err
	}()
	e.stop()
	e.wipe()
	e.start()
	eventually(t, "PD is back", func() bool {
		_, err := reg.Put(ctx, Pump, testRecord("p1", Offline), 0)
		return err == nil
	})
	if err := <-done; err != nil && !errors.Is(err, ErrNotFound) { // it may look before the record is back
		t.Error(err)
	}
}
