package testsuite

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
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

// holds waits until the pump says that it holds back garbage collection there; 0: not at all.
func (n *pumpNode) holds(ts nodes.TSO) {
	n.c.t.Helper()
	eventually(n.c.t, 60*time.Second, fmt.Sprintf("%s holds %s in PD", n.id, ts), func() (bool, string) {
		_, body := n.ask(http.MethodGet, "/status")
		var s struct {
			GCSafePoint struct {
				Service string    `json:"service"`
				TS      nodes.TSO `json:"ts"`
			}
		}
		if err := json.Unmarshal([]byte(body), &s); err != nil {
			n.c.t.Fatalf("%v\n%s", err, body)
		}
		return s.GCSafePoint.TS == ts && s.GCSafePoint.Service == "pumphouse-"+n.id, body
	})
	got, err := strconv.ParseFloat(n.metric("pumphouse_pump_gc_safe_point_ts"), 64)
	if err != nil || got != float64(ts.Physical()) {
		n.c.t.Errorf("the metric is %f, want %d (%v)", got, ts.Physical(), err)
	}
}

// TestSafePoint: while a transaction is unresolved a pump holds back TiKV's garbage collection in a real
// PD, over a pause and a kill, so that the outcome can be known when the pump comes back; then it lets go.
func TestSafePoint(t *testing.T) {
	pd := pdtest.StartReal(t, 1)
	all := newPumps(t, pd)
	tidbtest.StartUnistore(t, pd.Endpoint(0))
	kv := newUpstream(t, pd)
	n := all.start("pump1")
	key := indexKey(1)

	// Paused with a transaction in flight whose row is changed later.
	txn := kv.prewrite(key)
	n.client().binlog(txn.start, key)
	n.holds(txn.start - 1)
	n.signal(syscall.SIGTERM)
	n.ends(0)
	at := txn.commit()
	kv.prewrite(key).commit()
	if safe := kv.collect(all.tso()); safe != txn.start-1 {
		t.Fatalf("while the pump is paused the GC safe point comes to %s, want %s", safe, txn.start-1)
	}
	n.launch()
	if got := n.client().pull(0).until(at); !slices.Equal(got, []nodes.TSO{at}) {
		t.Errorf("delivered %v, want %v", got, at)
	}
	if asked := n.metric("binlog_pump_storage_query_tikv_count"); asked != "1" {
		t.Errorf("TiKV was asked %s times, want once", asked)
	}
	n.holds(0)
	if now := all.tso(); kv.collect(now) != now {
		t.Error("garbage collection is held back, and nothing is unresolved")
	}

	// Killed with one that nobody prewrote: it is ended by the pump that comes back.
	start := all.tso()
	n.client().binlog(start, key)
	n.holds(start - 1)
	n.kill()
	if safe := kv.collect(all.tso()); safe != start-1 {
		t.Fatalf("after the pump was killed the GC safe point comes to %s, want %s", safe, start-1)
	}
	n.launch()
	eventually(t, 60*time.Second, "the transaction is rolled back", func() (bool, string) {
		s := n.storage()
		return s.Unresolved == 0, fmt.Sprintf("%+v", s)
	})

	// Offline, which waits for nobody here.
	start = all.tso()
	n.client().binlog(start, key)
	n.holds(start - 1)
	if out, ok := all.binlogctl("-cmd", "offline-pump", "-node-id", "pump1"); !ok {
		t.Fatal(out)
	}
	n.ends(0)
	if now := all.tso(); kv.collect(now) != now {
		t.Error("garbage collection is held back by a pump that is offline")
	}
}
