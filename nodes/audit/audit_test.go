package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/nodes"
	"pumphouse/nodes/embedpd"
)

// fixture is a PD and a way to it.
type fixture struct {
	t   *testing.T
	dir string
	srv *embedpd.Server
	cli *clientv3.Client
	reg *nodes.Registry
}

func start(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir()}
	f.open("127.0.0.1:0")
	t.Cleanup(func() { f.srv.Close() })
	f.cli, f.reg = f.client()
	return f
}

func (f *fixture) open(addr string) {
	f.t.Helper()
	srv, err := embedpd.New(embedpd.Options{Addr: addr, DataDir: f.dir})
	if err == nil {
		err = srv.Open(f.t.Context())
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.srv = srv
}

// client is another program's way to PD.
func (f *fixture) client() (*clientv3.Client, *nodes.Registry) {
	f.t.Helper()
	cli, err := nodes.NewClient([]string{f.srv.URL()}, nil, 5*time.Second)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { cli.Close() })
	return cli, nodes.NewRegistry(cli, 10*time.Second)
}

// put writes a record as an upstream node or tool does, and gives the revision.
func (f *fixture) put(kind nodes.Kind, id string, state nodes.State, updated nodes.TSO) int64 {
	f.t.Helper()
	raw, err := nodes.EncodeRecord(nodes.Record{NodeID: id, Host: "h:1", State: state, UpdateTS: updated})
	if err != nil {
		f.t.Fatal(err)
	}
	resp, err := f.cli.Put(f.t.Context(), kind.Key(id), string(raw))
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.Header.Revision
}

func (f *fixture) list(l *Log) []Event {
	f.t.Helper()
	events, err := l.List(f.t.Context(), 0)
	if err != nil {
		f.t.Fatal(err)
	}
	return events
}

// listed waits until so many events are listed.
func (f *fixture) listed(l *Log, n int) []Event {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		events := f.list(l)
		if len(events) >= n {
			return events
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%d events, want %d: %+v", len(events), n, events)
		}
	}
}

func short(e Event) string {
	return fmt.Sprintf("%s %s %s>%s %s %s %s", e.Kind, e.NodeID, e.Old, e.New, e.Source, e.Statement, e.Result)
}

// TestNote: two writers fight over a record while consoles watch. Every write has
// exactly one event, at its own revision, and the events form the record's history.
func TestNote(t *testing.T) {
	f := start(t)
	f.put(nodes.Pump, "p", nodes.Online, 1)
	var watchers []*Log
	for range 2 {
		_, reg := f.client()
		l := New(Options{Registry: reg})
		if err := l.Open(); err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		watchers = append(watchers, l)
	}
	f.floor()
	const each = 100
	var mu sync.Mutex
	wrote := map[int64]string{}
	var wg sync.WaitGroup
	for i := range 2 {
		_, reg := f.client()
		l := New(Options{Registry: reg})
		user := fmt.Sprint("user", i)
		wg.Go(func() {
			for n := range each {
				state := nodes.States()[(n+i)%5]
				_, revision, err := reg.SetState(context.Background(), nodes.Pump, "p", state,
					l.Note(Event{New: state, Source: Console, Statement: "CHANGE", User: user, Result: Done}))
				if err != nil {
					t.Errorf("%s: %v", user, err)
					return
				}
				mu.Lock()
				wrote[revision] = user + " " + string(state)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	f.put(nodes.Pump, "end", nodes.Online, 1) // when the watchers are here, they have seen it all
	events := f.listed(watchers[0], 2*each+1)
	if len(events) != 2*each+1 {
		t.Fatalf("%d events for %d writes", len(events), 2*each+1)
	}
	slices.Reverse(events)
	last := nodes.Online
	for _, e := range events[:2*each] {
		if e.Old != last || wrote[e.Revision] != e.User+" "+string(e.New) || e.Host != "h:1" || e.At.IsZero() {
			t.Errorf("event %+v: the state before was %s, and that revision was written by %q", e, last, wrote[e.Revision])
		}
		last = e.New
	}
}

// TestObserved: what the nodes and others do is seen by every console and written down
// once; a heartbeat is nothing.
func TestObserved(t *testing.T) {
	f := start(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ts := func(s int) nodes.TSO { return nodes.MakeTSO(at.Add(time.Duration(s)*time.Second), 0) }
	f.put(nodes.Pump, "before", nodes.Online, ts(0))
	var logs []*Log
	for range 3 {
		_, reg := f.client()
		l := New(Options{Registry: reg, Now: func() time.Time { return at }})
		if err := l.Open(); err != nil {
			t.Fatal(err)
		}
		if err := l.Open(); !errors.Is(err, errClosed) {
			t.Errorf("opened twice: %v", err)
		}
		defer l.Close()
		logs = append(logs, l)
	}
	f.floor() // the last thing Open does before it watches; put later, everything is seen

	f.put(nodes.Pump, "p", nodes.Paused, ts(1))
	f.put(nodes.Pump, "p", nodes.Online, ts(2))
	f.put(nodes.Pump, "p", nodes.Online, ts(4))    // a heartbeat
	f.put(nodes.Pump, "p", nodes.Pausing, ts(4))   // an old tool
	f.put(nodes.Pump, "p", nodes.Paused, ts(6))    // the node
	f.put(nodes.Drainer, "d", nodes.Online, ts(7)) // another
	if _, err := f.cli.Put(t.Context(), nodes.Pump.Key("mad"), "nonsense"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.reg.SetState(t.Context(), nodes.Drainer, "d", nodes.Offline,
		logs[0].Note(Event{New: nodes.Offline, Source: Binlogctl, Statement: "update-drainer", Result: Done})); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.reg.Drop(t.Context(), nodes.Drainer, "d", logs[1].Note(Event{Source: Console, Statement: "DROP", Result: Done})); err != nil {
		t.Fatal(err)
	}
	f.put(nodes.Drainer, "d", nodes.Online, ts(9)) // again, from nothing
	if _, err := f.cli.Delete(t.Context(), nodes.Drainer.Key("d")); err != nil {
		t.Fatal(err)
	}
	f.put(nodes.Pump, "before", nodes.Paused, ts(10))
	want := []string{
		"pump p >paused node  done", "pump p paused>online node  done",
		"pump p online>pausing other  done", "pump p pausing>paused node  done",
		"drainer d >online node  done",
		"drainer d online>offline binlogctl update-drainer done", "drainer d offline> console DROP done",
		"drainer d >online node  done", "drainer d online> other  done",
		"pump before online>paused node  done",
	}
	f.listed(logs[2], len(want))
	for _, l := range logs { // nobody adds anything when all have seen everything
		l.Close()
	}
	events := f.list(New(Options{Registry: f.reg}))
	slices.Reverse(events)
	var got []string
	for _, e := range events {
		got = append(got, short(e))
	}
	if !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if e := events[3]; !e.At.Equal(ts(6).Time()) || e.Host != "h:1" {
		t.Errorf("a node's own write: %+v, want it at the node's time %s", e, ts(6).Time())
	}
	if e := events[2]; !e.At.Equal(at) {
		t.Errorf("somebody else's write: %+v, want it at PD's time", e)
	}
}

// floor waits until a Log is open.
func (f *fixture) floor() {
	f.t.Helper()
	for {
		resp, err := f.cli.Get(f.t.Context(), floorKey)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(resp.Kvs) > 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestTrim: of several that trim at once the newest events stay, and what was trimmed
// does not come back.
func TestTrim(t *testing.T) {
	f := start(t)
	const keep = 20
	l := New(Options{Registry: f.reg, Keep: keep})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch := f.cli.Watch(ctx, nodes.Pump.Key("p"), clientv3.WithPrevKV())
	f.put(nodes.Pump, "p", nodes.Online, 1)
	var first *clientv3.Event
	for resp := range watch {
		first = resp.Events[0]
		break
	}
	if _, _, err := l.begin(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it is written once
		if err := l.observe(ctx, first); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.list(l); len(got) != 1 || got[0].Revision != first.Kv.ModRevision {
		t.Fatalf("events %+v", got)
	}
	for i := range 250 {
		l.Record(ctx, Event{NodeID: "p", Source: Console, Statement: "PAUSE", Result: fmt.Sprint(i)})
	}
	var wg sync.WaitGroup
	for range 3 {
		_, reg := f.client()
		wg.Go(func() {
			if err := New(Options{Registry: reg, Keep: keep}).Trim(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := l.Trim(ctx); err != nil {
		t.Fatal(err)
	}
	resp, err := f.cli.Get(ctx, Prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || resp.Count != keep {
		t.Errorf("%d events are left, want %d (%v)", resp.Count, keep, err)
	}
	if err := l.observe(ctx, first); err != nil {
		t.Fatal(err)
	}
	got := f.list(l)
	if len(got) != keep || got[0].Result != "249" || got[keep-1].Result != "230" {
		t.Errorf("events %+v", got)
	}
	if got, err := l.List(ctx, 3); err != nil || len(got) != 3 || got[0].Result != "249" {
		t.Errorf("the newest three: %+v, %v", got, err)
	}
}

// TestAway: while PD is away an event costs no more than its time-out, and is logged;
// when PD is back the consoles find what happened.
func TestAway(t *testing.T) {
	f := start(t)
	var said bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&said)
	l := New(Options{Registry: f.reg, Timeout: 300 * time.Millisecond, Logger: logger})
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f.floor()
	f.put(nodes.Pump, "p", nodes.Online, 1)
	f.listed(l, 1)
	addr := strings.TrimPrefix(f.srv.URL(), "http://")
	f.srv.Close()

	began := time.Now()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	l.Record(done, Event{Kind: nodes.Pump, NodeID: "p", Result: Accepted})
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(said.String(), "failed to record an audit event") || !strings.Contains(said.String(), "node=p") {
		t.Errorf("the log says %s", said.String())
	}

	f.open(addr)
	_, reg := f.client()
	cli, _ := f.client()
	f.cli = cli
	f.put(nodes.Pump, "p", nodes.Paused, 1)
	events := f.listed(New(Options{Registry: reg}), 2)
	if got := short(events[0]); len(events) != 2 || got != "pump p online>paused other  done" {
		t.Errorf("events %+v", events)
	}
	l.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestNewHistory: after PD was wiped, so that its revisions begin anew, the audit goes on; it
// does not wait for a revision of the old history.
func TestNewHistory(t *testing.T) {
	f := start(t)
	l := New(Options{Registry: f.reg})
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f.floor()
	for i := range 50 {
		f.put(nodes.Pump, "old", nodes.States()[i%2], nodes.TSO(i))
	}
	f.listed(l, 50)
	addr := strings.TrimPrefix(f.srv.URL(), "http://")
	f.srv.Close()
	if err := os.RemoveAll(f.dir); err != nil {
		t.Fatal(err)
	}
	f.open(addr)
	f.cli, f.reg = f.client()
	f.floor() // it begins anew
	f.put(nodes.Pump, "new", nodes.Online, 1)
	f.put(nodes.Pump, "new", nodes.Pausing, 1)
	events := f.listed(New(Options{Registry: f.reg}), 2)
	if got := short(events[0]); len(events) != 2 || got != "pump new online>pausing other  done" {
		t.Errorf("events %+v", events)
	}
}

// TestEmptied: somebody removes what the audit keeps, in a history that goes on; the next
// change is written down.
func TestEmptied(t *testing.T) {
	f := start(t)
	l := New(Options{Registry: f.reg})
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f.floor()
	f.put(nodes.Pump, "p", nodes.Online, 1)
	f.listed(l, 1)
	if _, err := f.cli.Delete(t.Context(), "/pumphouse/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	f.put(nodes.Pump, "p", nodes.Paused, 1)
	if got := short(f.listed(l, 1)[0]); got != "pump p online>paused other  done" {
		t.Errorf("the event is %s", got)
	}
}

// TestNil: a session without an audit needs no questions.
func TestNil(t *testing.T) {
	var l *Log
	l.Record(t.Context(), Event{})
	if l.Note(Event{}) != nil {
		t.Error("it gives events")
	}
	if events, err := l.List(t.Context(), 1); events != nil || err != nil {
		t.Errorf("events %v, %v", events, err)
	}
	if err := errors.Join(l.Trim(t.Context()), l.Close()); err != nil {
		t.Error(err)
	}
}

func TestFailure(t *testing.T) {
	for want, err := range map[string]error{
		"refused: state is closing": &nodes.RefusedError{Message: "state is closing", Code: 3},
		"not reached: no route":     fmt.Errorf("x: %w", &nodes.UnreachableError{Err: errors.New("no route")}),
		"failed: other":             errors.New("other"),
	} {
		if got := Failure(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// FuzzEvent: nothing under the prefix makes a reader panic, and what is written is read
// again.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"kind":"pump","at":"2026-01-02T03:04:05Z","node":"p","source":"console","result":"done"}`), "ü")
	f.Add([]byte(`{"kind":"drainer","at":"x"}`), strings.Repeat("日本", 200))
	f.Add([]byte(`[]`), "\xff\x00")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		if e, err := decode(b, 7); err == nil && e.Revision == 0 {
			t.Errorf("%q: no revision", b)
		}
		in := Event{At: time.UnixMilli(1700000000123), Kind: nodes.Drainer, NodeID: "d", Old: nodes.Online, User: text, Result: text}
		raw, err := encode(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := decode([]byte(raw), 9)
		if err != nil || out.Kind != in.Kind || out.Revision != 9 || !out.At.Equal(in.At) || len(raw) > 20*maxText {
			t.Fatalf("%q became %+v, %v", raw, out, err)
		}
	})
}

// TestTheReasonOfAnExit: the event of a node that exits with an error has the error, which the node has left in PD; an
// end in order, and an exit of long ago, change nothing.
func TestTheReasonOfAnExit(t *testing.T) {
	f := start(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ts := func(s int) nodes.TSO { return nodes.MakeTSO(at.Add(time.Duration(s)*time.Second), 0) }
	l := New(Options{Registry: f.reg, Now: func() time.Time { return at }})
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f.floor()
	exit := func(id string, e nodes.LastExit) {
		t.Helper()
		if err := f.reg.PutExit(t.Context(), nodes.Drainer, id, e); err != nil {
			t.Fatal(err)
		}
		f.put(nodes.Drainer, id, nodes.Online, ts(1))
		f.put(nodes.Drainer, id, nodes.Paused, ts(2))
	}
	refused := nodes.LastExit{Kind: nodes.ExitError, Code: nodes.ProblemStatementRefused, Text: "no table shop.orders", Cure: "create it", Time: at}
	exit("failed", refused)
	exit("paused", nodes.LastExit{Kind: nodes.ExitOrderly, Time: at})
	refused.Time = at.Add(-time.Hour)
	exit("long ago", refused)
	var got []string
	for _, e := range f.listed(l, 6) {
		if e.New == nodes.Paused {
			got = append(got, e.NodeID+": "+e.Result)
		}
	}
	want := []string{"long ago: done", "paused: done", "failed: exited with an error: [statement-refused] no table shop.orders; create it"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
