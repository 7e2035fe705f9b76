package pdtest_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pingcaplog "github.com/pingcap/log"
	official "github.com/tikv/pd/client"
	"go.uber.org/zap"

	"pumphouse/nodes"
	"pumphouse/nodes/pd"
	"pumphouse/testsuite/pdtest"
)

func ours(t *testing.T, c *pdtest.Cluster, endpoints ...string) *pd.Client {
	t.Helper()
	if len(endpoints) == 0 {
		endpoints = c.Endpoints()
	}
	client, err := pd.New(pd.Options{Endpoints: endpoints, TLS: c.TLS(), Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// load calls tso from many goroutines until it is stopped. Every timestamp must be larger
// than all that were given before its call began, and no call may fail.
type load struct {
	given  atomic.Int64
	newest atomic.Int64
	tick   chan struct{} // a timestamp was given, if anybody listens
	failed chan struct{} // closed when a caller has failed
	end    chan struct{}
	wg     sync.WaitGroup
}

func startLoad(t *testing.T, callers int, tso func(context.Context) (nodes.TSO, error)) *load {
	l := &load{tick: make(chan struct{}), failed: make(chan struct{}), end: make(chan struct{})}
	var once sync.Once
	for range callers {
		l.wg.Go(func() {
			if err := l.call(t.Context(), tso); err != nil {
				t.Error(err)
				once.Do(func() { close(l.failed) })
			}
		})
	}
	return l
}

func (l *load) call(ctx context.Context, tso func(context.Context) (nodes.TSO, error)) error {
	for {
		select {
		case <-l.end:
			return nil
		default:
		}
		floor := l.newest.Load()
		ts, err := tso(ctx)
		if err != nil {
			return err
		}
		if int64(ts) <= floor {
			return fmt.Errorf("got %d after %d was given", ts, floor)
		}
		for old := floor; int64(ts) > old && !l.newest.CompareAndSwap(old, int64(ts)); {
			old = l.newest.Load()
		}
		l.given.Add(1)
		select {
		case l.tick <- struct{}{}:
		default:
		}
	}
}

// more returns when so many more timestamps have been given.
func (l *load) more(t *testing.T, count int64) {
	t.Helper()
	for target := l.given.Load() + count; l.given.Load() < target; {
		select {
		case <-l.tick:
		case <-l.failed:
			t.FailNow()
		}
	}
}

func (l *load) stop() {
	close(l.end)
	l.wg.Wait()
}

// TestOurClient is the client of nodes/pd on either PD: timestamps by 50 callers while PD
// is stopped and started, and killed and started.
func TestOurClient(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, c *pdtest.Cluster) {
		client := ours(t, c)
		id, err := client.ClusterID(t.Context())
		if err != nil || id != c.ClusterID() {
			t.Fatalf("cluster ID %d, %v; want %d", id, err, c.ClusterID())
		}
		l := startLoad(t, 50, client.TSO)
		l.more(t, 5000)
		c.Restart(0)
		l.more(t, 5000)
		c.Kill(0)
		c.Start(0)
		l.more(t, 5000)
		l.stop()
		if c.ClusterID() != id {
			t.Errorf("cluster ID after restarts: %d, before: %d", c.ClusterID(), id)
		}
	})
}

// TestOurClientFollowsTheLeader: three members, of which the client is told one; the
// leader is moved twice, then killed, then a member it was not told of goes too.
func TestOurClientFollowsTheLeader(t *testing.T) {
	c := pdtest.StartReal(t, 3)
	client := ours(t, c, c.Endpoint(0))
	l := startLoad(t, 10, client.TSO)
	l.more(t, 1000)
	for range 2 {
		to := (c.Leader() + 1) % c.Size()
		c.TransferLeader(to)
		if c.Leader() != to {
			t.Errorf("the leader is %d, want %d", c.Leader(), to)
		}
		l.more(t, 1000)
	}
	dead := c.Leader()
	c.Kill(dead)
	c.WaitReady()
	l.more(t, 1000)
	c.Start(dead)
	c.Stop(c.Leader())
	c.WaitReady()
	l.more(t, 1000)
	l.stop()
}

// TestOfficialClient is PD's own client on either PD: it connects at once, knows the
// cluster, and gets timestamps that grow under 50 callers.
func TestOfficialClient(t *testing.T) {
	quiet(t)
	pdtest.Both(t, func(t *testing.T, c *pdtest.Cluster) {
		start := time.Now()
		client, err := official.NewClientWithContext(t.Context(), c.Endpoints(), official.SecurityOption{})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if id := client.GetClusterID(t.Context()); id != c.ClusterID() {
			t.Errorf("cluster ID %d, want %d", id, c.ClusterID())
		}
		tso := func(ctx context.Context) (nodes.TSO, error) {
			physical, logical, err := client.GetTS(ctx)
			return nodes.MakeTSO(time.UnixMilli(physical), logical), err
		}
		if _, err := tso(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("the first timestamp took %s", took)
		}
		l := startLoad(t, 50, tso)
		l.more(t, 20_000)
		l.stop()

		// It falls back to asking again, and so comes through a restart.
		c.Restart(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			ts, err := tso(ctx)
			if err == nil {
				if int64(ts) <= l.newest.Load() {
					t.Errorf("after the restart %d, before it %d", ts, l.newest.Load())
				}
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("no timestamp after the restart: %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// quiet silences the logger that PD's client shares with everybody in the process.
func quiet(t *testing.T) {
	_, props, err := pingcaplog.InitLogger(&pingcaplog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pingcaplog.ReplaceGlobals(zap.NewNop(), props))
}

// TestTLS: either PD over TLS with clients' certificates, by both clients and etcd's;
// without a certificate nobody gets in.
func TestTLS(t *testing.T) {
	quiet(t)
	certs := pdtest.NewCerts(t)
	for name, start := range map[string]func() *pdtest.Cluster{
		"pd-server": func() *pdtest.Cluster { return pdtest.StartRealTLS(t, 1, certs) },
		"embedpd":   func() *pdtest.Cluster { return pdtest.StartEmbedTLS(t, certs) },
	} {
		t.Run(name, func(t *testing.T) {
			c := start()
			client := ours(t, c)
			if id, err := client.ClusterID(t.Context()); err != nil || id != c.ClusterID() {
				t.Errorf("our client: %d, %v; want %d", id, err, c.ClusterID())
			}
			if _, err := client.TSO(t.Context()); err != nil {
				t.Errorf("our client: %v", err)
			}
			if _, err := c.Etcd().Put(t.Context(), "/k", "v"); err != nil {
				t.Errorf("etcd's client: %v", err)
			}
			theirs, err := official.NewClientWithContext(t.Context(), c.Endpoints(), official.SecurityOption{
				CAPath: certs.CAFile, CertPath: certs.CertFile, KeyPath: certs.KeyFile,
			})
			if err != nil {
				t.Fatalf("PD's client: %v", err)
			}
			defer theirs.Close()
			if _, _, err := theirs.GetTS(t.Context()); err != nil {
				t.Errorf("PD's client: %v", err)
			}

			bare := &tls.Config{RootCAs: certs.Client().RootCAs}
			stranger, err := pd.New(pd.Options{Endpoints: c.Endpoints(), TLS: bare, Timeout: 500 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer stranger.Close()
			if id, err := stranger.ClusterID(t.Context()); err == nil {
				t.Errorf("a client without a certificate was told the cluster ID %d", id)
			}
		})
	}
}

// TestRecordsSurvive: what was acknowledged is there after a kill, and a watch goes on
// where it was.
func TestRecordsSurvive(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, c *pdtest.Cluster) {
		const prefix = "/tidb-binlog/v1/pumps/"
		put, err := c.Etcd().Put(t.Context(), prefix+"p1", "{}")
		if err != nil {
			t.Fatal(err)
		}
		c.Kill(0)
		c.Start(0)
		got, err := c.Etcd().Get(t.Context(), prefix+"p1")
		if err != nil || len(got.Kvs) != 1 || got.Kvs[0].ModRevision != put.Header.Revision {
			t.Errorf("after the kill: %v, %v; want revision %d", got, err, put.Header.Revision)
		}
	})
}

// TestClusterHarness holds the harness to what its users rely on.
func TestClusterHarness(t *testing.T) {
	c := pdtest.StartReal(t, 1)
	if c.Leader() != 0 || c.Size() != 1 {
		t.Errorf("leader %d of %d", c.Leader(), c.Size())
	}
	c.TransferLeader(0) // leads already
	before := slices.Clone(c.Endpoints())
	c.Stop(0)
	c.Stop(0) // stopped already
	c.Start(0)
	if !slices.Equal(before, c.Endpoints()) {
		t.Errorf("endpoints moved from %v to %v", before, c.Endpoints())
	}
	if c.TLS() != nil {
		t.Error("TLS where there is none")
	}
}
