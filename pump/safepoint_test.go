package pump

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
)

// gcModel is PD's rule about service safe points, with a clock of the test's.
type gcModel struct {
	now     time.Time
	worker  nodes.TSO // TiDB's garbage collection wants to go up to here
	at      nodes.TSO // held for the pump; 0: nothing
	expires time.Time
	calls   int
	fail    error
	lost    bool // fail is of the answer: what was asked is done
}

// least is PD's smallest service safe point.
func (m *gcModel) least() nodes.TSO {
	if m.at > 0 && m.now.Before(m.expires) {
		return min(m.at, m.worker)
	}
	return m.worker
}

func (m *gcModel) HoldGC(_ context.Context, service string, ts nodes.TSO, ttl time.Duration) (nodes.TSO, error) {
	m.calls++
	if service != "pumphouse-p" {
		return 0, errors.New("another service")
	}
	if m.fail != nil && !m.lost {
		return 0, m.fail
	}
	if ttl <= 0 {
		m.at = 0
		return 0, m.fail
	}
	var err error
	if least := m.least(); ts < least {
		ts, err = least, errors.New("garbage collection has gone further")
	}
	m.at, m.expires = ts, m.now.Add(ttl)
	if m.fail != nil {
		return 0, m.fail
	}
	return ts, err
}

type safePointRig struct {
	*safePoint
	pd     *gcModel
	oldest nodes.TSO
	log    *logtest.Hook
}

func newSafePointRig() *safePointRig {
	logger, hook := logtest.NewNullLogger()
	r := &safePointRig{pd: &gcModel{now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}, log: hook}
	r.safePoint = &safePoint{holder: r.pd, service: "pumphouse-p", ttl: 24 * time.Hour, log: logger,
		oldest: func() nodes.TSO { return r.oldest }, now: func() time.Time { return r.pd.now }}
	return r
}

// ago is a TS of a time before the rig's.
func (r *safePointRig) ago(d time.Duration) nodes.TSO { return nodes.MakeTSO(r.pd.now.Add(-d), 7) }

// after lets time pass and looks.
func (r *safePointRig) after(d time.Duration) {
	r.pd.now = r.pd.now.Add(d)
	r.look(context.Background())
}

func (r *safePointRig) warnings() (all []string) {
	for _, e := range r.log.AllEntries() {
		if e.Level <= logrus.WarnLevel {
			all = append(all, e.Message)
		}
	}
	return all
}

// TestSafePoint: garbage collection is held just before the oldest unresolved transaction, is
// written to PD when that matters, and is let go.
func TestSafePoint(t *testing.T) {
	r := newSafePointRig()
	check := func(what string, at nodes.TSO, calls int) {
		t.Helper()
		if r.pd.at != at || r.state().TS != at || r.pd.calls != calls {
			t.Errorf("%s: PD holds %s and the pump says %s after %d calls, want %s after %d", what, r.pd.at, r.state().TS, r.pd.calls, at, calls)
		}
	}
	r.pd.at = 5
	r.after(0)
	check("what a run before has left is removed", 0, 1)
	first := r.ago(time.Second)
	r.oldest = first
	r.after(0)
	check("the first unresolved", first-1, 2)
	r.oldest = r.ago(0)
	r.after(holdInterval)
	check("a younger one under traffic", first-1, 2)
	old := r.ago(11 * time.Minute)
	r.oldest = old
	r.after(holdInterval)
	check("one that is old when it prewrites", old-1, 3)
	r.after(holdRenew)
	check("it stays", old-1, 4)
	if !r.pd.expires.Equal(r.pd.now.Add(24 * time.Hour)) {
		t.Errorf("renewed until %s", r.pd.expires)
	}
	r.oldest = r.ago(0)
	r.after(holdInterval)
	check("it is resolved, another is unresolved", r.oldest-1, 5)
	held := r.oldest - 1
	r.oldest = 0
	r.after(holdInterval)
	check("nothing for a moment", held, 5)
	r.after(holdLinger)
	check("nothing for a while", 0, 6)
	r.after(time.Hour)
	check("nothing for long", 0, 6)

	r.oldest = r.ago(0)
	r.after(holdInterval)
	r.oldest = r.ago(0)
	r.leave(context.Background(), false)
	check("kept when the pump pauses", r.oldest-1, 8)
	r.leave(context.Background(), true)
	check("removed when it goes offline", 0, 9)
	if w := r.warnings(); len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
}

// TestSafePointCalls: under traffic PD hears of the safe point every few seconds, whatever the mix
// of short and long transactions, and it is always before all that is unresolved for a second.
func TestSafePointCalls(t *testing.T) {
	r := newSafePointRig()
	rnd := rand.New(rand.NewPCG(form.Seed(t), 3))
	const steps = 10_000
	for range steps {
		r.pd.now = r.pd.now.Add(holdInterval)
		r.oldest = r.ago(time.Duration(rnd.ExpFloat64() * float64(time.Second)))
		before := r.oldest
		r.look(context.Background())
		if r.pd.at == 0 || r.pd.at >= before {
			t.Fatalf("held at %s, and %s is unresolved", r.pd.at, before)
		}
	}
	if perMinute := float64(r.pd.calls) / (float64(steps) * holdInterval.Minutes()); perMinute > 30 {
		t.Errorf("%.0f calls of PD a minute", perMinute)
	}
}

// TestSafePointRefused: what PD does not do is said once, and shown.
func TestSafePointRefused(t *testing.T) {
	r := newSafePointRig()
	r.oldest = r.ago(time.Minute)
	r.pd.worker = r.ago(0)
	for range 20 {
		r.after(holdInterval)
	}
	if got := r.state(); got.TS != r.pd.worker || got.Problem == "" || r.pd.calls > 1 {
		t.Errorf("garbage collection is further: %+v after %d calls", got, r.pd.calls)
	}
	if w := r.warnings(); len(w) != 1 || !strings.Contains(w[0], "binlogctl -cmd resolve") {
		t.Errorf("warnings: %q", w)
	}

	r = newSafePointRig()
	r.pd.fail = errors.New("PD is away")
	r.oldest = r.ago(0)
	for range 20 {
		r.after(holdInterval)
	}
	if w := r.warnings(); len(w) != 1 || r.state().Problem == "" || r.pd.calls > 6 {
		t.Errorf("PD is away: %q, %+v after %d calls", w, r.state(), r.pd.calls)
	}
	r.pd.fail = nil
	r.after(holdPause)
	if got := r.state(); got.TS != r.oldest-1 || got.Problem != "" {
		t.Errorf("PD is back: %+v", got)
	}

	r = newSafePointRig()
	r.pd.fail = errors.ErrUnsupported
	r.oldest = r.ago(0)
	for range 20 {
		r.after(holdInterval)
	}
	if w := r.warnings(); len(w) != 1 || r.pd.calls != 1 {
		t.Errorf("PD does not know the call: %q after %d calls", w, r.pd.calls)
	}
}

// TestSafePointIsLetGoAfterFailures: whatever call of PD failed before nothing was unresolved, and
// whether it was carried out or not, PD holds nothing in the end. It would hold back garbage
// collection for a day.
func TestSafePointIsLetGoAfterFailures(t *testing.T) {
	ctx := context.Background()
	away := errors.New("PD is away")
	for name, ends := range map[string]func(r *safePointRig){
		"renewed, then resolved": func(r *safePointRig) {
			r.pd.fail = away
			r.after(holdRenew)
			r.oldest = 0
			r.after(holdInterval)
		},
		"let go": func(r *safePointRig) {
			r.oldest = 0
			r.after(holdInterval)
			r.pd.fail = away
			r.after(holdLinger)
		},
	} {
		for _, lost := range []bool{false, true} {
			for how, end := range map[string]func(r *safePointRig){
				"runs on": func(r *safePointRig) { r.after(holdLinger) },
				"offline": func(r *safePointRig) { r.leave(ctx, true) },
				"paused":  func(r *safePointRig) { r.leave(ctx, false) },
			} {
				r := newSafePointRig()
				r.oldest = r.ago(time.Second)
				r.after(0)
				r.pd.lost = lost
				ends(r)
				if r.state().Problem == "" {
					t.Fatalf("%s: no call has failed", name)
				}
				r.pd.fail = nil
				end(r)
				if got := r.state(); r.pd.at != 0 || got.TS != 0 || got.Since != nil || got.Problem != "" {
					t.Errorf("%s (answer lost: %v), %s: PD holds %s, and the pump says %+v", name, lost, how, r.pd.at, got)
				}
			}
		}
	}
}
