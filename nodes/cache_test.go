package nodes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

func openTestCache(t testing.TB, reg *Registry, o CacheOptions) *Cache {
	t.Helper()
	c := OpenCache(reg, o)
	t.Cleanup(func() { c.Close() })
	return c
}

// awaitFresh waits until the cache answers without asking PD.
func awaitFresh(t testing.TB, c *Cache) *Snapshot {
	t.Helper()
	eventually(t, "the view is current", func() bool { return c.fresh() != nil })
	return c.fresh()
}

func TestCacheFollows(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	cli := newTestClient(t, e.addr)
	reg := NewRegistry(cli, 0)
	ctx := context.Background()
	mustPut(t, reg, Pump, testRecord("p2", Online))
	c := openTestCache(t, reg, CacheOptions{})

	// Also the first reader gets an answer, from PD.
	s, err := c.View(ctx, 0)
	if err != nil || ids(s.Pumps) != "p2" {
		t.Fatalf("first view: %+v, %v", s, err)
	}
	awaitFresh(t, c)

	t.Run("a writer sees its write", func(t *testing.T) {
		for _, state := range []State{Paused, Closing, Online} {
			_, rev, err := reg.SetState(ctx, Pump, "p2", state, nil)
			if err != nil {
				t.Fatal(err)
			}
			s, err := c.View(ctx, rev)
			if err != nil || s.Revision < rev || s.Pumps[0].Record.State != state || s.Pumps[0].ModRevision != rev {
				t.Fatalf("after writing %s at %d: %+v, %v", state, rev, s, err)
			}
		}
	})
	t.Run("a snapshot never changes", func(t *testing.T) {
		before, err := c.View(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		was := fmt.Sprint(before.Pumps)
		rev := mustPut(t, reg, Pump, testRecord("p1", Online))
		after, err := c.View(ctx, rev)
		if err != nil || ids(after.Pumps) != "p1 p2" {
			t.Fatalf("%s, %v", ids(after.Pumps), err)
		}
		if now := fmt.Sprint(before.Pumps); now != was {
			t.Errorf("changed from %s to %s", was, now)
		}
	})
	t.Run("deleted, broken and fixed", func(t *testing.T) {
		if _, err := cli.Delete(ctx, Pump.Key("p1")); err != nil {
			t.Fatal(err)
		}
		rev := put(t, cli, Pump.Key("p2"), "garbage")
		s, err := c.View(ctx, rev)
		if err != nil || len(s.Pumps) != 0 || len(s.Broken) != 1 || s.Broken[0].Key != Pump.Key("p2") {
			t.Fatalf("%+v, %v", s, err)
		}
		rev = put(t, cli, Pump.Key("p2"), `{"nodeId":"p2","state":"online"}`)
		s, err = c.View(ctx, rev)
		if err != nil || ids(s.Pumps) != "p2" || len(s.Broken) != 0 {
			t.Fatalf("%+v, %v", s, err)
		}
	})
	t.Run("next", func(t *testing.T) {
		seen, err := c.View(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		go reg.SetState(ctx, Pump, "p2", Offline, nil)
		next, err := c.Next(ctx, seen)
		if err != nil || next.Revision <= seen.Revision || next.Pumps[0].Record.State != Offline {
			t.Fatalf("%+v, %v", next, err)
		}
	})
}

// With the watch live a view asks PD nothing: views go on while the network swallows
// everything, until the window has passed. Then they fail by the time-out and name PD,
// and come back with the network.
func TestCacheNeverShowsStaleRowsAsFresh(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	for name, away := range map[string]func(*gate){"silent": (*gate).shut, "refusing": (*gate).sever} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, e.addr)
			direct := newTestRegistry(t, e.addr, 0)
			id := "p-" + name
			mustPut(t, direct, Pump, testRecord(id, Online))
			const window, timeout = 600 * time.Millisecond, 400 * time.Millisecond
			c := openTestCache(t, newTestRegistry(t, g.addr(), timeout), CacheOptions{Window: window, Probe: 50 * time.Millisecond})
			awaitFresh(t, c)

			away(g)
			cut := time.Now()
			_, rev, err := direct.SetState(context.Background(), Pump, id, Paused, nil)
			if err != nil {
				t.Fatal(err)
			}
			var fail error
			eventually(t, "a view fails", func() bool {
				began := time.Now()
				s, err := c.View(context.Background(), 0)
				if took := time.Since(began); took > timeout+30*time.Second {
					t.Errorf("a view took %s", took)
				}
				if e, _ := s.orEmpty().Find(Pump, id); err == nil && e.Record.State != Paused && began.Sub(cut) > window {
					t.Fatalf("a stale row was asked for %s after the cut", began.Sub(cut))
				}
				fail = err
				return err != nil
			})
			var pd *PDError
			if !errors.As(fail, &pd) || !strings.Contains(fail.Error(), g.addr()) {
				t.Errorf("the failure does not name PD: %v", fail)
			}
			if _, err := c.View(context.Background(), rev); err == nil {
				t.Error("a revision that the view cannot have")
			}
			g.pass()
			eventually(t, "the view is back", func() bool {
				s, err := c.View(context.Background(), 0)
				if err == nil {
					if e, _ := s.Find(Pump, id); e.Record.State != Paused {
						t.Fatalf("back with an old row: %+v", e)
					}
				}
				return err == nil
			})
			awaitFresh(t, c)
		})
	}
}

func (s *Snapshot) orEmpty() *Snapshot {
	if s == nil {
		return &Snapshot{}
	}
	return s
}

// PD stops and starts again on the same data.
func TestCacheOutlivesPD(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, time.Second)
	mustPut(t, reg, Pump, testRecord("p", Online))
	c := openTestCache(t, reg, CacheOptions{Window: 300 * time.Millisecond, Probe: 50 * time.Millisecond})
	before := awaitFresh(t, c)
	for range 2 {
		e.stop()
		var fail error
		eventually(t, "a view fails", func() bool {
			_, fail = c.View(context.Background(), 0)
			return fail != nil
		})
		if !strings.Contains(fail.Error(), e.addr) {
			t.Errorf("PD is not named: %v", fail)
		}
		e.start()
		eventually(t, "the view is back", func() bool {
			s, err := c.View(context.Background(), 0)
			return err == nil && s.Revision >= before.Revision && ids(s.Pumps) == "p"
		})
		awaitFresh(t, c)
		_, rev, err := reg.SetState(context.Background(), Pump, "p", Paused, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := c.View(context.Background(), rev); err != nil || s.Pumps[0].ModRevision != rev {
			t.Fatalf("after the restart: %+v, %v", s, err)
		}
	}
}

// PD comes back with other data: lower revisions, the same cluster ID. The view must not
// wait for the revisions to catch up.
func TestCacheStartsAnewWhenPDIsWiped(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, time.Second)
	mustPut(t, reg, Pump, testRecord("old", Online))
	for range 20 {
		if _, _, err := reg.SetState(context.Background(), Pump, "old", Paused, nil); err != nil {
			t.Fatal(err)
		}
	}
	c := openTestCache(t, reg, CacheOptions{Window: 300 * time.Millisecond, Probe: 50 * time.Millisecond})
	before := awaitFresh(t, c)
	e.stop()
	e.wipe()
	e.start()
	eventually(t, "a write succeeds", func() bool {
		_, err := reg.Put(context.Background(), Pump, testRecord("new", Online), 0)
		var c *ConflictError
		return err == nil || errors.As(err, &c)
	})
	eventually(t, "the view shows the new data", func() bool {
		s, err := c.View(context.Background(), 0)
		return err == nil && ids(s.Pumps) == "new"
	})
	s := awaitFresh(t, c)
	if s.Revision >= before.Revision || ids(s.Pumps) != "new" {
		t.Fatalf("at revision %d (was %d): %s", s.Revision, before.Revision, ids(s.Pumps))
	}
	// The watch belongs to the new history too.
	_, rev, err := reg.SetState(context.Background(), Pump, "new", Closing, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.View(context.Background(), rev); err != nil || s.Pumps[0].Record.State != Closing {
		t.Fatalf("%+v, %v", s, err)
	}
}

// Behind the same address stands another cluster, whose revisions are higher: only its
// ID tells that the watch may not go on where it was.
func TestCacheStartsAnewOnAnotherCluster(t *testing.T) {
	t.Parallel()
	one := startEtcd(t)
	two := startEtcdWith(t, func(cfg *embed.Config) { cfg.InitialClusterToken = "another" })
	mustPut(t, newTestRegistry(t, one.addr, 0), Pump, testRecord("one", Online))
	direct := newTestRegistry(t, two.addr, 0)
	mustPut(t, direct, Pump, testRecord("two", Online))
	for range 10 {
		operatorOf(t, direct, Pump, "two", Paused)
	}
	g := newGate(t, one.addr)
	c := openTestCache(t, newTestRegistry(t, g.addr(), time.Second), CacheOptions{Window: 300 * time.Millisecond, Probe: 20 * time.Millisecond})
	awaitFresh(t, c)
	g.sever()
	g.mu.Lock()
	g.target = two.addr
	g.mu.Unlock()
	g.pass()
	eventually(t, "the view shows the other cluster", func() bool {
		s, err := c.View(context.Background(), 0)
		return err == nil && ids(s.Pumps) == "two"
	})
	rev := operatorOf(t, direct, Pump, "two", Closing)
	if s, err := c.View(context.Background(), rev); err != nil || ids(s.Pumps) != "two" || s.Pumps[0].Record.State != Closing {
		t.Fatalf("%+v, %v", s, err)
	}
}

func operatorOf(t testing.TB, reg *Registry, k Kind, id string, s State) int64 {
	t.Helper()
	_, rev, err := reg.SetState(context.Background(), k, id, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// The watch is away while PD compacts what it missed. Probes are too rare to notice, so
// it is etcd that refuses to resume.
func TestCacheSurvivesCompaction(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	g := newGate(t, e.addr)
	direct := newTestRegistry(t, e.addr, 0)
	mustPut(t, direct, Pump, testRecord("p", Online))
	c := openTestCache(t, newTestRegistry(t, g.addr(), 0), CacheOptions{Window: time.Hour, Probe: time.Hour})
	seen := awaitFresh(t, c)
	g.sever()
	var rev int64
	for i := range 20 {
		var err error
		if _, rev, err = direct.SetState(context.Background(), Pump, "p", States()[i%5], nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := direct.client.Compact(context.Background(), rev, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	g.pass()
	for seen.Revision < rev {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		next, err := c.Next(ctx, seen)
		cancel()
		if err != nil {
			t.Fatalf("the view stays at %d, want %d: %v", seen.Revision, rev, err)
		}
		seen = next
	}
	awaitFresh(t, c)
}

// Many readers of a view that is not current share reads, and each gets the result of
// one that began after it asked.
func TestReadThroughIsShared(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	mustPut(t, reg, Pump, testRecord("p", Online))
	c := openTestCache(t, reg, CacheOptions{Window: 1}) // nothing is ever current
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 30 {
				state := States()[(w+i)%5]
				_, rev, err := reg.SetState(context.Background(), Pump, "p", state, nil)
				if err != nil {
					t.Error(err)
					return
				}
				// No revision is asked for: a read that began before would be too old.
				s, err := c.View(context.Background(), 0)
				if err != nil || s.Revision < rev {
					t.Errorf("wrote at %d, then saw %+v, %v", rev, s, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Views never go back in revision while writers and readers run and connections break.
func TestViewsNeverGoBack(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	g := newGate(t, e.addr)
	direct := newTestRegistry(t, e.addr, 0)
	for i := range 10 {
		mustPut(t, direct, Kinds()[i%2], testRecord(fmt.Sprintf("n%d", i), Online))
	}
	c := openTestCache(t, newTestRegistry(t, g.addr(), time.Second), CacheOptions{Window: 100 * time.Millisecond, Probe: 20 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for r := range 4 {
		wg.Go(func() {
			last := int64(0)
			for ctx.Err() == nil {
				s, err := c.View(ctx, 0)
				if err != nil {
					continue // PD was away
				}
				if s.Revision < last {
					t.Errorf("reader %d saw %d after %d", r, s.Revision, last)
				}
				last = s.Revision
				time.Sleep(50 * time.Microsecond) // leave the processors to PD
				if len(s.Pumps) != 5 || len(s.Drainers) != 5 {
					t.Errorf("rows are missing: %s, %s", ids(s.Pumps), ids(s.Drainers))
				}
			}
		})
	}
	for i := range 300 {
		k := Kinds()[i%2]
		if _, _, err := direct.SetState(ctx, k, fmt.Sprintf("n%d", i%10), States()[i%5], nil); err != nil {
			t.Fatal(err)
		}
		if i%60 == 30 {
			g.sever()
			g.pass()
		}
	}
	cancel()
	wg.Wait()
}

// The two faults a watch can have that only the probe sees: a write that never comes and
// a deletion that never comes.
func TestProbeFindsWhatTheWatchLost(t *testing.T) {
	at := func(rev int64, n int) *Snapshot { return &Snapshot{Revision: rev, Pumps: make([]Entry, n)} }
	for _, c := range []struct {
		name   string
		view   *Snapshot
		probe  probe
		covers bool
	}{
		{"same revision", at(10, 2), probe{revision: 10, newest: 9, count: 2}, true},
		{"foreign keys moved the revision", at(10, 2), probe{revision: 50, newest: 9, count: 2}, true},
		{"the view is ahead", at(12, 3), probe{revision: 10, newest: 9, count: 2}, true},
		{"a write is missing", at(10, 2), probe{revision: 11, newest: 11, count: 2}, false},
		{"a new node is missing", at(10, 2), probe{revision: 11, newest: 11, count: 3}, false},
		{"a deletion is missing", at(10, 2), probe{revision: 11, newest: 9, count: 1}, false},
		{"no nodes", at(10, 0), probe{revision: 11}, true},
	} {
		if got := c.view.covers(c.probe); got != c.covers {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestClosedCache(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	c := OpenCache(reg, CacheOptions{})
	s := awaitFresh(t, c)
	next := make(chan error, 1)
	go func() { _, err := c.Next(context.Background(), s); next <- err }()
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.View(context.Background(), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("View: %v", err)
	}
	if err := <-next; !errors.Is(err, ErrClosed) {
		t.Errorf("Next: %v", err)
	}
}

// A console starts before PD does.
func TestCacheStartsBeforePD(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	e.stop()
	c := openTestCache(t, newTestRegistry(t, e.addr, 200*time.Millisecond), CacheOptions{})
	if _, err := c.View(context.Background(), 0); err == nil || !strings.Contains(err.Error(), e.addr) {
		t.Fatalf("without PD: %v", err)
	}
	e.start()
	awaitFresh(t, c)
}

func BenchmarkView(b *testing.B) {
	e := startEtcd(b)
	reg := newTestRegistry(b, e.addr, 0)
	mustPut(b, reg, Pump, testRecord("p", Online))
	c := openTestCache(b, reg, CacheOptions{Window: time.Hour, Probe: time.Hour})
	awaitFresh(b, c)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.View(ctx, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// What one heartbeat costs a view of 10,000 nodes.
func BenchmarkUpdateOf10000(b *testing.B) {
	s := &Snapshot{Revision: 1}
	for i := range 10_000 {
		s.Pumps = append(s.Pumps, Entry{Record: testRecord(fmt.Sprintf("pump%05d", i), Online)})
	}
	raw, err := EncodeRecord(testRecord("pump05000", Online))
	if err != nil {
		b.Fatal(err)
	}
	ev := &clientv3.Event{Type: clientv3.EventTypePut, Kv: &mvccpb.KeyValue{Key: []byte(Pump.Key("pump05000")), Value: raw, ModRevision: 2}}
	b.ReportAllocs()
	for b.Loop() {
		if s.after([]*clientv3.Event{ev}) == s {
			b.Fatal("nothing changed")
		}
	}
}
