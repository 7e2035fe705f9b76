package pump

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// TestLostTransactionsAreSaid: a commit that can no longer be delivered is never answered with success,
// and counts once although TiDB repeats it.
func TestLostTransactionsAreSaid(t *testing.T) {
	r := newRig(t)
	o := r.options("pump1")
	o.Metrics = prometheus.NewRegistry()
	p := r.open(o)
	conn := r.dial(p)
	early := r.tso()
	last := r.transaction(conn, []byte("v"))
	if err := r.write(conn, prewrite(5, []byte("v"))); err != nil { // acknowledged after last was given
		t.Fatal(err)
	}
	if msg := errMsg(t, p); msg != "" {
		t.Errorf("before anything is lost, /status says %q", msg)
	}
	for _, lost := range []struct {
		name       string
		start, end nodes.TSO
		says       string
	}{
		{"a commit TS that drainers have passed", 5, early, "drainers have passed that commit TS"},
		{"no prewrite", early, last + 1, "prewrite is not stored here"},
	} {
		for range 3 {
			err := r.write(conn, commit(lost.start, lost.end))
			if status.Code(err) != codes.FailedPrecondition || strings.Contains(err.Error(), "ResourceExhausted") {
				t.Errorf("%s: %v", lost.name, err)
			}
		}
		if msg := errMsg(t, p); !strings.Contains(msg, lost.says) || !strings.Contains(msg, lost.end.String()) {
			t.Errorf("%s: /status says %q", lost.name, msg)
		}
	}
	if n := metric(t, o.Metrics, "binlog_pump_loss_binlog_count", ""); n != 2 {
		t.Errorf("%v losses are counted, want 2", n)
	}
	if n := metric(t, o.Metrics, "binlog_pump_storage_error_count", "lost"); n != 6 {
		t.Errorf("%v refused commits are counted, want 6", n)
	}
	if err := r.write(conn, commit(last-1, last)); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("another start TS at a commit TS that is taken: %v", err)
	}
}

// TestLossesAreBounded: of many lost transactions the pump remembers the latest.
func TestLossesAreBounded(t *testing.T) {
	var l losses
	for i := range nodes.TSO(3 * maxLossesKept) {
		if !l.add(storage.Record{StartTS: i + 1}, storage.ErrLate) {
			t.Fatalf("start TS %d is taken for a repetition", i+1)
		}
	}
	if len(l.known) != maxLossesKept || l.add(storage.Record{StartTS: 3 * maxLossesKept}, storage.ErrLate) {
		t.Errorf("%d are remembered, want the last %d", len(l.known), maxLossesKept)
	}
}
