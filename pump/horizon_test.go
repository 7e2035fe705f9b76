package pump

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/pd"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/pdtest"
)

// TestTimestampsThatPDHasNotGiven: a TS later than PD's clock is refused and leaves no trace, in
// every kind of binlog, and those that PD gives are not held back by it.
func TestTimestampsThatPDHasNotGiven(t *testing.T) {
	r := newRig(t)
	o := r.options("pump1")
	o.Metrics = prometheus.NewRegistry()
	p := r.open(o)
	conn := r.dial(p)
	first := r.transaction(conn, []byte("v"))
	open := r.tso()
	if err := r.write(conn, prewrite(open, []byte("v"))); err != nil {
		t.Fatal(err)
	}
	records := p.store.Stats().Records
	for name, payload := range map[string][]byte{
		"a prewrite of next year":          prewrite(nodes.MakeTSO(time.Now().AddDate(1, 0, 0), 0), []byte("v")),
		"a prewrite of the next second":    prewrite(nodes.MakeTSO(time.Now().Add(time.Second), 0), []byte("v")),
		"a commit at the largest TS":       commit(open, 1<<63-1),
		"a commit of the next second":      commit(open, nodes.MakeTSO(time.Now().Add(time.Second), 0)),
		"a commit with a start TS to come": commit(1<<62, 1<<62+1),
	} {
		err := r.write(conn, payload)
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "PD has not given") || !strings.Contains(err.Error(), "same PD cluster") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := p.store.Stats().Records; got != records {
		t.Errorf("%d records are stored, want %d", got, records)
	}
	if n := metric(t, o.Metrics, "binlog_pump_storage_error_count", "future_ts"); n != 5 {
		t.Errorf("%v errors are counted, want 5", n)
	}
	second := r.tso()
	if err := r.write(conn, commit(open, second)); err != nil {
		t.Fatal(err)
	}
	third := r.transaction(conn, []byte("v"))
	if got := r.until(r.pull(conn, 0), third); len(got) != 3 {
		t.Errorf("%d transactions are delivered after %s, want 3", len(got), first)
	}
}

// TestProofByPD looks at when PD is asked, and at what happens when it does not answer.
func TestProofByPD(t *testing.T) {
	start := time.UnixMilli(1_700_000_000_000)
	var elapsed, asked atomic.Int64
	var gives atomic.Int64 // PD's clock in milliseconds after start
	var fails atomic.Pointer[error]
	now := func() time.Time { return start.Add(time.Duration(elapsed.Load())) }
	at := func(ms int64) nodes.TSO { return nodes.MakeTSO(start.Add(time.Duration(ms)*time.Millisecond), 5) }
	h := newHorizon("pump1", func(context.Context) (nodes.TSO, error) {
		asked.Add(1)
		if err := fails.Load(); err != nil {
			return 0, *err
		}
		return at(gives.Load()), nil
	}, func() nodes.TSO { return 0 }, now, silentLog())
	if _, err := h.tso(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func(ms int64) error {
		recs, errs := []storage.Record{{Type: storage.Commit, StartTS: 1, CommitTS: at(ms)}}, make([]error, 1)
		h.check(recs, errs, now())
		return errs[0]
	}
	elapsed.Store(int64(10 * time.Second))
	for _, ms := range []int64{0, 9_000, 10_000, 10_040} {
		if err := check(ms); err != nil || asked.Load() != 1 {
			t.Errorf("%d ms after the last TSO but within the time that has passed: %v, PD was asked %d times", ms, err, asked.Load()-1)
		}
	}
	gives.Store(13_500) // another member leads, and its clock is ahead
	if err := check(13_400); err != nil || asked.Load() != 2 {
		t.Errorf("after a jump of PD's clock: %v, PD was asked %d times", err, asked.Load()-1)
	}
	if err := check(13_400); err != nil || asked.Load() != 2 {
		t.Errorf("the jump is known, and yet: %v, PD was asked %d times", err, asked.Load()-1)
	}
	var future *futureError
	if err := check(14_000); !errors.As(err, &future) || future.TS != at(14_000) || future.PD != at(13_500) || asked.Load() != 3 {
		t.Errorf("later than PD's clock: %v, PD was asked %d times", err, asked.Load()-1)
	}
	away := errors.New("no PD")
	fails.Store(&away)
	if err := check(14_000); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "no PD") {
		t.Errorf("a TS in doubt without a PD: %v", err)
	}
	if err := check(13_500); err != nil {
		t.Errorf("a TS that PD has given, without a PD: %v", err)
	}
}

// TestSharedQuestion: those who wait for a TSO of PD share the next question, never one that was
// already under way.
func TestSharedQuestion(t *testing.T) {
	var n atomic.Int64
	began, goOn := make(chan struct{}, 10), make(chan struct{})
	h := newHorizon("pump1", func(context.Context) (nodes.TSO, error) {
		began <- struct{}{}
		<-goOn
		return nodes.TSO(n.Add(1)), nil
	}, func() nodes.TSO { return 0 }, time.Now, silentLog())
	first := h.ask()
	<-began
	second, third := h.ask(), h.ask()
	if first == second || second != third {
		t.Error("who comes while PD is asked must wait for the next question, and share it")
	}
	close(goOn)
	<-third.done
	if first.ts != 1 || third.ts != 2 || len(began) != 1 {
		t.Errorf("answers %d and %d, %d questions more", first.ts, third.ts, len(began))
	}
}

// TestPDClockWentBack restores a PD from the past under a pump. While PD's clock is below what
// the log holds, no new transaction is taken and what is stored is delivered, also
// after a restart; afterwards everything goes on.
func TestPDClockWentBack(t *testing.T) {
	var ahead atomic.Int64
	ahead.Store(int64(time.Hour))
	v := pdtest.NewRestorable(t, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	r := &rig{TB: t, etcd: v.Etcd, registry: v.Registry, pd: v.PD, cluster: v.ClusterID}
	o := r.options("pump1")
	o.FakeInterval = 10 * time.Millisecond
	o.Metrics = prometheus.NewRegistry()
	p := r.open(o)
	conn := r.dial(p)
	last := r.transaction(conn, []byte("v"))
	open := r.tso()
	if err := r.write(conn, prewrite(open, []byte("v"))); err != nil {
		t.Fatal(err)
	}

	ahead.Store(0)
	v.Restore()
	r.refuses(p, conn)
	if n := metric(t, o.Metrics, "binlog_pump_pd_clock_back_seconds", ""); n < 3500 || n > 3700 {
		t.Errorf("PD's clock is said to be back by %v s, want an hour", n)
	}
	fresh, err := pd.New(pd.Options{Endpoints: []string{v.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}

	// A new process asks PD anew and finds what the log holds.
	o.PD, o.Metrics = fresh, prometheus.NewRegistry()
	p = r.open(o)
	conn = r.dial(p)
	r.refuses(p, conn)
	if got := r.until(r.pull(conn, 0), last); len(got) != 1 {
		t.Errorf("delivered %v, want what is stored", got)
	}

	ahead.Store(int64(2 * time.Hour)) // an operator raises PD's clock
	eventually(t, "writes are taken again", func() bool { return p.horizon.setback() == nil })
	r.pd = fresh
	r.transaction(conn, []byte("v"))
	before := r.tso()
	if err := r.write(conn, commit(open, before)); err != nil {
		t.Errorf("the commit of what was prewritten before: %v", err)
	}
	if got := r.until(r.pull(conn, last), before); len(got) != 2 {
		t.Errorf("delivered %v", got)
	}
	if n := metric(t, o.Metrics, "binlog_pump_pd_clock_back_seconds", ""); n != 0 {
		t.Errorf("the metric stays at %v", n)
	}
}

// TestSetbackStays: while PD's clock is on its way to what the log holds, nothing is taken, however often PD is asked.
func TestSetbackStays(t *testing.T) {
	known := nodes.MakeTSO(time.Now(), 0)
	gives := nodes.MakeTSO(known.Time().Add(-time.Hour), 0)
	h := newHorizon("pump1", func(context.Context) (nodes.TSO, error) { return gives, nil }, func() nodes.TSO { return known }, time.Now, silentLog())
	for range 3 {
		if _, err := h.tso(t.Context()); err != nil {
			t.Fatal(err)
		}
		var back *setbackError
		if err := h.setback(); !errors.As(err, &back) || back.PD != gives || back.Known != known {
			t.Errorf("PD is at %s, known is %s: %v", gives, known, err)
		}
		gives = nodes.MakeTSO(gives.Time().Add(time.Minute), 0)
	}
	gives = known + 1
	if _, err := h.tso(t.Context()); err != nil || h.setback() != nil {
		t.Errorf("PD's clock has passed %s: %v, %v", known, err, h.setback())
	}
}

// TestLateCommitAsksPD: a commit that comes too late is the first sign of a PD whose clock went back, and the pump does not wait for
// its next look at PD's clock: what it takes meanwhile would be lost, too.
func TestLateCommitAsksPD(t *testing.T) {
	known := nodes.MakeTSO(time.Now(), 0)
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	p := &Pump{Node: &life.Node{ID: "pump1"}, metrics: m, horizon: newHorizon("pump1",
		func(context.Context) (nodes.TSO, error) { return nodes.MakeTSO(known.Time().Add(-time.Hour), 0), nil },
		func() nodes.TSO { return known }, time.Now, silentLog())}
	if err := p.writeFailed(storage.Record{Type: storage.Commit, StartTS: 5, CommitTS: 6}, storage.ErrLate); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("the commit: %v", err)
	}
	eventually(t, "PD's clock is seen to be back", func() bool { return p.horizon.setback() != nil })
}

// refuses waits until the pump refuses prewrites and probes because of PD's clock, and says so.
func (r *rig) refuses(p *Pump, conn grpc.ClientConnInterface) {
	r.Helper()
	eventually(r, "PD's clock is seen to be back", func() bool { return p.horizon.setback() != nil })
	for what, payload := range map[string][]byte{"prewrite": prewrite(1000, []byte("v")), "probe": nil} {
		err := r.write(conn, payload)
		if status.Code(err) != codes.Unavailable || strings.Contains(err.Error(), "ResourceExhausted") || !strings.Contains(err.Error(), "reset-ts") {
			r.Errorf("%s while PD's clock is back: %v", what, err)
		}
	}
	if msg := errMsg(r, p); !strings.Contains(msg, "PD's clock is at") {
		r.Errorf("/status says %q", msg)
	}
}

// TestPoisonedLog: an older pump believed any commit TS. The log that has one is opened, what it holds
// is delivered, and new transactions are refused with the way out.
func TestPoisonedLog(t *testing.T) {
	r := newRig(t)
	o := r.options("pump1")
	log, err := storage.Open(storage.Options{Dir: storeDir(o.DataDir)})
	if err != nil {
		t.Fatal(err)
	}
	start := r.tso()
	for _, rec := range []storage.Record{
		{Type: storage.Prewrite, StartTS: start, Payload: prewrite(start, []byte("v"))},
		{Type: storage.Commit, StartTS: start, CommitTS: 1 << 62},
	} {
		if err := log.Append(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	p := r.open(o)
	conn := r.dial(p)
	r.refuses(p, conn)
	if msg := errMsg(t, p); !strings.Contains(msg, fmt.Sprint(1<<62)) || !strings.Contains(msg, "replace the pump") {
		t.Errorf("/status says %q", msg)
	}
	if got := r.until(r.pull(conn, 0), 1<<62); len(got) != 1 {
		t.Errorf("delivered %v", got)
	}
}

// BenchmarkCheck: what it costs a write that its timestamps are looked at.
func BenchmarkCheck(b *testing.B) {
	now := time.Now()
	h := newHorizon("pump1", func(context.Context) (nodes.TSO, error) { return nodes.MakeTSO(now, 0), nil },
		func() nodes.TSO { return 0 }, time.Now, silentLog())
	if _, err := h.tso(b.Context()); err != nil {
		b.Fatal(err)
	}
	recs, errs := make([]storage.Record, 64), make([]error, 64)
	for i := range recs {
		recs[i] = storage.Record{Type: storage.Commit, StartTS: nodes.MakeTSO(now, int64(i)), CommitTS: nodes.MakeTSO(now, int64(i+1))}
	}
	for b.Loop() {
		h.check(recs, errs, now)
	}
	if errs[0] != nil {
		b.Fatal(errs[0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(recs)), "ns/record")
}
