package tikvmock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	"google.golang.org/grpc"

	"pumphouse/pump/storage"
	"pumphouse/pump/tikv"
)

var primary = []byte("t\x80\x00\x00\x00\x00\x00\x00\x2d_r\x80\x00\x00\x00\x00\x00\x00\x01")

const start, commit = 100 << 18, 101 << 18

// asked is the question about the transaction at start, age after its prewrite.
func asked(age time.Duration) storage.Question {
	return storage.Question{StartTS: start, Key: primary, Age: age}
}

// TestVerdicts: every fate of a transaction is told, by both questions, and asking leaves
// the store exactly as it was; all locks are long expired.
func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*cluster)
		want storage.Verdict
		err  error
	}{
		{"committed put", func(c *cluster) { c.prewrite(start, kvrpcpb.Op_Put, primary); c.commit(start, commit, primary) }, storage.Committed, nil},
		{"committed delete", func(c *cluster) { c.prewrite(start, kvrpcpb.Op_Del, primary); c.commit(start, commit, primary) }, storage.Committed, nil},
		{"committed lock", func(c *cluster) { c.prewrite(start, kvrpcpb.Op_Lock, primary); c.commit(start, commit, primary) }, storage.Committed, nil},
		{"committed, then written again and locked", func(c *cluster) {
			c.prewrite(start, kvrpcpb.Op_Put, primary)
			c.commit(start, commit, primary)
			c.prewrite(commit+1, kvrpcpb.Op_Put, primary)
			c.commit(commit+1, commit+2, primary)
			c.prewrite(commit+3, kvrpcpb.Op_Put, primary)
		}, storage.Committed, nil},
		{"rolled back", func(c *cluster) { c.prewrite(start, kvrpcpb.Op_Put, primary); c.rollback(start, primary) }, storage.RolledBack, nil},
		{"rolled back before it prewrote", func(c *cluster) { c.rollback(start, primary) }, storage.RolledBack, nil},
		{"locked", func(c *cluster) { c.prewrite(start, kvrpcpb.Op_Put, primary) }, storage.Locked, nil},
		{"never seen", func(*cluster) {}, storage.Unknown, nil},
		{"only others", func(c *cluster) {
			c.prewrite(start-2, kvrpcpb.Op_Put, primary)
			c.commit(start-2, start-1, primary)
			c.rollback(start+1, primary)
			c.prewrite(start+2, kvrpcpb.Op_Put, primary)
		}, storage.Unknown, nil},
		{"committed, before the GC safe point", func(c *cluster) {
			c.prewrite(start, kvrpcpb.Op_Put, primary)
			c.commit(start, commit, primary)
			c.safe = commit + 1
		}, storage.Committed, nil},
		{"no trace, GC just before it", func(c *cluster) { c.safe = start - 1 }, storage.Unknown, nil},
		{"no trace, GC up to it", func(c *cluster) { c.safe = start }, storage.Unknown, tikv.ErrCollected},
	} {
		for _, large := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, many versions %v", c.name, large), func(t *testing.T) {
				cl := newCluster(t, 1)
				cl.large = large
				c.do(cl)
				info, locks := cl.contents(primary)
				v, ts, err := cl.resolver(nil).Resolve(t.Context(), asked(0))
				if v != c.want || !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
					t.Errorf("got %d, %v, want %d, %v", v, err, c.want, c.err)
				}
				if v == storage.Committed && ts != commit || v != storage.Committed && ts != 0 {
					t.Errorf("commit TS %d", ts)
				}
				if large && cl.attempts < 2 {
					t.Error("the small question was not asked: nothing was tested")
				}
				q, want := asked(0), c.want
				if q.Reported = true; want == storage.Unknown && c.err == nil {
					want = storage.RolledBack // TiDB does not commit it any more
				}
				if v, _, err := cl.resolver(nil).Resolve(t.Context(), q); v != want || !errors.Is(err, c.err) {
					t.Errorf("when TiDB reports a rollback: got %d, %v, want %d, %v", v, err, want, c.err)
				}
				infoNow, locksNow := cl.contents(primary)
				if !reflect.DeepEqual(info, infoNow) || !reflect.DeepEqual(locks, locksNow) {
					t.Errorf("the question changed the store:\n%v %v\n%v %v", info, locks, infoNow, locksNow)
				}
			})
		}
	}
}

// TestRegions: a leader that moves, a region that splits, a store that is away for a while
// are only a delay, for both questions.
func TestRegions(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(*cluster)
		then   func(*cluster) // once a request has failed; nil: none need fail
	}{
		{"the leader moved", func(c *cluster) { c.layout.ChangeLeader(c.regionID, c.peerIDs[2]) }, nil},
		{"the leader moves after PD was asked", func(c *cluster) { c.afterPD(func() { c.layout.ChangeLeader(c.regionID, c.peerIDs[2]) }) }, func(*cluster) {}},
		{"there is no leader for a while", func(c *cluster) {
			c.layout.GiveUpLeader(c.regionID)
			asked := 0
			c.leader = func() {
				if asked++; asked == 3 {
					c.layout.ChangeLeader(c.regionID, c.peerIDs[1])
				}
			}
		}, nil},
		{"the region was split below the key", func(c *cluster) { c.split("t\x80") }, nil},
		{"the region splits below the key after PD was asked", func(c *cluster) { c.afterPD(func() { c.split("t\x80") }) }, func(*cluster) {}},
		{"the region splits above the key after PD was asked", func(c *cluster) { c.afterPD(func() { c.split("u") }) }, func(*cluster) {}},
		{"the leader's store is down, then another leads",
			func(c *cluster) { c.layout.StopStore(c.storeIDs[0]) },
			func(c *cluster) { c.layout.ChangeLeader(c.regionID, c.peerIDs[1]) }},
		{"the leader's store is down, then it is back",
			func(c *cluster) { c.layout.StopStore(c.storeIDs[0]) },
			func(c *cluster) { c.layout.StartStore(c.storeIDs[0]) }},
	} {
		for _, large := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, many versions %v", c.name, large), func(t *testing.T) {
				cl := newCluster(t, 3)
				cl.large = large
				cl.prewrite(start, kvrpcpb.Op_Put, primary)
				cl.commit(start, commit, primary)
				r := cl.resolver(nil)
				if v, _, err := r.Resolve(t.Context(), asked(0)); v != storage.Committed || err != nil {
					t.Fatalf("at first: %d, %v", v, err)
				}
				failures := 0
				cl.set(func() {
					c.before(cl)
					cl.refused = func() {
						if failures++; failures == 1 && c.then != nil {
							c.then(cl)
						}
					}
				})
				if v, ts, err := r.Resolve(t.Context(), asked(0)); v != storage.Committed || ts != commit || err != nil {
					t.Errorf("then: %d, %s, %v", v, ts, err)
				}
				if c.then != nil && failures == 0 {
					t.Error("no request failed: nothing was tested")
				}
			})
		}
	}
}

// afterPD makes a change between PD's next answer about a region and the request to it.
func (c *cluster) afterPD(change func()) {
	// The change is made when the answer is under way, before it is sent.
	inner := c.pd
	var once sync.Once
	c.pd = lateChange{inner, func() { once.Do(change) }}
}

// TestNoAnswer: a question that cannot be answered ends in time, says where it failed, and
// is held against none that comes later.
func TestNoAnswer(t *testing.T) {
	cl := newCluster(t, 1)
	cl.prewrite(start, kvrpcpb.Op_Put, primary)
	r := cl.resolver(func(o *tikv.Options) { o.Timeout = 3 * time.Second })
	if has, err := r.Available(t.Context()); !has || err != nil {
		t.Fatalf("available: %v, %v", has, err)
	}
	cl.layout.StopStore(cl.storeIDs[0])
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	v, _, err := r.Resolve(ctx, asked(0))
	if v != storage.Unknown || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "TiKV at 127.0.0.1:") {
		t.Errorf("while the store is down: %d, %v", v, err)
	}
	cl.layout.StartStore(cl.storeIDs[0])
	if v, _, err := r.Resolve(t.Context(), asked(0)); v != storage.Locked || err != nil {
		t.Errorf("when it is back: %d, %v", v, err)
	}
	for _, bad := range []storage.Question{{Key: primary}, {StartTS: -1, Key: primary}, {StartTS: start}} {
		if v, _, err := r.Resolve(t.Context(), bad); v != storage.Unknown || err == nil {
			t.Errorf("%d, %q: %d, %v", bad.StartTS, bad.Key, v, err)
		}
	}
}

// TestConnectsWhenAsked: a resolver is made while PD is away, and answers once it is there.
func TestConnectsWhenAsked(t *testing.T) {
	cl := newCluster(t, 1)
	cl.prewrite(start, kvrpcpb.Op_Put, primary)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	r := cl.resolver(func(o *tikv.Options) { o.Endpoints = []string{"http://" + ln.Addr().String()} })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if v, _, err := r.Resolve(ctx, asked(0)); v != storage.Unknown || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while PD is away: %d, %v", v, err)
	}
	serve(t, ln.Addr().String(), func(s *grpc.Server) { pdpb.RegisterPDServer(s, &pdFront{c: cl}) })
	var all sync.WaitGroup
	for range 16 { // all come before there is a connection
		all.Go(func() {
			if v, _, err := r.Resolve(t.Context(), asked(0)); v != storage.Locked || err != nil {
				t.Errorf("when it is there: %d, %v", v, err)
			}
		})
	}
	all.Wait()
}

// TestWithoutTiKV: a PD that knows no TiKV leaves the decision to the age of the prewrite; a TiKV
// that joins is asked.
func TestWithoutTiKV(t *testing.T) {
	cl := newCluster(t, 2)
	cl.layout.MarkTombstone(cl.storeIDs[0])
	cl.layout.UpdateStoreLabels(cl.storeIDs[1], []*metapb.StoreLabel{{Key: "engine", Value: "tiflash"}})
	now := time.Now() // start is in 1970: its age must not count
	r := cl.resolver(func(o *tikv.Options) {
		o.OrphanTimeout = time.Minute
		o.Now = func() time.Time { return now }
	})
	if has, err := r.Available(t.Context()); has || err != nil {
		t.Fatalf("available: %v, %v", has, err)
	}
	if at, err := r.HoldGC(t.Context(), "pumphouse-pump1", start, time.Hour); at != 0 || err != nil {
		t.Errorf("there is nothing to hold back: at %s, %v", at, err)
	}
	for _, age := range []time.Duration{0, 30 * time.Second, 59 * time.Second} {
		if v, _, err := r.Resolve(t.Context(), asked(age)); v != storage.Unknown || !errors.Is(err, tikv.ErrNoTiKV) {
			t.Fatalf("at the age of %s: %d, %v", age, v, err)
		}
	}
	if v, _, err := r.Resolve(t.Context(), asked(time.Minute)); v != storage.RolledBack || err != nil {
		t.Fatalf("after the timeout: %d, %v", v, err)
	}

	cl.layout.UpdateStoreLabels(cl.storeIDs[1], []*metapb.StoreLabel{{Key: "engine", Value: "tikv"}})
	cl.layout.ChangeLeader(cl.regionID, cl.peerIDs[1])
	cl.prewrite(start, kvrpcpb.Op_Put, primary)
	now = now.Add(time.Hour)
	for range 2 {
		if v, _, err := r.Resolve(t.Context(), asked(0)); v != storage.Locked || err != nil {
			t.Errorf("the TiKV that joined was not asked: %d, %v", v, err)
		}
	}
	if has, err := r.Available(t.Context()); !has || err != nil {
		t.Errorf("available once a TiKV joined: %v, %v", has, err)
	}
}

// TestCloseEndsQuestions: a question under way ends when the resolver does.
func TestCloseEndsQuestions(t *testing.T) {
	cl := newCluster(t, 1)
	cl.layout.StopStore(cl.storeIDs[0])
	r := cl.resolver(func(o *tikv.Options) { o.Timeout = time.Hour })
	underWay := make(chan struct{})
	var once sync.Once
	cl.set(func() { cl.refused = func() { once.Do(func() { close(underWay) }) } })
	ended := make(chan error, 1)
	go func() {
		_, _, err := r.Resolve(context.Background(), asked(0))
		ended <- err
	}()
	<-underWay
	r.Close()
	if err := <-ended; !errors.Is(err, tikv.ErrClosed) {
		t.Errorf("the question ended with %v", err)
	}
}
