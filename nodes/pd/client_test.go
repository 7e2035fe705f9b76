package pd_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/embedpd"
	"pumphouse/nodes/pd"
)

func startPD(t testing.TB, addr, dir string) *embedpd.Server {
	t.Helper()
	s, err := embedpd.New(embedpd.Options{Addr: addr, DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func newClient(t testing.TB, timeout time.Duration, endpoints ...string) *pd.Client {
	t.Helper()
	c, err := pd.New(pd.Options{Endpoints: endpoints, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// silentAddr is an address that takes connections and never says anything.
func silentAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

// closedAddr is an address nobody listens on.
func closedAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestEndpointForms(t *testing.T) {
	s := startPD(t, "127.0.0.1:0", t.TempDir())
	for _, endpoints := range [][]string{
		{s.Addr()}, {"http://" + s.Addr()}, {" http://" + s.Addr() + "/ "},
		{closedAddr(t), s.Addr()},             // one that is down
		{"http://" + silentAddr(t), s.Addr()}, // one that hangs
	} {
		c := newClient(t, 0, endpoints...)
		start := time.Now()
		id, err := c.ClusterID(t.Context())
		if err != nil || id != s.ClusterID() {
			t.Errorf("%q: cluster ID %d, %v; want %d", endpoints, id, err, s.ClusterID())
		}
		if ts, err := c.TSO(t.Context()); err != nil || time.Since(ts.Time()).Abs() > time.Minute {
			t.Errorf("%q: timestamp %d, %v", endpoints, ts, err)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%q: took %s", endpoints, took)
		}
	}
	for _, endpoints := range [][]string{nil, {""}, {"127.0.0.1"}, {"ftp://127.0.0.1:1"}, {"http://:2379"}, {"http://a:1/x"}, {"https://127.0.0.1:2379"}} {
		if _, err := pd.New(pd.Options{Endpoints: endpoints}); err == nil {
			t.Errorf("the endpoints %q were taken", endpoints)
		}
	}
}

// TestTimestampsGrowUnderLoad: what a call gives is larger than what any call gave that
// ended before it began; PD is stopped and started meanwhile, twice.
func TestTimestampsGrowUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := startPD(t, "127.0.0.1:0", dir)
	addr := s.Addr()
	c := newClient(t, 20*time.Second, addr)

	const callers = 50
	var newest, given atomic.Int64
	var wg sync.WaitGroup
	stop, tick, failed := make(chan struct{}), make(chan struct{}), make(chan error, callers)
	caller := func() error {
		for {
			select {
			case <-stop:
				return nil
			default:
			}
			floor := newest.Load()
			ts, err := c.TSO(t.Context())
			if err != nil {
				return err
			}
			if int64(ts) <= floor {
				return fmt.Errorf("got %d after %d was given", ts, floor)
			}
			raise(&newest, int64(ts))
			given.Add(1)
			select {
			case tick <- struct{}{}:
			default:
			}
		}
	}
	for range callers {
		wg.Go(func() {
			if err := caller(); err != nil {
				failed <- err
			}
		})
	}
	more := func() {
		t.Helper()
		for target := given.Load() + 5_000; given.Load() < target; {
			select {
			case <-tick:
			case err := <-failed:
				t.Fatal(err)
			}
		}
	}
	more()
	for range 2 {
		s.Close()
		s = startPD(t, addr, dir)
		more()
	}
	close(stop)
	wg.Wait()
}

func raise(max *atomic.Int64, v int64) {
	for {
		old := max.Load()
		if v <= old || max.CompareAndSwap(old, v) {
			return
		}
	}
}

// TestEveryCallerGetsItsOwn: no timestamp is given twice.
func TestEveryCallerGetsItsOwn(t *testing.T) {
	s := startPD(t, "127.0.0.1:0", t.TempDir())
	c := newClient(t, 0, s.Addr())
	const callers, each = 50, 200
	got := make([][]nodes.TSO, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range each {
				ts, err := c.TSO(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				got[i] = append(got[i], ts)
			}
		})
	}
	wg.Wait()
	seen := map[nodes.TSO]bool{}
	for _, list := range got {
		for _, ts := range list {
			if seen[ts] {
				t.Fatalf("%d was given twice", ts)
			}
			seen[ts] = true
		}
	}
	if len(seen) != callers*each {
		t.Errorf("%d timestamps, want %d", len(seen), callers*each)
	}
}

func TestUnreachablePDIsNamed(t *testing.T) {
	for name, addr := range map[string]string{"nobody listens": closedAddr(t), "nobody answers": silentAddr(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, 300*time.Millisecond, addr)
			calls := map[string]func(context.Context) error{
				"ClusterID": func(ctx context.Context) error { _, err := c.ClusterID(ctx); return err },
				"TSO":       func(ctx context.Context) error { _, err := c.TSO(ctx); return err },
			}
			for call, f := range calls {
				start := time.Now()
				err := f(t.Context())
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "is PD running") {
					t.Errorf("%s: got %v, want a time-out that names %s and a cure", call, err, addr)
				}
				if took := time.Since(start); took > 30*time.Second {
					t.Errorf("%s took %s", call, took)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := f(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("%s, cancelled: got %v", call, err)
				}
			}
		})
	}
}

// TestOtherClusterIsRefused: at the same address a PD with other data comes up.
func TestOtherClusterIsRefused(t *testing.T) {
	s := startPD(t, "127.0.0.1:0", t.TempDir())
	c := newClient(t, 500*time.Millisecond, s.Addr())
	if _, err := c.TSO(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	startPD(t, s.Addr(), t.TempDir())
	if ts, err := c.TSO(t.Context()); !errors.Is(err, pd.ErrOtherCluster) {
		t.Errorf("got %d, %v; want ErrOtherCluster", ts, err)
	}
}

func TestCloseEndsCallsAndGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	addr := closedAddr(t)
	c := newClient(t, time.Minute, addr)
	failed := make(chan error)
	for range 10 {
		go func() { _, err := c.TSO(context.Background()); failed <- err }()
		go func() { _, err := c.ClusterID(context.Background()); failed <- err }()
	}
	runtime.Gosched()
	c.Close()
	c.Close()
	for range 20 {
		if err := <-failed; !errors.Is(err, pd.ErrClosed) {
			t.Errorf("a call that was waiting: got %v, want ErrClosed", err)
		}
	}
	if _, err := c.TSO(t.Context()); !errors.Is(err, pd.ErrClosed) {
		t.Errorf("TSO after Close: %v", err)
	}
	if _, err := c.ClusterID(t.Context()); !errors.Is(err, pd.ErrClosed) {
		t.Errorf("ClusterID after Close: %v", err)
	}
	deadline := time.Now().Add(time.Minute)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(time.Millisecond)
	}
}

func BenchmarkTSO(b *testing.B) {
	s := startPD(b, "127.0.0.1:0", b.TempDir())
	c := newClient(b, 0, s.Addr())
	if _, err := c.TSO(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Run("1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.TSO(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("64", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32) // times GOMAXPROCS
		ctx := b.Context()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := c.TSO(ctx); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
