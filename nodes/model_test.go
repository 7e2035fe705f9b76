package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/testsuite/form"
)

// outcome is what an operation's caller was told.
type outcome int

const (
	wasDone outcome = iota
	wasNotDone
	isUnknown
)

// call is one operation of one writer, with what was answered and when, on one clock of
// the test.
type call struct {
	tag        string
	want       State // "" = remove the record
	began, end int64
	answer     outcome
	old        State
	revision   int64
	err        error
}

// model is a cluster of three, three writers with bad connections, and a node that
// refreshes its record meanwhile.
type model struct {
	t       *testing.T
	clock   atomic.Int64
	calls   chan call
	done    atomic.Int64 // calls that have ended
	rounds  atomic.Int64 // of the node, which begin with the record being there or gone
	stopped atomic.Bool
}

// TestOneChangeOnce: whatever answers PD's cluster loses and wherever its leader goes, the
// history of a record is one that the operations make when they run one after the other:
// each that was done wrote once, between its call and its answer, over the state that it
// says, and each that was not done wrote nothing.
func TestOneChangeOnce(t *testing.T) {
	seed := form.Seed(t)
	members := startThree(t)
	var addrs []string
	for _, m := range members {
		addrs = append(addrs, "http://"+m.addr)
	}
	const writers, each = 3, 60
	m := &model{t: t, calls: make(chan call, writers*each)}
	straight := faulty(t, addrs, 30*time.Second, func() fault { return noFault })
	first := mustPut(t, straight, Pump, testRecord("p", Online))

	var writing, others sync.WaitGroup
	for w := range writers {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		plan := func() fault { // called by one goroutine, that of the writer
			if rng.IntN(10) < []int{8, 4, 4}[w] {
				return fault(rng.IntN(4))
			}
			return noFault
		}
		// The first gives up early, and then does not know.
		reg := faulty(t, addrs, []time.Duration{200 * time.Millisecond, 2 * time.Second, 10 * time.Second}[w], plan)
		writing.Go(func() { m.write(reg, fmt.Sprint("w", w), each, rng) })
	}
	others.Go(func() { m.node(straight) })
	others.Go(func() {
		for n := int64(20); n < writers*each; n += 40 {
			for m.done.Load() < n && !m.stopped.Load() {
				time.Sleep(time.Millisecond)
			}
			moveLeader(t, members)
		}
	})
	writing.Wait()
	m.stopped.Store(true)
	others.Wait()
	close(m.calls)
	var calls []call
	for c := range m.calls {
		calls = append(calls, c)
	}
	m.check(calls, m.history(straight.client, first))
}

// write makes one writer's operations.
func (m *model) write(reg *Registry, name string, n int, rng *rand.Rand) {
	for i := range n {
		c := call{tag: fmt.Sprint(name, "-", i), want: States()[rng.IntN(5)]}
		if rng.IntN(5) == 0 {
			c.want = ""
		}
		note := func(_ Entry, operation string) string {
			return fmt.Sprintf(`{"op":%q,"tag":%q}`, operation, c.tag)
		}
		c.began = m.clock.Add(1)
		var old Record
		if c.want == "" {
			old, c.revision, c.err = reg.Drop(context.Background(), Pump, "p", note)
		} else {
			old, c.revision, c.err = reg.SetState(context.Background(), Pump, "p", c.want, note)
		}
		c.end, c.old = m.clock.Add(1), old.State
		var pd *PDError
		switch {
		case errors.As(c.err, &pd):
			c.answer = wasNotDone
			if pd.Unknown {
				c.answer = isUnknown
			}
		case c.err != nil:
			c.answer = wasNotDone
		}
		m.calls <- c
		m.done.Add(1)
		// A node that is slower than the writers would leave them nothing to change: it has the time to make the record again.
		for r := m.rounds.Load(); errors.Is(c.err, ErrNotFound) && m.rounds.Load() < r+2; {
			time.Sleep(time.Millisecond)
		}
	}
}

// node refreshes the record in the state that it has, and makes it anew when it is gone.
func (m *model) node(reg *Registry) {
	for ts := TSO(1); !m.stopped.Load(); ts++ {
		m.rounds.Add(1)
		e, err := reg.Get(context.Background(), Pump, "p")
		r := e.Record
		if errors.Is(err, ErrNotFound) {
			r = testRecord("p", Offline)
		} else if err != nil {
			continue // while there is no leader
		}
		r.UpdateTS = ts
		_, _ = reg.Put(context.Background(), Pump, r, e.ModRevision) // somebody else may have come first
		done := m.done.Load()
		for range 20 { // a beat now and then
			if m.done.Load() != done || m.stopped.Load() {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// version is one version of the record; state "" = it is gone. tag is whose operation made
// it, "" for the node.
type version struct {
	revision int64
	state    State
	tag      string
}

// history reads all versions of the record since the first.
func (m *model) history(cli *clientv3.Client, first int64) (all []version) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	end := put(m.t, cli, Pump.Key("p"), "the end") // a request that comes late writes nothing after it
	tags := map[int64]string{}                     // by the revision of the write
	events, err := cli.Get(ctx, EventsPrefix, clientv3.WithPrefix())
	if err != nil {
		m.t.Fatal(err)
	}
	for _, kv := range events.Kvs {
		var event struct{ Tag string }
		if err := json.Unmarshal(kv.Value, &event); err != nil || event.Tag == "" || kv.Version != 1 {
			m.t.Errorf("event %s: %s, version %d (%v)", kv.Key, kv.Value, kv.Version, err)
		}
		tags[kv.ModRevision] = event.Tag
	}
	for resp := range cli.Watch(ctx, Pump.Key("p"), clientv3.WithRev(first)) {
		for _, ev := range resp.Events {
			v := version{revision: ev.Kv.ModRevision, tag: tags[ev.Kv.ModRevision]}
			if v.revision == end {
				if len(tags) > 0 {
					m.t.Errorf("events without a write: %v", tags)
				}
				return all
			}
			if ev.Type == clientv3.EventTypePut {
				r, err := DecodeRecord(ev.Kv.Value)
				if err != nil {
					m.t.Error(err)
				}
				v.state = r.State
			}
			delete(tags, v.revision)
			all = append(all, v)
		}
	}
	m.t.Fatal("the history cannot be read")
	return nil
}

// check compares what was answered with what PD did.
func (m *model) check(calls []call, history []version) {
	m.t.Helper()
	byTag, count := map[string]*call{}, map[outcome]int{}
	for i := range calls {
		byTag[calls[i].tag] = &calls[i]
		count[calls[i].answer]++
	}
	m.t.Logf("%d done, %d not done, %d unknown; %d versions", count[wasDone], count[wasNotDone], count[isUnknown], len(history))
	if count[wasDone] < len(calls)/10 {
		m.t.Error("hardly anything was done: this shows little")
	}
	wrote := map[string]int64{}
	for i, v := range history {
		before := State("")
		if i > 0 {
			before = history[i-1].state
		}
		if v.tag == "" { // the node: it keeps the state
			if before != "" && v.state != before {
				m.t.Errorf("at %d the state went from %s to %q, and nobody's operation did it", v.revision, before, v.state)
			}
			continue
		}
		c := byTag[v.tag]
		if c == nil {
			m.t.Fatalf("operation %q is unknown", v.tag)
		}
		if at := wrote[v.tag]; at != 0 {
			m.t.Errorf("%s happened twice, at %d and %d", v.tag, at, v.revision)
		}
		wrote[v.tag] = v.revision
		switch {
		case c.answer == wasNotDone:
			m.t.Errorf("%s was answered %q, and happened at %d", v.tag, c.err, v.revision)
		case v.state != c.want:
			m.t.Errorf("%s wrote %q, not %q", v.tag, v.state, c.want)
		case c.answer == wasDone && (c.revision != v.revision || c.old != before):
			m.t.Errorf("%s was told revision %d over %s; it was %d over %s", v.tag, c.revision, c.old, v.revision, before)
		case c.want == "" && before != Offline:
			m.t.Errorf("%s removed a record that was %s", v.tag, before)
		}
	}
	for _, c := range calls {
		at := wrote[c.tag]
		if c.answer == wasDone && at == 0 {
			m.t.Errorf("%s was answered done, and never happened", c.tag)
		}
		for _, later := range calls { // real time is kept
			if next := wrote[later.tag]; c.answer == wasDone && next != 0 && c.end < later.began && next < at {
				m.t.Errorf("%s ended before %s began, but happened after it", c.tag, later.tag)
			}
		}
	}
}
