package nodes

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// mark is an operation that leaves a trace outside the records.
func mark(key string) Along {
	return func(old Entry) []clientv3.Op { return []clientv3.Op{clientv3.OpPut(key, string(old.Record.State))} }
}

// TestDrop: an offline record goes, whatever revision it stands at, and what goes along
// with it happens exactly when it does.
func TestDrop(t *testing.T) {
	addr := startEtcd(t).addr
	reg, cli := newTestRegistry(t, addr, 5*time.Second), newTestClient(t, addr)
	ctx := t.Context()
	marked := func() string {
		resp, err := cli.Get(ctx, "/mark")
		if err != nil {
			t.Fatal(err)
		}
		if len(resp.Kvs) == 0 {
			return ""
		}
		return string(resp.Kvs[0].Value)
	}
	rev, err := reg.Put(ctx, Pump, testRecord("p", Closing), 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = reg.Drop(ctx, Pump, "p", mark("/mark"))
	if !errors.Is(err, ErrNotOffline) || !strings.Contains(err.Error(), "OFFLINE PUMP 'p'") || !strings.Contains(err.Error(), "update-pump -node-id p -state offline") {
		t.Errorf("a closing pump: %v", err)
	}
	if _, _, err := reg.Drop(ctx, Drainer, "p"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such drainer: %v", err)
	}
	if got := marked(); got != "" {
		t.Errorf("a refused removal left %s", got)
	}
	old, set, err := reg.SetState(ctx, Pump, "p", Offline, mark("/mark"))
	if err != nil || set <= rev || marked() != "closing" {
		t.Fatalf("set to offline: revision %d, mark %q, %v", set, marked(), err)
	}
	if old.State != Closing {
		t.Errorf("it was %s", old.State)
	}
	old, revision, err := reg.Drop(ctx, Pump, "p", mark("/mark"))
	if err != nil || old.NodeID != "p" || revision <= set || marked() != "offline" {
		t.Errorf("dropped %+v at %d, mark %q, %v", old, revision, marked(), err)
	}
	if _, err := reg.Get(ctx, Pump, "p"); !errors.Is(err, ErrNotFound) {
		t.Errorf("after the drop: %v", err)
	}
}

// TestDropRaces: of many that drop a node at once one does it, while somebody else
// switches the record between online and offline; nothing goes that was online.
func TestDropRaces(t *testing.T) {
	addr := startEtcd(t).addr
	reg, cli := newTestRegistry(t, addr, 5*time.Second), newTestClient(t, addr)
	ctx := t.Context()
	watch := cli.Watch(ctx, Pump.Key("p"), clientv3.WithPrevKV())
	for range 20 {
		if _, err := reg.Put(ctx, Pump, testRecord("p", Online), 0); err != nil {
			t.Fatal(err)
		}
		var dropped atomic.Int32
		var wg sync.WaitGroup
		wg.Go(func() {
			for dropped.Load() == 0 {
				for _, s := range []State{Offline, Online, Offline} {
					if _, _, err := reg.SetState(ctx, Pump, "p", s); err != nil && !errors.Is(err, ErrNotFound) {
						t.Error(err)
						return
					}
				}
			}
		})
		for range 3 {
			other := newTestRegistry(t, addr, 5*time.Second)
			wg.Go(func() {
				for dropped.Load() == 0 {
					_, _, err := other.Drop(ctx, Pump, "p")
					switch {
					case err == nil:
						dropped.Add(1)
					case !errors.Is(err, ErrNotOffline) && !errors.Is(err, ErrNotFound):
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if n := dropped.Load(); n != 1 {
			t.Errorf("%d have dropped it", n)
		}
	}
	for drops := 0; drops < 20; {
		for _, ev := range (<-watch).Events {
			if ev.Type != clientv3.EventTypeDelete {
				continue
			}
			drops++
			if r, err := DecodeRecord(ev.PrevKv.Value); err != nil || r.State != Offline {
				t.Errorf("what was dropped was %s (%v)", ev.PrevKv.Value, err)
			}
		}
	}
}

// TestClusterSeesItsDrop: who reads through the cluster right behind a drop does not see
// the node any more.
func TestClusterSeesItsDrop(t *testing.T) {
	addr := startEtcd(t).addr
	reg := newTestRegistry(t, addr, 5*time.Second)
	cache := OpenCache(reg, CacheOptions{})
	defer cache.Close()
	c := NewCluster(reg, cache)
	for range 20 {
		if _, err := reg.Put(t.Context(), Drainer, testRecord("d", Offline), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := c.WaitState(t.Context(), Drainer, "d", Offline); err != nil {
			t.Fatal(err)
		}
		if s, err := c.View(t.Context(), 0); err != nil || len(s.Drainers) != 1 {
			t.Fatalf("the view lacks what was waited for: %v", err)
		}
		if _, _, err := c.Drop(context.Background(), Drainer, "d"); err != nil {
			t.Fatal(err)
		}
		if s, err := c.View(t.Context(), 0); err != nil || len(s.Drainers) != 0 {
			t.Fatalf("the view still has it: %v", err)
		}
	}
}
