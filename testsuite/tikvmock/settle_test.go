package tikvmock

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/pump/tikv"
)

// old is an age at which nothing of a transaction is left to wait for.
const old = 15 * time.Second

const service = "pumphouse-pump1"

// held is a cluster whose PD holds back garbage collection before the transaction at start.
func held(t *testing.T) (*cluster, *tikv.Resolver) {
	t.Helper()
	cl := newCluster(t, 1)
	cl.set(func() { cl.services = map[string]uint64{"gc_worker": 1} })
	r := cl.resolver(nil)
	if at, err := r.HoldGC(t.Context(), service, start-1, time.Hour); at != start-1 || err != nil {
		t.Fatalf("held at %s, %v", at, err)
	}
	return cl, r
}

func (c *cluster) refuses(startTS uint64) {
	c.t.Helper()
	for _, err := range c.kv.MvccStore.Prewrite(&kvrpcpb.PrewriteRequest{
		Mutations:   []*kvrpcpb.Mutation{{Op: kvrpcpb.Op_Put, Key: primary, Value: []byte("v")}},
		PrimaryLock: primary, StartVersion: startTS, LockTtl: 1,
	}) {
		if err == nil {
			c.t.Error("TiKV takes the prewrite of a transaction that counts as rolled back")
		}
	}
}

// TestSettle: a transaction that nobody keeps alive ends when its prewrite is old enough, in TiKV, so
// that a prewrite or commit which comes later is refused. One that is alive, and one that is
// young, is left as it is.
func TestSettle(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*cluster)
		// The verdicts while the prewrite is young and when it is old.
		young, old storage.Verdict
	}{
		{"never seen", func(*cluster) {}, storage.Unknown, storage.RolledBack},
		{"only others", func(c *cluster) {
			c.prewrite(start-2, kvrpcpb.Op_Put, primary)
			c.commit(start-2, start-1, primary)
			c.rollback(start+1, primary)
			c.prewrite(start+2, kvrpcpb.Op_Put, primary)
		}, storage.Unknown, storage.RolledBack},
		{"an expired lock", func(c *cluster) { c.prewrite(start, kvrpcpb.Op_Put, primary) }, storage.Locked, storage.RolledBack},
		{"an expired pessimistic lock", func(c *cluster) { c.lock(start, 1) }, storage.Locked, storage.RolledBack},
		{"committed", func(c *cluster) {
			c.prewrite(start, kvrpcpb.Op_Put, primary)
			c.commit(start, commit, primary)
		}, storage.Committed, storage.Committed},
		{"a pessimistic lock that is kept alive", func(c *cluster) {
			c.lock(start, uint64(time.Since(nodes.TSO(start).Time())/time.Millisecond)+20_000)
		}, storage.Locked, storage.Locked},
	} {
		for _, large := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				cl, r := held(t)
				cl.large = large
				c.do(cl)
				info, locks := cl.contents(primary)
				unchanged := func() {
					t.Helper()
					if infoNow, locksNow := cl.contents(primary); !reflect.DeepEqual(info, infoNow) || !reflect.DeepEqual(locks, locksNow) {
						t.Errorf("the question changed the store:\n%v %v\n%v %v", info, locks, infoNow, locksNow)
					}
				}
				if v, _, err := r.Resolve(t.Context(), asked(old-1)); v != c.young || err != nil {
					t.Errorf("young: %d, %v", v, err)
				}
				unchanged()
				for range 2 { // and that stays so
					if v, _, err := r.Resolve(t.Context(), asked(old)); v != c.old || err != nil {
						t.Errorf("old: %d, %v", v, err)
					}
				}
				if c.old == storage.RolledBack {
					cl.refuses(start)
				} else {
					unchanged()
				}
			})
		}
	}
}

// TestSettleUnderGC: where TiKV has no trace, it is asked to settle only if garbage collection
// surely has not removed one.
func TestSettleUnderGC(t *testing.T) {
	recent := nodes.MakeTSO(time.Now().Add(-8*time.Minute), 0)
	for _, c := range []struct {
		name  string
		start nodes.TSO
		do    func(*cluster, *tikv.Resolver) error
		want  storage.Verdict
		err   error // the cause; nil with Unknown: another
	}{
		{"not held yet", start, func(c *cluster, r *tikv.Resolver) error { return nil }, storage.Unknown, nil},
		{"not held, but too recent for any garbage collection", recent, func(c *cluster, r *tikv.Resolver) error { return nil }, storage.RolledBack, nil},
		{"held, and held no longer", start, func(c *cluster, r *tikv.Resolver) error {
			_, err := r.HoldGC(t.Context(), service, start-1, time.Hour)
			_, err2 := r.HoldGC(t.Context(), service, 0, 0)
			return errors.Join(err, err2)
		}, storage.Unknown, nil},
		{"held after it only", start, func(c *cluster, r *tikv.Resolver) error {
			_, err := r.HoldGC(t.Context(), service, start, time.Hour)
			return err
		}, storage.Unknown, nil},
		{"held before it, while garbage collection is past another", start, func(c *cluster, r *tikv.Resolver) error {
			c.set(func() { c.services["gc_worker"] = start - 5 })
			at, err := r.HoldGC(t.Context(), service, start-10, time.Hour)
			if at != start-5 || !errors.Is(err, tikv.ErrPassed) {
				t.Errorf("held at %s, %v", at, err)
			}
			return nil
		}, storage.RolledBack, nil},
		{"garbage collection has been let past it", start, func(c *cluster, r *tikv.Resolver) error {
			c.set(func() { c.services["gc_worker"] = start })
			at, err := r.HoldGC(t.Context(), service, start-1, time.Hour)
			if at != start || !errors.Is(err, tikv.ErrPassed) {
				t.Errorf("held at %s, %v", at, err)
			}
			return nil
		}, storage.Unknown, tikv.ErrCollected},
		{"recent, but garbage collection has been let past it", recent, func(c *cluster, r *tikv.Resolver) error {
			c.set(func() { c.services["gc_worker"] = uint64(recent) })
			_, err := r.HoldGC(t.Context(), service, recent-1, time.Hour)
			if !errors.Is(err, tikv.ErrPassed) {
				t.Error(err)
			}
			return nil
		}, storage.Unknown, tikv.ErrCollected},
		{"garbage collection is past it", start, func(c *cluster, r *tikv.Resolver) error {
			_, err := r.HoldGC(t.Context(), service, start-1, time.Hour)
			c.set(func() { c.safe = start })
			return err
		}, storage.Unknown, tikv.ErrCollected},
		{"a PD that does not know the call", start, func(c *cluster, r *tikv.Resolver) error {
			c.set(func() { c.services = nil })
			if at, err := r.HoldGC(t.Context(), service, start-1, time.Hour); at != 0 || !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("held at %s, %v", at, err)
			}
			return nil
		}, storage.Unknown, nil},
		{"a start TS that PD has not given yet", nodes.MakeTSO(time.Now().Add(time.Hour), 0),
			func(*cluster, *tikv.Resolver) error { return nil }, storage.Unknown, tikv.ErrFuture},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := newCluster(t, 1)
			cl.set(func() { cl.services = map[string]uint64{"gc_worker": 1} })
			r := cl.resolver(nil)
			if err := c.do(cl, r); err != nil {
				t.Fatal(err)
			}
			v, _, err := r.Resolve(t.Context(), storage.Question{StartTS: c.start, Key: primary, Age: time.Hour})
			if v != c.want || c.err != nil && !errors.Is(err, c.err) || c.want == storage.Unknown && (err == nil || c.err == nil && errors.Is(err, tikv.ErrCollected)) {
				t.Errorf("got %d, %v, want %d, %v", v, err, c.want, c.err)
			}
			info, _ := cl.contents(primary)
			if changed := len(info.GetWrites()) > 0; changed != (c.want == storage.RolledBack) {
				t.Errorf("TiKV has %v", info)
			}
			if errors.Is(c.err, tikv.ErrFuture) && cl.attempts > 0 {
				t.Error("TiKV was asked about a start TS of the future")
			}
		})
	}
}

// lock takes a pessimistic lock of the primary key, with a time to live in milliseconds.
func (c *cluster) lock(startTS, ttl uint64) {
	c.t.Helper()
	resp := c.kv.MvccStore.PessimisticLock(&kvrpcpb.PessimisticLockRequest{
		Mutations:   []*kvrpcpb.Mutation{{Op: kvrpcpb.Op_PessimisticLock, Key: primary}},
		PrimaryLock: primary, StartVersion: startTS, ForUpdateTs: startTS, LockTtl: ttl,
	})
	if len(resp.GetErrors()) > 0 {
		c.t.Fatal(resp.Errors)
	}
}
