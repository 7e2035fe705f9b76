package pump

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
)

// TestForgottenLog: a log that knows less than the pump has told PD is not taken for the pump's.
func TestForgottenLog(t *testing.T) {
	r := newRig(t)
	o := r.options("pump1")
	p := r.open(o)
	last := r.transaction(r.dial(p), []byte("value"))
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	told := r.record(p).MaxCommitTS
	if told < last {
		t.Fatalf("the record says %s, the last commit TS is %s", told, last)
	}
	p = r.open(o) // the same log is fine, whatever the clock has told
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	told = r.record(p).MaxCommitTS

	r.drainer("drainer1", "10.0.0.1:8249", nodes.Paused, last-1)
	lost := o
	lost.DataDir = r.TempDir()
	for range 2 {
		p, err := New(lost)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Open(t.Context())
		var forgotten *ForgottenError
		if !errors.As(err, &forgotten) || forgotten.Known != 0 || forgotten.Recorded != told || !strings.Contains(err.Error(), "-accept-loss") {
			t.Fatal(err)
		}
	}
	if e, _, err := r.registry.Exit(t.Context(), nodes.Pump, "pump1"); err != nil || e.Code != nodes.ProblemDataMissing || !e.Starting {
		t.Errorf("the last exit: %+v, %v", e, err)
	}
	if got := r.record(p); got.State != nodes.Paused || got.MaxCommitTS != told {
		t.Errorf("the record was touched: %+v", got)
	}
	accept := lost
	accept.AcceptLoss = true
	p = r.open(accept)
	if metric(t, p.opts.Metrics, "pumphouse_pump_accepted_loss_total", "") != 1 {
		t.Error("the metric does not count")
	}
	events, err := audit.New(audit.Options{Registry: r.registry}).List(context.Background(), 0)
	if err != nil || len(events) == 0 || events[0].Statement != "-accept-loss" || !strings.Contains(events[0].Result, told.String()) {
		t.Errorf("%+v, %v", events, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.open(lost).Close(); err != nil { // accepted once and for all
		t.Fatal(err)
	}

	// A pump that is offline has given its log up.
	e, err := r.registry.Get(t.Context(), nodes.Pump, "pump1")
	if err != nil {
		t.Fatal(err)
	}
	e.Record.State = nodes.Offline
	if _, err := r.registry.Put(t.Context(), nodes.Pump, e.Record, e.ModRevision); err != nil {
		t.Fatal(err)
	}
	lost.DataDir = r.TempDir()
	r.open(lost)
}
