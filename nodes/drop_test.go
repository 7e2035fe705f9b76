package nodes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestDrop: an offline record goes, whatever revision it stands at; an event is left
// exactly where a record was changed, and names the operation.
func TestDrop(t *testing.T) {
	addr := startEtcd(t).addr
	reg, cli := newTestRegistry(t, addr, 5*time.Second), newTestClient(t, addr)
	ctx := t.Context()
	var operations []string
	note := func(old Entry, operation string) string {
		operations = append(operations, operation)
		return fmt.Sprintf(`{"op":%q,"was":%q}`, operation, old.Record.State)
	}
	events := func() (keys string, last string) {
		resp, err := cli.Get(ctx, EventsPrefix, clientv3.WithPrefix())
		if err != nil {
			t.Fatal(err)
		}
		for _, kv := range resp.Kvs {
			keys, last = keys+string(kv.Key)+" ", string(kv.Value)
		}
		return keys, last
	}
	rev, err := reg.Put(ctx, Pump, testRecord("p", Closing), 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = reg.Drop(ctx, Pump, "p", note)
	if !errors.Is(err, ErrNotOffline) || !strings.Contains(err.Error(), "OFFLINE PUMP 'p'") || !strings.Contains(err.Error(), "update-pump -node-id p -state offline") {
		t.Errorf("a closing pump: %v", err)
	}
	if _, _, err := reg.Drop(ctx, Drainer, "p", note); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such drainer: %v", err)
	}
	if keys, _ := events(); keys != "" {
		t.Errorf("a refused removal left %s", keys)
	}
	old, set, err := reg.SetState(ctx, Pump, "p", Offline, note)
	if err != nil || set <= rev || old.State != Closing {
		t.Fatalf("set to offline: revision %d, was %s, %v", set, old.State, err)
	}
	old, revision, err := reg.Drop(ctx, Pump, "p", note)
	if err != nil || old.NodeID != "p" || revision <= set {
		t.Errorf("dropped %+v at %d, %v", old, revision, err)
	}
	want := fmt.Sprintf("/pumphouse/v1/events/pumps/p/%020d /pumphouse/v1/events/pumps/p/%020d ", rev, set)
	keys, last := events()
	if keys != want || len(operations) != 2 || last != fmt.Sprintf(`{"op":%q,"was":"offline"}`, operations[1]) || operations[0] == operations[1] {
		t.Errorf("events at %s, want %s; the last is %s of operations %q", keys, want, last, operations)
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
					if _, _, err := reg.SetState(ctx, Pump, "p", s, nil); err != nil && !errors.Is(err, ErrNotFound) {
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
					_, _, err := other.Drop(ctx, Pump, "p", nil)
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

// TestClusterSeesItsDrop: who reads through the cluster right after a drop does not see
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
		if _, _, err := c.Drop(context.Background(), Drainer, "d", nil); err != nil {
			t.Fatal(err)
		}
		if s, err := c.View(t.Context(), 0); err != nil || len(s.Drainers) != 0 {
			t.Fatalf("the view still has it: %v", err)
		}
	}
}
