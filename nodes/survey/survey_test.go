package survey

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/nodes"
)

// records is a view of records that are given.
type records struct {
	snap atomic.Pointer[nodes.Snapshot]
}

func (r *records) View(context.Context, int64) (*nodes.Snapshot, error) { return r.snap.Load(), nil }

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
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
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
		!strings.Contains(r.WaitingFor(), "drainer d1 (online, h), which has consumed up to commit TS 5 of 9") {
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
	if points := s.Points(nodes.Drainer, "old"); len(points) == 0 {
		t.Error("no lag was noted")
	}

	view.snap.Store(&nodes.Snapshot{Pumps: snap.Pumps[:1]})
	eventually(t, "the report of a removed node goes", func() bool { _, ok := s.Report(nodes.Drainer, "old"); return !ok })
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
