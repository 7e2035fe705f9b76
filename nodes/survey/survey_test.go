package survey

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/nodes"
)

// records is a view of records that are given.
type records struct {
	snap   atomic.Pointer[nodes.Snapshot]
	rounds atomic.Int64 // how often they were read
}

func (r *records) View(context.Context, int64) (*nodes.Snapshot, error) {
	r.rounds.Add(1)
	return r.snap.Load(), nil
}

// pass waits until n rounds have begun and ended.
func (r *records) pass(t *testing.T, n int64) {
	t.Helper()
	end := r.rounds.Load() + n
	eventually(t, "more rounds", func() bool { return r.rounds.Load() > end })
}

func entry(kind nodes.Kind, id, host string, at time.Time) nodes.Entry {
	ts := nodes.MakeTSO(at, 0)
	return nodes.Entry{Kind: kind, Record: nodes.Record{NodeID: id, Host: host, State: nodes.Online, UpdateTS: ts, MaxCommitTS: ts}}
}

// node serves a /status and counts how often it was asked.
func node(t *testing.T, body string) (host string, asked *atomic.Int64) {
	asked = new(atomic.Int64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/status" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), asked
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never came: " + what)
		}
	}
}

func TestReports(t *testing.T) {
	now := time.Now()
	oldDrainer, _ := node(t, `{"PumpPos":{"pump1":470642465486929921},"Synced":true,"LastTS":470642465486929921,"TsMap":""}`)
	pump, _ := node(t, `{"status":{},"CommitTS":9,"Checkpoint":{},"ErrMsg":"disk","Version":"1.2","Unresolved":3,`+
		`"WaitingFor":[{"drainer":"d1","host":"h","state":"online","consumed":5,"needed":9}],"Storage":{"LastCommitTS":9,"LogBytes":10,"IndexBytes":2}}`)
	nonsense, _ := node(t, `<html>`)
	dead, askedDead := node(t, `{}`)
	view := new(records)
	snap := &nodes.Snapshot{
		Pumps: []nodes.Entry{entry(nodes.Pump, "p", pump, now), entry(nodes.Pump, "gone", "127.0.0.1:1", now),
			entry(nodes.Pump, "silent", dead, now.Add(-time.Minute))},
		Drainers: []nodes.Entry{entry(nodes.Drainer, "old", oldDrainer, now), entry(nodes.Drainer, "html", nonsense, now)},
	}
	view.snap.Store(snap)
	s, err := Open(Options{View: view, Interval: 10 * time.Millisecond, Heartbeat: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	get := func(kind nodes.Kind, id string) (r Report) {
		t.Helper()
		eventually(t, id, func() (ok bool) { r, ok = s.Report(kind, id); return ok })
		return r
	}
	if r := get(nodes.Pump, "p"); r.Version != "1.2" || r.Problem != "disk" || r.Unresolved != 3 || r.LogBytes != 12 || r.CommitTS != 9 ||
		!strings.Contains(r.WaitingFor(), "drainer d1 (online, h), which has consumed nothing yet of what there is up to commit TS 9") {
		t.Errorf("pump: %+v", r)
	}
	if r := get(nodes.Drainer, "old"); r.Err != "" || !r.Synced || r.Positions["pump1"] != 470642465486929921 || r.HeldBy != "" {
		t.Errorf("old drainer: %+v", r)
	}
	if r := get(nodes.Pump, "gone"); !strings.Contains(r.Err, "refused") {
		t.Errorf("unreachable: %+v", r)
	}
	if r := get(nodes.Drainer, "html"); !strings.Contains(r.Err, `HTTP status 200: "<html>"`) {
		t.Errorf("nonsense: %+v", r)
	}
	if _, ok := s.Report(nodes.Pump, "silent"); ok || askedDead.Load() != 0 {
		t.Errorf("a node that does not report in PD was asked %d times", askedDead.Load())
	}
	var said []string
	for _, trouble := range append(s.Troubles(nodes.Pump), s.Troubles(nodes.Drainer)...) {
		said = append(said, fmt.Sprintf("%s %s %s", trouble.Kind, trouble.NodeID, trouble.Code))
	}
	if want := []string{"pump gone not-answering", "pump p other", "drainer html not-answering"}; !slices.Equal(said, want) {
		t.Errorf("troubles %q, want %q", said, want)
	}
	if points := s.Points(nodes.Drainer, "old"); len(points) == 0 {
		t.Error("no lag was noted")
	}

	view.snap.Store(&nodes.Snapshot{Pumps: snap.Pumps[:1]})
	eventually(t, "the report of a removed node goes", func() bool { _, ok := s.Report(nodes.Drainer, "old"); return !ok })
}

// TestManyNodes: answers of many nodes come in while others are still being asked.
func TestManyNodes(t *testing.T) {
	host, _ := node(t, `{}`)
	view, snap := new(records), new(nodes.Snapshot)
	for i := range 500 {
		snap.Pumps = append(snap.Pumps, entry(nodes.Pump, fmt.Sprintf("p%d", i), host, time.Now()))
	}
	view.snap.Store(snap)
	s, err := Open(Options{View: view, Interval: time.Minute, Timeout: time.Minute, Heartbeat: time.Hour, Parallel: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	eventually(t, "every node has answered", func() bool {
		for _, e := range snap.Pumps {
			if r, ok := s.Report(nodes.Pump, e.Record.NodeID); !ok || r.Err != "" {
				return false
			}
		}
		return true
	})
}

// TestEndedNodesAreNotAsked: offline nodes, and paused ones that do not report, have no process, even when
// something else answers at their address. One that reports as paused is starting.
func TestEndedNodesAreNotAsked(t *testing.T) {
	host, asked := node(t, `{}`)
	lives, _ := node(t, `{}`)
	starts, _ := node(t, `{"problems":[{"code":"downstream-down","text":"mysql at db:3306: refused","since":"2026-11-28T09:00:00Z"}]}`)
	paused, offline := entry(nodes.Pump, "paused", host, time.Now().Add(-time.Hour)), entry(nodes.Drainer, "offline", host, time.Now())
	starting, ended := entry(nodes.Drainer, "starting", starts, time.Now()), entry(nodes.Drainer, "just ended", "127.0.0.1:1", time.Now())
	paused.Record.State, offline.Record.State, starting.Record.State, ended.Record.State = nodes.Paused, nodes.Offline, nodes.Paused, nodes.Paused
	pump := entry(nodes.Pump, "p", lives, time.Now())
	view := new(records)
	view.snap.Store(&nodes.Snapshot{Pumps: []nodes.Entry{paused, pump}, Drainers: []nodes.Entry{ended, offline, starting}})
	s, err := Open(Options{View: view, Interval: time.Millisecond, Fresh: time.Hour, Heartbeat: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	eventually(t, "a report of the node that lives", func() bool { _, ok := s.Report(nodes.Pump, "p"); return ok })
	eventually(t, "a report of the node that starts", func() bool { _, ok := s.Report(nodes.Drainer, "starting"); return ok })
	view.pass(t, 3)
	if n := asked.Load(); n != 0 {
		t.Errorf("nodes that have ended were asked %d times", n)
	}
	if list := s.Troubles(nodes.Drainer); len(list) != 1 || list[0].NodeID != "starting" || list[0].Code != nodes.ProblemDownstreamDown {
		t.Errorf("%+v", list)
	}
	if r, ok := s.Report(nodes.Drainer, "just ended"); ok {
		t.Errorf("a node that has just ended is said not to answer: %s", r.Err)
	}

	pump.Record.State, pump.Record.UpdateTS = nodes.Paused, paused.Record.UpdateTS
	view.snap.Store(&nodes.Snapshot{Pumps: []nodes.Entry{pump}})
	eventually(t, "the report of a node that has paused goes", func() bool { _, ok := s.Report(nodes.Pump, "p"); return !ok })
}

// TestIdle: nodes are asked only while somebody looks, the history of the lag goes on
// without, and the next look is not kept waiting.
func TestIdle(t *testing.T) {
	host, asked := node(t, `{}`)
	view := new(records)
	view.snap.Store(&nodes.Snapshot{Pumps: []nodes.Entry{entry(nodes.Pump, "p", host, time.Now())}})
	s, err := Open(Options{View: view, Interval: time.Millisecond, Sample: time.Millisecond, Idle: 50 * time.Millisecond, Heartbeat: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	quiet := func() bool { // ten rounds without a question
		before := asked.Load()
		view.pass(t, 10)
		return asked.Load() == before
	}
	if !quiet() || asked.Load() != 0 {
		t.Error("asked before anybody has looked")
	}
	if len(s.Points(nodes.Pump, "p")) == 0 {
		t.Error("no lag is noted while nobody looks")
	}
	for range 2 {
		before := asked.Load()
		eventually(t, "a question after a look", func() bool { s.Report(nodes.Pump, "p"); return asked.Load() > before })
		eventually(t, "nobody has looked for a while", quiet)
	}
	last := s.Points(nodes.Pump, "p")
	view.pass(t, 10)
	if points := s.Points(nodes.Pump, "p"); len(points) <= len(last) {
		t.Errorf("%d points of the lag, and no more after ten rounds while nobody looks", len(points))
	}
}

// TestALookWakes: who looks after a long while does not wait for the next sample.
func TestALookWakes(t *testing.T) {
	host, asked := node(t, `{}`)
	view := new(records)
	view.snap.Store(&nodes.Snapshot{Pumps: []nodes.Entry{entry(nodes.Pump, "p", host, time.Now())}})
	s, err := Open(Options{View: view, Interval: time.Hour, Sample: time.Hour, Heartbeat: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	eventually(t, "the first sample", func() bool { return len(s.Points(nodes.Pump, "p")) == 1 })
	if n := asked.Load(); n != 0 {
		t.Errorf("asked %d times before anybody has looked", n)
	}
	eventually(t, "a report", func() bool { _, ok := s.Report(nodes.Pump, "p"); return ok })
}

func TestStaleReportsAreNotGivenOut(t *testing.T) {
	host, _ := node(t, `{}`)
	view := new(records)
	start := time.Now()
	view.snap.Store(&nodes.Snapshot{Pumps: []nodes.Entry{entry(nodes.Pump, "p", host, start.Add(time.Hour))}})
	var ahead atomic.Int64
	s, err := Open(Options{View: view, Interval: time.Hour, Fresh: time.Minute, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	eventually(t, "a report", func() bool { _, ok := s.Report(nodes.Pump, "p"); return ok })
	ahead.Store(int64(2 * time.Minute))
	if r, ok := s.Report(nodes.Pump, "p"); ok {
		t.Errorf("given out after two minutes: %+v", r)
	}
}

func TestTrackKeepsTheNewest(t *testing.T) {
	var tr track
	base := time.Now()
	for i := range 25 {
		tr.add(Point{At: base.Add(time.Duration(i) * time.Second), Lag: time.Duration(i)}, 10)
	}
	got := tr.since(base.Add(17 * time.Second))
	if len(got) != 7 || got[0].Lag != 18 || got[6].Lag != 24 {
		t.Errorf("got %v", got)
	}
}

// TestRate: what a node has written between two reports, unless it was started anew meanwhile.
func TestRate(t *testing.T) {
	now := time.Now()
	report := func(written uint64, at time.Duration) Report {
		return Report{At: now.Add(at), Status: nodes.Status{Written: &written}}
	}
	for _, c := range []struct {
		before, after Report
		rate          float64
		known         bool
	}{
		{report(100, 0), report(300, 2*time.Second), 100, true},
		{report(100, 0), report(100, 2*time.Second), 0, true},
		{report(300, 0), report(5, 2*time.Second), 0, false},
		{report(1, 0), report(2, 0), 0, false},
		{Report{}, report(2, 0), 0, false},
		{report(1, 0), Report{At: now.Add(time.Second)}, 0, false},
	} {
		c.after.since(c.before)
		if c.after.Rate != c.rate || c.after.HasRate != c.known {
			t.Errorf("%+v after %+v", c.after, c.before)
		}
	}
}
