package pump

import (
	"fmt"
	"math"
	"slices"
	"syscall"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
	"pumphouse/testsuite/tidbtest"
)

// collect moves PD's GC safe point up to now, or as far as service safe points let it, as TiDB's
// garbage collection does, and gives where it is then.
func (u *upstream) collect(now nodes.TSO) nodes.TSO {
	u.t.Helper()
	pd := u.GetPDClient()
	least, err := pd.UpdateServiceGCSafePoint(u.t.Context(), "gc_worker", math.MaxInt64, uint64(now))
	if err != nil {
		u.t.Fatalf("update the service safe point of TiDB's garbage collection: %v", err)
	}
	safe, err := pd.UpdateGCSafePoint(u.t.Context(), least)
	if err != nil {
		u.t.Fatalf("update the GC safe point: %v", err)
	}
	return nodes.TSO(safe)
}

// TestSafePoint: while a transaction is unresolved a pump holds back TiKV's garbage collection in a real
// PD, over a pause and a kill, so that the outcome can be known when the pump comes back; then it lets go.
func TestSafePoint(t *testing.T) {
	pd := pdtest.StartReal(t, 1)
	all := rig.NewPumps(t, pd)
	tidbtest.StartUnistore(t, pd.Endpoint(0))
	kv := newUpstream(t, pd)
	n := all.Start("pump1")
	key := indexKey(1)

	// Paused with a transaction in flight whose row is changed later.
	txn := kv.prewrite(key)
	n.Client().Binlog(txn.start, key)
	n.Holds(txn.start - 1)
	n.Signal(syscall.SIGTERM)
	n.Ends(0)
	at := txn.commit()
	kv.prewrite(key).commit()
	if safe := kv.collect(all.TSO()); safe != txn.start-1 {
		t.Fatalf("while the pump is paused the GC safe point comes to %s, want %s", safe, txn.start-1)
	}
	n.Launch()
	if got := n.Client().Pull(0).Until(at); !slices.Equal(got, []nodes.TSO{at}) {
		t.Errorf("delivered %v, want %v", got, at)
	}
	if asked := n.Metric("binlog_pump_storage_query_tikv_count"); asked != "1" {
		t.Errorf("TiKV was asked %s times, want once", asked)
	}
	n.Holds(0)
	if now := all.TSO(); kv.collect(now) != now {
		t.Error("garbage collection is held back, and nothing is unresolved")
	}

	// Killed with one that nobody prewrote: it is ended by the pump that comes back.
	start := all.TSO()
	n.Client().Binlog(start, key)
	n.Holds(start - 1)
	n.Kill()
	if safe := kv.collect(all.TSO()); safe != start-1 {
		t.Fatalf("after the pump was killed the GC safe point comes to %s, want %s", safe, start-1)
	}
	n.Launch()
	rig.Eventually(t, 60*time.Second, "the transaction is rolled back", func() (bool, string) {
		s := n.Storage()
		return s.Unresolved == 0, fmt.Sprintf("%+v", s)
	})

	// Offline, which waits for nobody here.
	start = all.TSO()
	n.Client().Binlog(start, key)
	n.Holds(start - 1)
	if out, ok := all.Binlogctl("-cmd", "offline-pump", "-node-id", "pump1"); !ok {
		t.Fatal(out)
	}
	n.Ends(0)
	if now := all.TSO(); kv.collect(now) != now {
		t.Error("garbage collection is held back by a pump that is offline")
	}
}
