package nodes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestRegistryReadsAndWrites(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	cli := newTestClient(t, e.addr)
	reg := NewRegistry(cli, 0)
	ctx := context.Background()

	if _, err := reg.Get(ctx, Pump, "nope"); !errors.Is(err, ErrNotFound) ||
		err.Error() != "node pump, id nope from etcd "+e.addr+" not found" {
		t.Fatalf("Get of nothing: %v", err)
	}
	rec := testRecord("pump1", Online)
	rev := mustPut(t, reg, Pump, rec)
	got, err := reg.Get(ctx, Pump, "pump1")
	if err != nil || got.Record != rec || got.ModRevision != rev {
		t.Fatalf("Get: %+v, %v", got, err)
	}

	t.Run("what there is instead", func(t *testing.T) {
		mustPut(t, reg, Drainer, testRecord("drainer1", Online))
		notFound := "node pump, id drainer1 from etcd " + e.addr + " not found"
		for _, find := range []func() error{
			func() error { _, err := reg.Find(ctx, Pump, "drainer1"); return err },
			func() error { _, _, err := reg.SetState(ctx, Pump, "drainer1", Paused, nil); return err },
			func() error { _, _, err := reg.Drop(ctx, Pump, "drainer1", nil); return err },
		} {
			var missing *NotFoundError
			if err := find(); !errors.As(err, &missing) || missing.TiDB() != notFound || err.Error() != notFound+": drainer1 is a drainer; pumps: pump1" {
				t.Errorf("got %v", err)
			}
		}
		many := NotFoundError{Kind: Drainer, NodeID: "x", Asked: true}
		for i := range 12 {
			many.Known = append(many.Known, fmt.Sprintf("d%02d", i))
		}
		if got := many.Error(); !strings.HasSuffix(got, " not found; drainers: d00, d01, d02, d03, d04, d05, d06, d07, d08, d09 and 2 more") {
			t.Errorf("got %s", got)
		}
		if got := (&NotFoundError{Kind: Drainer, NodeID: "x", Asked: true}).Error(); !strings.HasSuffix(got, "; there are no drainers") {
			t.Errorf("got %s", got)
		}
	})
	t.Run("put at the wrong revision", func(t *testing.T) {
		for _, at := range []int64{0, rev + 1} {
			_, err := reg.Put(ctx, Pump, testRecord("pump1", Offline), at)
			var c *ConflictError
			if !errors.As(err, &c) || c.Found == nil || c.Found.ModRevision != rev || c.Found.Record != rec {
				t.Fatalf("at %d: %v", at, err)
			}
		}
		_, err := reg.Put(ctx, Pump, testRecord("gone", Offline), rev)
		var c *ConflictError
		if !errors.As(err, &c) || c.Found != nil || c.Broken != nil {
			t.Fatalf("over a deleted record: %v", err)
		}
	})
	t.Run("put what may not be written", func(t *testing.T) {
		for _, r := range []Record{testRecord("", Online), testRecord("a/b", Online), testRecord("x", "bogus")} {
			if _, err := reg.Put(ctx, Pump, r, 0); err == nil {
				t.Errorf("%+v written", r)
			}
		}
	})
	t.Run("set state", func(t *testing.T) {
		raw := ` {"updateTS":7, "label":{"labels":{"k":"v"}},"nodeId":"odd" ,"state":"online","extra":[1, 2],"maxCommitTS":3}`
		put(t, cli, Drainer.Key("odd"), raw)
		old, rev, err := reg.SetState(ctx, Drainer, "odd", Paused, nil)
		if err != nil || old.State != Online || old.UpdateTS != 7 {
			t.Fatalf("SetState: %+v, %v", old, err)
		}
		got, err := reg.Get(ctx, Drainer, "odd")
		if want := strings.Replace(raw, `"online"`, `"paused"`, 1); err != nil || string(got.Raw) != want || got.ModRevision != rev {
			t.Fatalf("PD has %s at %d (%v), want %s at %d", got.Raw, got.ModRevision, err, want, rev)
		}
		if old, again, err := reg.SetState(ctx, Drainer, "odd", Paused, nil); err != nil || old.State != Paused || again <= rev {
			t.Fatalf("the same state once more: %+v, %d, %v", old, again, err)
		}
		if _, _, err := reg.SetState(ctx, Drainer, "nope", "bogus", nil); !errors.Is(err, ErrNotFound) {
			t.Errorf("the node is looked up before the state is checked: %v", err)
		}
		var unknown *UnknownStateError
		if _, _, err := reg.SetState(ctx, Drainer, "odd", "bogus", nil); !errors.As(err, &unknown) {
			t.Errorf("an unknown state: %v", err)
		}
		var broken *Broken
		put(t, cli, Drainer.Key("bad"), "hello")
		if _, _, err := reg.SetState(ctx, Drainer, "bad", Paused, nil); !errors.As(err, &broken) {
			t.Errorf("a broken record: %v", err)
		}
	})
}

func TestListReportsWhatIsBroken(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	cli := newTestClient(t, e.addr)
	reg := NewRegistry(cli, 0)
	for _, id := range []string{"p2", "p1", "p10"} {
		mustPut(t, reg, Pump, testRecord(id, Online))
	}
	mustPut(t, reg, Drainer, testRecord("d1", Offline))
	put(t, cli, Pump.Key("p1x"), "garbage")
	put(t, cli, Pump.Key("p3"), `{"nodeId":"p2","state":"online"}`)
	put(t, cli, Drainer.Prefix(), `{"nodeId":"","state":"online"}`)
	put(t, cli, Drainer.Key("a/b"), `{"nodeId":"a/b","state":"online"}`)
	put(t, cli, "/tidb-binlog/v1/foreign", "x")

	check := func(t *testing.T, s *Snapshot) {
		t.Helper()
		if got := ids(s.Pumps); got != "p1 p10 p2" {
			t.Errorf("pumps: %s", got)
		}
		if got := ids(s.Drainers); got != "a/b d1" {
			t.Errorf("drainers: %s", got)
		}
		var keys []string
		for _, b := range s.Broken {
			keys = append(keys, b.Key)
			if b.Err == nil || b.ModRevision == 0 {
				t.Errorf("%+v says too little", b)
			}
		}
		want := Drainer.Prefix() + " " + Pump.Key("p1x") + " " + Pump.Key("p3")
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("broken: %s, want %s", got, want)
		}
	}
	list, err := reg.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	check(t, list)

	// The same, but arriving by events.
	if resp, err := cli.Get(context.Background(), "/tidb-binlog/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	} else {
		all := make([]*clientv3.Event, 0, len(resp.Kvs))
		for _, kv := range resp.Kvs {
			all = append(all, &clientv3.Event{Type: clientv3.EventTypePut, Kv: kv})
		}
		check(t, (&Snapshot{}).after(all))
	}
}

func ids(entries []Entry) string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Record.NodeID)
	}
	return strings.Join(out, " ")
}

// A call to a PD that is away ends with the time-out, names the endpoints and the cure;
// one that is cancelled does not blame PD.
func TestRegistryWithoutPD(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	g := newGate(t, e.addr)
	reg := newTestRegistry(t, g.addr(), time.Second)
	mustPut(t, reg, Pump, testRecord("p", Online))
	for name, away := range map[string]func(){"silent": g.shut, "refusing": g.sever} {
		t.Run(name, func(t *testing.T) {
			away()
			defer eventually(t, "PD is back", func() bool { _, err := reg.List(context.Background()); return err == nil })
			defer g.pass()
			calls := map[string]func(ctx context.Context) error{
				"list": func(ctx context.Context) error { _, err := reg.List(ctx); return err },
				"get":  func(ctx context.Context) error { _, err := reg.Get(ctx, Pump, "p"); return err },
				"put":  func(ctx context.Context) error { _, err := reg.Put(ctx, Pump, testRecord("q", Online), 1); return err },
			}
			for what, call := range calls {
				began := time.Now()
				err := call(context.Background())
				var pd *PDError
				if !errors.As(err, &pd) || !strings.Contains(err.Error(), g.addr()) || !strings.Contains(err.Error(), "-pd-urls") {
					t.Errorf("%s: %v", what, err)
				} else if pd.Unknown != (what == "put") {
					t.Errorf("%s: unknown outcome %t", what, pd.Unknown)
				}
				if took := time.Since(began); took < 250*time.Millisecond || took > 30*time.Second {
					t.Errorf("%s took %s", what, took)
				}
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				if err := call(ctx); !errors.Is(err, context.Canceled) || errors.As(err, &pd) {
					t.Errorf("%s cancelled: %v", what, err)
				}
			}
		})
	}
}

// A write whose answer was lost is found to have happened when it is repeated, and is
// reported as the success it is.
func TestSwapFindsItsOwnWrite(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	g := newGate(t, e.addr)
	reg := newTestRegistry(t, g.addr(), 10*time.Second)
	direct := newTestRegistry(t, e.addr, 0)
	rev := mustPut(t, reg, Pump, testRecord("p", Online))

	ctx := context.Background()
	watch := direct.client.Watch(clientv3.WithRequireLeader(ctx), Pump.Key("p"), clientv3.WithRev(rev+1), clientv3.WithCreatedNotify())
	<-watch
	var got int64

	// Requests reach PD, answers are lost, then the connection ends.
	done := make(chan error, 1)
	g.hold(true)
	go func() {
		var err error
		got, err = reg.Put(ctx, Pump, testRecord("p", Closing), rev)
		done <- err
	}()
	written := (<-watch).Events[0].Kv.ModRevision
	g.sever()
	g.hold(false)
	g.pass()
	if err := <-done; err != nil || got != written {
		t.Fatalf("Put: revision %d, %v; written at %d", got, err, written)
	}
}

func TestSetStateRaces(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	ctx := context.Background()
	first := mustPut(t, reg, Pump, testRecord("p", Online))

	const writers, rounds = 4, 50
	revs := make(chan int64, writers*rounds)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				_, rev, err := reg.SetState(ctx, Pump, "p", States()[(w+i)%5], nil)
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				revs <- rev
			}
		})
	}
	wg.Wait()
	close(revs)
	seen := map[int64]bool{}
	for rev := range revs {
		if seen[rev] {
			t.Errorf("two writers were told revision %d", rev)
		}
		seen[rev] = true
	}
	for rev := first + 1; rev <= first+writers*rounds; rev++ {
		if !seen[rev] {
			t.Errorf("nobody was told revision %d", rev)
		}
	}
}

func TestParseEndpoints(t *testing.T) {
	for _, c := range []struct {
		in     string
		secure bool
		want   string // "" = refused
	}{
		{"127.0.0.1:2379", false, "http://127.0.0.1:2379"},
		{"http://pd0:2379, http://pd1:2379/", false, "http://pd0:2379 http://pd1:2379"},
		{"pd", false, "http://pd:2379"},
		{"pd", true, "https://pd:2379"},
		{"https://pd:1", true, "https://pd:1"},
		{"[::1]:2379", false, "http://[::1]:2379"},
		{"http://[::1]", false, "http://[::1]:2379"},
		{"https://pd:1", false, ""},
		{"http://pd:1", true, ""},
		{"", false, ""}, {" , ", false, ""}, {"http://", false, ""}, {"ftp://pd", false, ""},
		{"http://pd:2379/path", false, ""}, {"http://u:p@pd:2379", false, ""}, {"http://pd:port", false, ""},
	} {
		got, err := ParseEndpoints([]string{c.in}, c.secure)
		if (err != nil) != (c.want == "") || strings.Join(got, " ") != c.want {
			t.Errorf("%q, secure %t: %v, %v", c.in, c.secure, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), "-pd-urls") {
			t.Errorf("%q: no cure in %v", c.in, err)
		}
	}
	if got := fmt.Sprint(displayEndpoints([]string{"http://a:1", "b:2"})); got != "[a:1 b:2]" {
		t.Errorf("displayEndpoints: %s", got)
	}
}
