package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/survey"
)

// cluster is all that a Server reads, as it is given.
type cluster struct {
	snap   *nodes.Snapshot
	err    error
	hangs  bool // PD is away: the view comes when ctx ends
	report map[string]survey.Report
	exits  map[string]nodes.LastExit // of drainers
	own    []nodes.Problem
	points []survey.Point
	events []audit.Event
	extra  atomic.Int64 // calls for what the page shows beside the nodes
}

func (c *cluster) View(ctx context.Context, _ int64) (*nodes.Snapshot, error) {
	if c.hangs {
		end, ok := ctx.Deadline()
		return nil, fmt.Errorf("PD does not answer; it has 2 s: %v", ok && time.Until(end) <= 2*time.Second)
	}
	return c.snap, c.err
}
func (c *cluster) Report(_ nodes.Kind, id string) (survey.Report, bool) {
	r, ok := c.report[id]
	return r, ok
}
func (c *cluster) Exit(_ nodes.Kind, id string) (nodes.LastExit, bool) {
	e, ok := c.exits[id]
	return e, ok
}
func (c *cluster) Troubles(kind nodes.Kind) (list []survey.Trouble) {
	for id, r := range c.report {
		for _, p := range r.Problems {
			if r.Kind == kind {
				list = append(list, survey.Trouble{Kind: kind, NodeID: id, Problem: p})
			}
		}
	}
	for id, e := range c.exits {
		if p, failed := e.Problem(); failed && kind == nodes.Drainer {
			list = append(list, survey.Trouble{Kind: kind, NodeID: id, Problem: p, Exit: &e})
		}
	}
	return list
}
func (c *cluster) Own() []nodes.Problem { return c.own }

func (c *cluster) Rounds() int64 { return 1 }
func (c *cluster) Points(nodes.Kind, string) []survey.Point {
	c.extra.Add(1)
	return c.points
}
func (c *cluster) List(context.Context, int) ([]audit.Event, error) {
	c.extra.Add(1)
	return c.events, nil
}

func open(t *testing.T, c *cluster) (get func(path string) (int, string)) {
	t.Helper()
	s, err := New(Options{Addr: "127.0.0.1:0", View: c, Survey: c, Events: c, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http://" + s.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
}

func record(kind nodes.Kind, id string, state nodes.State, at time.Time, lag time.Duration) nodes.Entry {
	return nodes.Entry{Kind: kind, Record: nodes.Record{NodeID: id, Host: "h:1", State: state,
		UpdateTS: nodes.MakeTSO(at, 0), MaxCommitTS: nodes.MakeTSO(at.Add(-lag), 0)}}
}

// busy is a cluster with something of everything, and names that are HTML.
func busy(now time.Time) *cluster {
	return &cluster{
		snap: &nodes.Snapshot{
			Pumps: []nodes.Entry{record(nodes.Pump, "<b>p1</b>", nodes.Online, now, time.Second),
				record(nodes.Pump, "dead", nodes.Online, now.Add(-time.Hour), 0), {Kind: nodes.Pump, Record: nodes.Record{NodeID: "new", State: nodes.Paused}}},
			Drainers: []nodes.Entry{record(nodes.Drainer, "d1", nodes.Online, now, 3*time.Second)},
			Broken:   []nodes.Broken{{Key: "/tidb-binlog/v1/pumps/x", Err: errors.New("no JSON")}},
		},
		report: map[string]survey.Report{
			"<b>p1</b>": {Status: nodes.Status{Version: "0.1", LogBytes: 5 << 20, Unresolved: 7}, Rate: 1234.4, HasRate: true},
			"d1": {Status: nodes.Status{Downstream: "mysql", Waiting: []string{"pump dead: not reached"}, LastDDL: &nodes.LastDDL{CommitTS: nodes.MakeTSO(now, 0), Query: "ALTER TABLE a ADD b <int>"}, HeldBy: "dead", HeldSince: now.Add(-time.Minute),
				Positions: map[string]nodes.TSO{"dead": nodes.MakeTSO(now, 0)}, Unreached: map[string]string{"dead": "refused"}}},
		},
		points: []survey.Point{{At: now.Add(-30 * time.Minute), Lag: 90 * time.Second}, {At: now, Lag: 3 * time.Second}},
		events: []audit.Event{{At: now, Kind: nodes.Pump, NodeID: "dead", Old: nodes.Online, New: nodes.Paused, User: "root", Statement: "CHANGE", Result: audit.Done}},
	}
}

func TestPage(t *testing.T) {
	get := open(t, busy(time.Now()))
	code, body := get("/")
	if code != http.StatusOK {
		t.Fatal(code, body)
	}
	for _, want := range []string{
		"&lt;b&gt;p1&lt;/b&gt;", "5.0 MiB", ">1234<", "<code>ALTER TABLE a ADD b &lt;int&gt;</code> (runs)", "has not reported for 1h0m0s", "cannot pull from pump dead: refused",
		"<b>drainer d1</b> waits for pump dead: not reached", "/tidb-binlog/v1/pumps/x", "root (CHANGE)", "1.2.3", "<path class=\"line0\" d=\"M",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("not on the page: %s", want)
		}
	}
	if strings.Contains(body, "<b>p1</b>") || strings.Contains(body, "ZgotmplZ") {
		t.Error("a name is taken for HTML")
	}
}

func TestWithoutPD(t *testing.T) {
	get := open(t, &cluster{err: errors.New("PD 127.0.0.1:2379 does not answer")})
	if code, body := get("/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "2379") {
		t.Errorf("/healthz: %d %s", code, body)
	}
	if code, body := get("/"); code != http.StatusOK || !strings.Contains(body, "does not answer") || strings.Contains(body, "Pumps</caption>") {
		t.Errorf("the page: %d %s", code, body)
	}
	if code, body := get("/metrics"); code != http.StatusOK || !strings.Contains(body, "pumphouse_pd_up 0") || strings.Contains(body, "node_state") ||
		!strings.Contains(body, `pumphouse_node_problem{code="pd-away",kind="console",node=""} 1`) {
		t.Errorf("/metrics: %d %s", code, body)
	}
}

// TestWithoutPDSoon: the page and a scrape show within 2 s that PD is away, though statements may wait for it longer.
func TestWithoutPDSoon(t *testing.T) {
	get := open(t, &cluster{hangs: true})
	for _, path := range []string{"/", "/metrics"} {
		if _, body := get(path); !strings.Contains(body, "pd-away") {
			t.Errorf("%s: %s", path, body)
		}
	}
	if _, body := get("/"); !strings.Contains(body, "it has 2 s: true") {
		t.Errorf("the page waits longer: %s", body)
	}
}

func TestMetrics(t *testing.T) {
	c := busy(time.Now())
	get := open(t, c)
	_, body := get("/metrics")
	if n := c.extra.Load(); n != 0 {
		t.Errorf("a scrape asks %d times for events and points, which no metric shows", n)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(body)); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	for _, want := range []string{
		`pumphouse_node_reporting{kind="pump",node="dead"} 0`, `pumphouse_node_lag_seconds{kind="drainer",node="d1"} 3`,
		`pumphouse_drainer_held_seconds{node="d1",pump="dead"} 6`, `pumphouse_pump_unresolved{kind="pump",node="<b>p1</b>"} 7`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("missing: %s", want)
		}
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	s, err := New(Options{View: &cluster{}, Survey: &cluster{}, Events: &cluster{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		w := httptest.NewRecorder()
		r, _ := http.NewRequest(method, "/", nil)
		s.routes().ServeHTTP(w, r)
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

func TestScale(t *testing.T) {
	for _, worst := range []time.Duration{0, time.Millisecond, time.Second, 7 * time.Second, time.Minute, 50 * time.Minute, 5 * time.Hour, 40 * 24 * time.Hour} {
		ceiling, step := scale(worst)
		if ceiling < worst || ceiling/step < 2 || ceiling/step > 5 || ceiling%step != 0 {
			t.Errorf("%s: up to %s in steps of %s", worst, ceiling, step)
		}
	}
}

// TestHeldBack: the page names the transaction that holds back a pump once it is older than a
// few seconds, and the GC safe point that the pump holds for it.
func TestHeldBack(t *testing.T) {
	now := time.Now()
	c := &cluster{snap: &nodes.Snapshot{Pumps: []nodes.Entry{
		record(nodes.Pump, "p1", nodes.Online, now, time.Second), record(nodes.Pump, "p2", nodes.Online, now, time.Second)}},
		report: map[string]survey.Report{}}
	safe := nodes.MakeTSO(time.Date(2026, 11, 22, 17, 43, 57, 0, time.UTC), 5)
	report := func(id string, startTS nodes.TSO, age time.Duration) {
		c.report[id] = survey.Report{Kind: nodes.Pump, NodeID: id, At: now, Status: nodes.Status{
			Unresolved: 1, OldestStartTS: startTS, OldestAge: age, Held: 924, GCSafePoint: safe}}
	}
	report("p1", 470, 34*time.Second)
	report("p2", 480, time.Second)
	_, body := open(t, c)("/")
	for _, text := range []string{"transaction 470, unresolved for 34 s", `<time title="` + safe.String() + `">2026-11-22 17:43:57</time>`} {
		if !strings.Contains(body, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if _, metrics := open(t, c)("/metrics"); !strings.Contains(metrics, `pumphouse_pump_unresolved_seconds{kind="pump",node="p1"} 34`) {
		t.Errorf("the metrics lack the age:\n%s", metrics)
	}
	if strings.Contains(body, "transaction 480") {
		t.Error("the page names a transaction that TiDB is about to commit")
	}
}
