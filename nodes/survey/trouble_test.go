package survey

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/nodes"
)

// TestTroubles: what running nodes report, why others exited, and whose start failed without a record; and nothing
// of it when it is over.
func TestTroubles(t *testing.T) {
	now := time.Now()
	host, _ := node(t, `{"LastTS":1,"ErrMsg":"x","Version":"2.0","problems":[
		{"code":"divergence","key":"shop.a","text":"later","since":"2026-11-28T09:30:00Z"},
		{"code":"downstream-slow","text":"first","since":"2026-11-28T09:00:00Z","cure":"look at its load"},
		{"code":"Not A Code!","text":"`+strings.Repeat("long", 10_000)+`","since":"2026-11-28T09:31:00Z"}]}`)
	view := new(records)
	stopped := entry(nodes.Drainer, "stopped", "127.0.0.1:1", now.Add(-time.Minute))
	stopped.Record.State = nodes.Paused
	restarted := entry(nodes.Drainer, "restarted", host, now)
	view.snap.Store(&nodes.Snapshot{Drainers: []nodes.Entry{entry(nodes.Drainer, "runs", host, now), stopped, restarted}})
	failure := nodes.LastExit{Kind: nodes.ExitError, Code: nodes.ProblemStatementRefused, Text: "no table", Cure: "create it", Time: now.Add(-time.Minute)}
	exits := map[nodes.Kind]map[string]nodes.LastExit{nodes.Drainer: {
		"stopped": failure, "restarted": failure, "never": {Kind: nodes.ExitError, Code: nodes.ProblemDownstreamDown, Text: "refused", Time: now, Starting: true},
		"orderly": {Kind: nodes.ExitOrderly, Time: now},
	}}
	var known atomic.Pointer[map[nodes.Kind]map[string]nodes.LastExit]
	known.Store(&exits)
	s, err := Open(Options{View: view, Interval: 10 * time.Millisecond, Heartbeat: 10 * time.Second, Version: "1.0",
		Exits: func(context.Context) (map[nodes.Kind]map[string]nodes.LastExit, error) {
			if m := known.Load(); m != nil {
				return *m, nil
			}
			return nil, errors.New("PD is away")
		},
		Own: func() []nodes.Problem { return []nodes.Problem{{Code: nodes.ProblemClockSkew, Text: "20s"}} }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	eventually(t, "both nodes that run have answered", func() bool {
		_, a := s.Report(nodes.Drainer, "runs")
		_, b := s.Report(nodes.Drainer, "restarted")
		return a && b && len(s.Troubles(nodes.Drainer)) == 8
	})
	var got []string
	for _, tr := range s.Troubles(nodes.Drainer) {
		if tr.NodeID != "restarted" {
			got = append(got, tr.NodeID+" "+string(tr.Code))
		}
		if len(tr.Text) > 2000 {
			t.Errorf("a text of %d bytes", len(tr.Text))
		}
		if tr.NodeID == "stopped" && !strings.HasPrefix(tr.Say(time.UTC), "exited with an error at ") || tr.NodeID == "never" && !strings.HasPrefix(tr.Say(time.UTC), "could not start at ") {
			t.Errorf("%s: %s", tr.NodeID, tr.Say(time.UTC))
		}
	}
	want := "never downstream-down, runs downstream-slow, runs divergence, runs other, stopped statement-refused"
	if list := strings.Join(got, ", "); list != want {
		t.Errorf("got %s\nwant %s", list, want)
	}
	if e, ok := s.Exit(nodes.Drainer, "orderly"); !ok || e.Kind != nodes.ExitOrderly {
		t.Errorf("the exit of a node that was paused: %+v, %t", e, ok)
	}
	if _, ok := s.Exit(nodes.Drainer, "restarted"); ok {
		t.Error("a node that runs has a last exit")
	}
	if own := s.Own(); len(own) != 2 || own[0].Code != nodes.ProblemVersionMix || own[1].Code != nodes.ProblemClockSkew ||
		own[0].Text != "this console is of version 1.0, drainer restarted, drainer runs of version 2.0" {
		t.Errorf("of the console: %+v", own)
	}
	r, _ := s.Report(nodes.Drainer, "runs")
	if r.WaitingFor() != "[downstream-slow] first" {
		t.Errorf("it waits for %q", r.WaitingFor())
	}

	known.Store(nil)
	view.pass(t, 3)
	if _, ok := s.Exit(nodes.Drainer, "stopped"); !ok {
		t.Error("the reason is forgotten while PD is away")
	}
	none := map[nodes.Kind]map[string]nodes.LastExit{}
	known.Store(&none)
	view.snap.Store(&nodes.Snapshot{})
	eventually(t, "nothing is wrong any more", func() bool { return len(s.Troubles(nodes.Drainer)) == 0 && len(s.Own()) == 1 })
}

// TestTroublesAreListedOnce: every SHOW asks, of a thousand nodes as well; and a report that is too old counts no more.
func TestTroublesAreListedOnce(t *testing.T) {
	host, _ := node(t, `{"ErrMsg":"disk"}`)
	began := time.Now()
	view := new(records)
	view.snap.Store(&nodes.Snapshot{Pumps: []nodes.Entry{entry(nodes.Pump, "p1", host, began), entry(nodes.Pump, "p2", host, began)}})
	var later atomic.Int64
	s, err := Open(Options{View: view, Interval: time.Hour, Timeout: time.Minute, Heartbeat: time.Hour, Fresh: time.Hour,
		Now: func() time.Time { return began.Add(time.Duration(later.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	eventually(t, "both have answered", func() bool { return len(s.Troubles(nodes.Pump)) == 2 })
	if n := testing.AllocsPerRun(10, func() { s.Troubles(nodes.Pump) }); n > 0 {
		t.Errorf("%v allocations to ask again", n)
	}
	later.Store(int64(61 * time.Minute))
	if list := s.Troubles(nodes.Pump); len(list) != 0 {
		t.Errorf("after %v: %+v", time.Duration(later.Load()), list)
	}
	s.ask(t.Context(), view.snap.Load())
	if list := s.Troubles(nodes.Pump); len(list) != 2 {
		t.Errorf("both say again what they said before: %+v", list)
	}
}

// TestTheFirstLookIsAnswered: what is wrong is not missing because nobody has looked for a while; but a node that does not
// answer keeps nobody waiting for longer than the time-out.
func TestTheFirstLookIsAnswered(t *testing.T) {
	host, _ := node(t, `{"ErrMsg":"disk"}`)
	view := new(records)
	view.snap.Store(&nodes.Snapshot{Pumps: []nodes.Entry{entry(nodes.Pump, "p", host, time.Now())}})
	s, err := Open(Options{View: view, Interval: time.Hour, Sample: time.Hour, Timeout: time.Minute, Heartbeat: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if list := s.Troubles(nodes.Pump); len(list) != 1 || list[0].Text != "disk" {
		t.Errorf("the first look sees %+v", list)
	}

	never := make(chan struct{})
	defer close(never)
	stuck, err := Open(Options{View: stuckView{never}, Interval: time.Hour, Timeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	for range 1000 { // a look at each of many nodes waits once, not a thousand times
		stuck.Report(nodes.Pump, "p")
	}
}

// stuckView answers when it is closed.
type stuckView struct{ never chan struct{} }

func (v stuckView) View(ctx context.Context, _ int64) (*nodes.Snapshot, error) {
	select {
	case <-v.never:
	case <-ctx.Done():
	}
	return nil, errors.New("nothing")
}
