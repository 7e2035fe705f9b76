package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const testBeat = 20 * time.Millisecond

// testTSO gives timestamps of this machine's clock, strictly increasing, until it is
// told to fail.
type testTSO struct {
	last atomic.Int64
	fail atomic.Bool
}

func (c *testTSO) get(context.Context) (TSO, error) {
	if c.fail.Load() {
		return 0, errors.New("no TSO today")
	}
	for {
		last := c.last.Load()
		next := max(int64(MakeTSO(time.Now(), 0)), last+1)
		if c.last.CompareAndSwap(last, next) {
			return TSO(next), nil
		}
	}
}

// agentOptions are those of a pump p1 at h1:8250.
func agentOptions(reg *Registry) AgentOptions {
	return AgentOptions{
		Kind: Pump, NodeID: "p1", Host: "h1:8250", Heartbeat: testBeat,
		Registry: reg, TSO: new(testTSO).get, MaxCommitTS: func() TSO { return 7 },
	}
}

func newTestAgent(t testing.TB, o AgentOptions) *Agent {
	t.Helper()
	a, err := NewAgent(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// runAgent runs it until stop or the end of the test; the channel gives Run's error.
func runAgent(t testing.TB, a *Agent) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			err = <-done
		})
		return err
	}
	t.Cleanup(func() { stop() })
	return stop
}

// startAgent registers as paused, runs, and goes online.
func startAgent(t testing.TB, o AgentOptions) *Agent {
	t.Helper()
	a := newTestAgent(t, o)
	if err := a.Register(context.Background(), Paused); err != nil {
		t.Fatal(err)
	}
	runAgent(t, a)
	setState(t, a, Online)
	return a
}

func setState(t testing.TB, a *Agent, s State) {
	t.Helper()
	if err := a.SetState(context.Background(), s); err != nil {
		t.Fatal(err)
	}
}

func getRecord(t testing.TB, reg *Registry) Record {
	t.Helper()
	e, err := reg.Get(context.Background(), Pump, "p1")
	if err != nil {
		t.Fatal(err)
	}
	return e.Record
}

// order gives the next order or fails the test.
func order(t testing.TB, a *Agent) Instruction {
	t.Helper()
	select {
	case in := <-a.Orders():
		return in
	case <-time.After(time.Minute):
		t.Fatal("no order came")
		return Instruction{}
	}
}

func operator(t testing.TB, reg *Registry, s State) int64 {
	t.Helper()
	return operatorOf(t, reg, Pump, "p1", s)
}

// beats waits until the record has been written n times more.
func beats(t testing.TB, a *Agent, reg *Registry, n int) {
	t.Helper()
	for range n {
		last := getRecord(t, reg).UpdateTS
		eventually(t, "a heartbeat", func() bool { return getRecord(t, reg).UpdateTS > last })
	}
}

func TestAgentLife(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	old := Record{
		NodeID: "p1", Host: "elsewhere:1", State: Offline, Score: 9,
		Label: &Label{Labels: map[string]string{"zone": "z"}}, MaxCommitTS: 3, UpdateTS: 4,
	}
	mustPut(t, reg, Pump, old)
	maxTS := atomic.Int64{}
	o := agentOptions(reg)
	o.MaxCommitTS = func() TSO { return TSO(maxTS.Load()) }
	a := newTestAgent(t, o)
	if err := a.SetState(context.Background(), Online); err == nil {
		t.Error("a state before Register")
	}
	if err := a.Register(context.Background(), Paused); err != nil {
		t.Fatal(err)
	}
	r := getRecord(t, reg)
	if r.State != Paused || r.Host != "h1:8250" || r.Score != 9 || r.Label == nil || r.Label.Labels["zone"] != "z" || r.MaxCommitTS != 3 {
		t.Fatalf("claimed as %+v", r)
	}
	if age := time.Since(r.UpdateTS.Time()); age > time.Minute {
		t.Errorf("updateTS is %s old", age)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()

	setState(t, a, Online)
	maxTS.Store(1000)
	beats(t, a, reg, 2)
	if r := getRecord(t, reg); r.State != Online || r.MaxCommitTS != 1000 || r.Score != 9 {
		t.Fatalf("heartbeat wrote %+v", r)
	}
	if err := a.Healthy(); err != nil {
		t.Errorf("healthy: %v", err)
	}
	if err := a.SetState(ctx, Paused); err == nil {
		t.Error("online to paused without pausing")
	}
	setState(t, a, Pausing)
	if r := getRecord(t, reg); r.State != Pausing {
		t.Errorf("PD shows %s", r.State)
	}
	setState(t, a, Paused)
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	// Nothing is written after the final state, whatever an operator does.
	last := operator(t, reg, Offline)
	if err := a.SetState(ctx, Online); err == nil {
		t.Error("a state after the end")
	}
	got, err := reg.Get(ctx, Pump, "p1")
	if err != nil || got.ModRevision != last {
		t.Errorf("written after the end: %+v, %v", got, err)
	}
}

// Every row of the table for a node that is alive, by a write into its record: the order
// comes at once (the heartbeat is an hour away) and the record keeps what was written
// until the service acts.
func TestAgentObeysTheRecord(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	for _, own := range []State{Paused, Online, Pausing, Closing} {
		for _, found := range States() {
			t.Run(fmt.Sprintf("%s set to %s", own, found), func(t *testing.T) {
				if _, err := reg.client.Delete(context.Background(), Pump.Key("p1")); err != nil {
					t.Fatal(err)
				}
				o := agentOptions(reg)
				o.Heartbeat = time.Hour
				a := newTestAgent(t, o)
				if err := a.Register(context.Background(), Paused); err != nil {
					t.Fatal(err)
				}
				stop := runAgent(t, a)
				for _, s := range map[State][]State{Online: {Online}, Pausing: {Online, Pausing}, Closing: {Online, Closing}}[own] {
					setState(t, a, s)
				}
				rev := operator(t, reg, found)
				want := OrderFor(own, found)
				if want == NoOrder {
					// Its own state comes back; where it stands already there is nothing to see.
					eventually(t, "own state", func() bool { return getRecord(t, reg).State == own })
					stop()
					select {
					case in := <-a.Orders():
						t.Fatalf("an order: %+v", in)
					default:
					}
					return
				}
				if in := order(t, a); in != (Instruction{Order: want, Found: found, Revision: rev}) {
					t.Fatalf("order %+v, want %s", in, want)
				}
				if got, err := reg.Get(context.Background(), Pump, "p1"); err != nil || got.ModRevision != rev {
					t.Fatalf("written before anyone acted: %+v, %v", got, err)
				}
				next := map[Order]State{Pause: Pausing, Leave: Closing, Resume: Online, Abandon: Offline}[want]
				setState(t, a, next)
				if r := getRecord(t, reg); r.State != next {
					t.Fatalf("acted, and PD shows %s", r.State)
				}
			})
		}
	}
}

// Heartbeats go on while an order waits, and keep the operator's state.
func TestAgentKeepsAnOrderWhileItWaits(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	a := startAgent(t, agentOptions(reg))
	operator(t, reg, Paused)
	for range 5 {
		beats(t, a, reg, 1)
		if r := getRecord(t, reg); r.State != Paused {
			t.Fatalf("undone: %s", r.State)
		}
	}
	if in := order(t, a); in.Order != Pause {
		t.Fatalf("order %+v", in)
	}
	beats(t, a, reg, 2) // received, not acted upon
	if r := getRecord(t, reg); r.State != Paused {
		t.Fatalf("undone after it was received: %s", r.State)
	}
	// A later word replaces it; back to online, the service that has been told otherwise
	// is told to stay, and then there is nothing left to obey.
	operator(t, reg, Closing)
	if in := order(t, a); in.Order != Leave || in.Found != Closing {
		t.Fatalf("order %+v", in)
	}
	operator(t, reg, Online)
	if in := order(t, a); in.Order != Resume || in.Found != Online {
		t.Fatalf("order %+v", in)
	}
	beats(t, a, reg, 3)
	select {
	case in := <-a.Orders():
		t.Fatalf("an order: %+v", in)
	default:
	}
	if r := getRecord(t, reg); r.State != Online {
		t.Fatalf("PD shows %s", r.State)
	}
}

// An operator's write and the service's own change race. The operator's came first: the
// service meets the table. (Nothing looks at the record in between: Run is not running.)
func TestSetStateMeetsAnOperator(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	ctx := context.Background()
	for _, c := range []struct {
		path  []State // to where the service is
		found State   // what the operator wrote
		next  State   // what the service writes
		order Order   // NoOrder: it is written
	}{
		{[]State{Online}, Paused, Pausing, NoOrder},  // that is what was ordered
		{[]State{Online}, Pausing, Pausing, NoOrder}, // likewise
		{[]State{Online}, Closing, Pausing, Leave},   // a signal to pause, an order to leave: the order
		{[]State{Online}, Offline, Pausing, Leave},
		{[]State{Online}, Paused, Closing, Pause}, // asked to leave over HTTP, set to paused just before
		{[]State{Online}, Offline, Closing, NoOrder},
		{[]State{Online, Pausing}, Online, Paused, NoOrder}, // pausing: finishes, whatever it says
		{[]State{Online, Pausing}, Closing, Paused, NoOrder},
		{[]State{Online, Pausing}, Offline, Paused, NoOrder},
		{[]State{Online, Closing}, Online, Offline, Resume}, // cancelled just before the end
		{[]State{Online, Closing}, Paused, Offline, Pause},
		{[]State{Online, Closing}, Offline, Offline, NoOrder},
		{[]State{Online, Closing}, Offline, Online, Abandon}, // resumed, but then set to offline
		{nil, Offline, Online, Leave},                        // starting, but it shall not
		{nil, Online, Online, NoOrder},
	} {
		name := fmt.Sprintf("%v set to %s, wants %s", c.path, c.found, c.next)
		if _, err := reg.client.Delete(ctx, Pump.Key("p1")); err != nil {
			t.Fatal(err)
		}
		a := newTestAgent(t, agentOptions(reg))
		if err := a.Register(ctx, Paused); err != nil {
			t.Fatal(err)
		}
		for _, s := range c.path {
			setState(t, a, s)
		}
		operator(t, reg, c.found)
		err := a.SetState(ctx, c.next)
		if c.order == NoOrder {
			if r := getRecord(t, reg); err != nil || r.State != c.next {
				t.Errorf("%s: %v, PD shows %s", name, err, r.State)
			}
			continue
		}
		var ordered *OrderedError
		if !errors.As(err, &ordered) || ordered.Instruction.Order != c.order || ordered.Instruction.Found != c.found {
			t.Errorf("%s: %v, want an order to %s", name, err, c.order)
		}
		if r := getRecord(t, reg); r.State != c.found {
			t.Errorf("%s: overwritten with %s", name, r.State)
		}
		// The service knows now. If it cannot obey (a second signal), it says so again.
		if err := a.SetState(ctx, c.next); err != nil {
			t.Errorf("%s: refused twice: %v", name, err)
		}
	}
}

// An order that was withdrawn before anybody was told of it is none.
func TestAgentForgetsAnOrderNobodyWasTold(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	a := startAgent(t, agentOptions(reg))
	operator(t, reg, Paused)
	beats(t, a, reg, 2)
	operator(t, reg, Online)
	beats(t, a, reg, 3)
	select {
	case in := <-a.Orders():
		t.Fatalf("an order: %+v", in)
	default:
	}
	setState(t, a, Closing) // its own affair again
}

// An order is withdrawn while the service is on its way to obey it.
func TestAgentIsToldThatAnOrderIsWithdrawn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path         []State
		first, again State // what the operator writes
		stay         Order
	}{
		{nil, Closing, Online, Resume},
		{nil, Paused, Online, Resume},
		{[]State{Closing}, Online, Closing, Leave},
		{[]State{Closing}, Paused, Closing, Leave},
	} {
		t.Run(fmt.Sprintf("%s then %s", c.first, c.again), func(t *testing.T) {
			t.Parallel()
			e := startEtcd(t)
			reg := newTestRegistry(t, e.addr, 0)
			a := startAgent(t, agentOptions(reg))
			for _, s := range c.path {
				setState(t, a, s)
			}
			own := a.State()
			operator(t, reg, c.first)
			obeys := order(t, a).Order
			next := map[Order]State{Pause: Pausing, Leave: Closing, Resume: Online}[obeys]
			revision := operator(t, reg, c.again)
			eventually(t, "the agent has seen it", func() bool {
				got, err := reg.Get(context.Background(), Pump, "p1")
				return err == nil && got.ModRevision > revision // a heartbeat went over it
			})
			var ordered *OrderedError
			if err := a.SetState(context.Background(), next); !errors.As(err, &ordered) || ordered.Instruction.Order != c.stay {
				t.Fatalf("SetState(%s): %v, want an order to %s", next, err, c.stay)
			}
			if r := getRecord(t, reg); r.State != c.again {
				t.Fatalf("overwritten with %s", r.State)
			}
			if in := order(t, a); in.Order != c.stay || a.State() != own {
				t.Fatalf("order %+v in state %s", in, a.State())
			}
			// It stayed; what it does later is its own affair.
			setState(t, a, next)
		})
	}
}

// A service that goes its way against an order which it knows is given the order that
// the table has for where it has gone.
func TestAgentRepeatsAnOrderThatWasPassedOver(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	a := startAgent(t, agentOptions(reg))
	operator(t, reg, Closing)
	if in := order(t, a); in.Order != Leave {
		t.Fatalf("order %+v", in)
	}
	operator(t, reg, Online)
	var ordered *OrderedError
	if err := a.SetState(context.Background(), Closing); !errors.As(err, &ordered) || ordered.Instruction.Order != Resume {
		t.Fatalf("SetState(closing): %v", err)
	}
	setState(t, a, Closing)
	if in := order(t, a); in.Order != Resume || in.Found != Online {
		t.Fatalf("order %+v", in)
	}
	setState(t, a, Online)
	if r := getRecord(t, reg); r.State != Online {
		t.Fatalf("PD shows %s", r.State)
	}
}

func TestRegisterRefusesASecondProcess(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	ctx := context.Background()
	clock := new(testTSO)
	write := func(host string, s State, age time.Duration) {
		t.Helper()
		raw, err := EncodeRecord(Record{NodeID: "p1", Host: host, State: s, UpdateTS: MakeTSO(time.Now().Add(-age), 0)})
		if err != nil {
			t.Fatal(err)
		}
		put(t, reg.client, Pump.Key("p1"), string(raw))
	}
	for _, c := range []struct {
		host string
		s    State
		age  time.Duration
		held bool
	}{
		{"h2:8250", Online, 0, true},
		{"h2:8250", Online, 4 * time.Second, true},
		{"h2:8250", Pausing, 0, true},
		{"h2:8250", Closing, 0, true},
		{"h2:8250", Online, -time.Minute, true}, // a clock that went back: rather refuse
		{"h2:8250", Online, 7 * time.Second, false},
		{"h2:8250", Paused, 0, false},
		{"h2:8250", Offline, 0, false},
		{"h1:8250", Online, 0, false}, // itself, after kill -9
	} {
		write(c.host, c.s, c.age)
		o := agentOptions(reg)
		o.Heartbeat, o.TSO = 2*time.Second, clock.get
		err := newTestAgent(t, o).Register(ctx, Paused)
		var held *HeldError
		if errors.As(err, &held) != c.held || (err != nil) != c.held {
			t.Errorf("%+v: %v", c, err)
		}
		if c.held && (!strings.Contains(err.Error(), "h2:8250") || getRecord(t, reg).Host != "h2:8250") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	t.Run("by PD's clock", func(t *testing.T) {
		write("h2:8250", Online, time.Hour)
		o := agentOptions(reg)
		o.Heartbeat = 2 * time.Second
		o.TSO = func(context.Context) (TSO, error) { return MakeTSO(time.Now().Add(-time.Hour), 0), nil }
		var held *HeldError
		if err := newTestAgent(t, o).Register(ctx, Paused); !errors.As(err, &held) {
			t.Errorf("an hour old here, fresh for PD: %v", err)
		}
	})
	t.Run("without a TSO", func(t *testing.T) {
		o := agentOptions(reg)
		o.TSO = func(context.Context) (TSO, error) { return 0, errors.New("no leader") }
		if err := newTestAgent(t, o).Register(ctx, Paused); err == nil || !strings.Contains(err.Error(), e.addr) {
			t.Errorf("%v", err)
		}
	})
	t.Run("over a broken record", func(t *testing.T) {
		put(t, reg.client, Pump.Key("p1"), "garbage")
		if err := newTestAgent(t, agentOptions(reg)).Register(ctx, Paused); err != nil {
			t.Errorf("%v", err)
		}
	})
}

// Two processes start with one node ID at the same time: both may pass the first look,
// but only one survives.
func TestOneOfTwoProcessesSurvives(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	clock := new(testTSO)
	results := make(chan error, 2)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := range 2 {
		o := agentOptions(reg)
		o.Host, o.TSO = fmt.Sprintf("h%d:8250", i), clock.get
		a := newTestAgent(t, o)
		wg.Go(func() {
			err := a.Register(ctx, Paused)
			if err == nil {
				err = a.SetState(ctx, Online)
			}
			if err == nil {
				err = a.Run(ctx)
			}
			results <- err
		})
	}
	var held *HeldError
	if err := <-results; !errors.As(err, &held) {
		t.Fatalf("the first to end: %v, want a HeldError", err)
	}
	survivor := held.Host
	last := getRecord(t, reg).UpdateTS
	eventually(t, "the other one goes on", func() bool { return getRecord(t, reg).UpdateTS > last })
	if r := getRecord(t, reg); r.Host != survivor || r.State != Online {
		t.Errorf("PD shows %+v, want %s online", r, survivor)
	}
	cancel()
	if err := <-results; err != nil {
		t.Errorf("the survivor: %v", err)
	}
	wg.Wait()
}

func TestAgentMendsItsRecord(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	log, hook := test.NewNullLogger()
	o := agentOptions(reg)
	o.Logger = log
	a := startAgent(t, o)
	loud := func() (n int) {
		for _, entry := range hook.AllEntries() {
			if entry.Level == logrus.ErrorLevel {
				n++
			}
		}
		return n
	}
	for i, harm := range []func(){
		func() { reg.client.Delete(context.Background(), Pump.Key("p1")) },
		func() { put(t, reg.client, Pump.Key("p1"), "garbage") },
	} {
		harm()
		eventually(t, "the record is back", func() bool {
			e, err := reg.Get(context.Background(), Pump, "p1")
			return err == nil && e.Record.State == Online && e.Record.Host == "h1:8250"
		})
		eventually(t, "it is said", func() bool { return loud() > i })
	}
	// A label given by a deployment tool stays.
	rec := getRecord(t, reg)
	rec.Label = &Label{Labels: map[string]string{"k": "v"}}
	raw, _ := EncodeRecord(rec)
	put(t, reg.client, Pump.Key("p1"), string(raw))
	beats(t, a, reg, 3)
	if r := getRecord(t, reg); r.Label == nil || r.Label.Labels["k"] != "v" {
		t.Errorf("the label is gone: %+v", r)
	}
}

// PD is away for many heartbeats: one line at the start, one at the end, and a change of
// state asked for in between arrives.
func TestAgentThroughAnOutage(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	g := newGate(t, e.addr)
	direct := newTestRegistry(t, e.addr, 0)
	log, hook := test.NewNullLogger()
	o := agentOptions(newTestRegistry(t, g.addr(), time.Second))
	o.Logger = log
	a := startAgent(t, o)
	beats(t, a, direct, 1)
	hook.Reset()

	g.sever()
	eventually(t, "it is unhealthy", func() bool { return a.Healthy() != nil })
	written := getRecord(t, direct)
	done := make(chan error, 1)
	go func() { done <- a.SetState(context.Background(), Pausing) }()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if err := a.SetState(ctx, Closing); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a state while PD is away: %v", err)
	}
	if now := getRecord(t, direct); !reflect.DeepEqual(now, written) {
		t.Errorf("written while PD is away: %+v, was %+v", now, written)
	}
	operator(t, direct, Pausing) // the order that fits what is being done
	g.pass()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if r := getRecord(t, direct); r.State != Pausing {
		t.Errorf("PD shows %s", r.State)
	}
	beats(t, a, direct, 2)
	eventually(t, "it is healthy", func() bool { return a.Healthy() == nil })
	var warnings, ends int
	for _, entry := range hook.AllEntries() {
		if strings.Contains(entry.Message, "cannot be written: over") {
			ends++
		} else if strings.Contains(entry.Message, "cannot be written") {
			warnings++
		}
	}
	if warnings != 1 || ends != 1 {
		t.Errorf("the outage was logged %d times at its start and %d at its end", warnings, ends)
	}
}

// TestAgentUpdateTSGrows: no two writes of an agent are alike, whatever PD's clock says, so that what PD holds tells which
// of them it was when an answer is lost.
func TestAgentUpdateTSGrows(t *testing.T) {
	t.Parallel()
	reg := newTestRegistry(t, startEtcd(t).addr, 0)
	o := agentOptions(reg)
	o.TSO = func(context.Context) (TSO, error) { return 1000, nil }
	a := newTestAgent(t, o)
	if err := a.Register(t.Context(), Paused); err != nil {
		t.Fatal(err)
	}
	runAgent(t, a)
	last := getRecord(t, reg).UpdateTS
	for _, s := range []State{Online, Pausing, Paused} {
		setState(t, a, s)
		if got := getRecord(t, reg).UpdateTS; got <= last {
			t.Errorf("the update TS of %s is %s after %s", s, got, last)
		} else {
			last = got
		}
	}
}

func TestAgentWithoutTSO(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	clock := new(testTSO)
	o := agentOptions(reg)
	o.TSO = clock.get
	a := startAgent(t, o)
	clock.fail.Store(true)
	eventually(t, "it is unhealthy", func() bool { return a.Healthy() != nil })
	before := getRecord(t, reg).UpdateTS
	eventually(t, "the record is kept fresh", func() bool {
		return getRecord(t, reg).UpdateTS.Time().Sub(before.Time()) > 5*testBeat
	})
	setState(t, a, Pausing)
	if r := getRecord(t, reg); r.State != Pausing || time.Since(r.UpdateTS.Time()).Abs() > time.Minute {
		t.Errorf("PD shows %+v", r)
	}
	clock.fail.Store(false)
	eventually(t, "it is healthy", func() bool { return a.Healthy() == nil })
}

// Two consoles write one record, each a thousand times, while its agent heartbeats. PD's
// history must show every one of their writes exactly once, and no write of the agent
// that changes a state: none lost, none undone.
func TestNoWriteIsLostOrUndone(t *testing.T) {
	t.Parallel()
	rounds := 1000
	if raceEnabled {
		rounds = 200
	}
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	o := agentOptions(newTestRegistry(t, e.addr, 0))
	o.Heartbeat = time.Millisecond
	a := startAgent(t, o)
	ctx := context.Background()
	start, err := reg.Get(ctx, Pump, "p1")
	if err != nil {
		t.Fatal(err)
	}
	wctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := reg.client.Watch(wctx, Pump.Key("p1"), clientv3.WithRev(start.ModRevision+1))

	var mu sync.Mutex
	wrote := map[int64]State{}
	var wg sync.WaitGroup
	for w := range 2 {
		console := newTestRegistry(t, e.addr, 30*time.Second)
		wg.Go(func() {
			for range rounds {
				s := []State{Online, Paused, Pausing, Closing, Offline}[rand.IntN(5)]
				_, rev, err := console.SetState(ctx, Pump, "p1", s, nil)
				if err != nil {
					t.Errorf("console %d: %v", w, err)
					return
				}
				mu.Lock()
				if _, twice := wrote[rev]; twice {
					t.Errorf("two consoles were told revision %d", rev)
				}
				wrote[rev] = s
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	// The consoles are done; the last word stands until the service acts.
	end := getRecord(t, reg)
	beats(t, a, reg, 3)
	if r := getRecord(t, reg); r.State != end.State {
		t.Errorf("the last word %s became %s", end.State, r.State)
	}
	last, err := reg.Get(ctx, Pump, "p1")
	if err != nil {
		t.Fatal(err)
	}

	state, agentWrites := start.Record.State, 0
	for at := start.ModRevision; at < last.ModRevision; {
		resp, ok := <-watch
		if !ok || resp.Err() != nil {
			t.Fatalf("watch: %v", resp.Err())
		}
		for _, ev := range resp.Events {
			at = ev.Kv.ModRevision
			var r Record
			if err := json.Unmarshal(ev.Kv.Value, &r); err != nil {
				t.Fatal(err)
			}
			want, byConsole := wrote[at]
			switch {
			case byConsole && r.State != want:
				t.Fatalf("revision %d holds %s, the console wrote %s", at, r.State, want)
			case !byConsole && r.State != state:
				t.Fatalf("the agent undid %s with %s at revision %d", state, r.State, at)
			case !byConsole:
				agentWrites++
			}
			delete(wrote, at)
			state = r.State
		}
	}
	if len(wrote) != 0 {
		t.Errorf("%d writes are not in PD's history", len(wrote))
	}
	t.Logf("%d writes of the consoles, %d of the agent", 2*rounds, agentWrites)
	if agentWrites < 3 {
		t.Error("the agent hardly took part")
	}
}

func TestNewAgentRefuses(t *testing.T) {
	reg := &Registry{}
	good := agentOptions(reg)
	for name, spoil := range map[string]func(*AgentOptions){
		"node ID":  func(o *AgentOptions) { o.NodeID = "a/b" },
		"address":  func(o *AgentOptions) { o.Host = "" },
		"registry": func(o *AgentOptions) { o.Registry = nil },
		"TSO":      func(o *AgentOptions) { o.TSO = nil },
	} {
		o := good
		spoil(&o)
		if _, err := NewAgent(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// A heartbeat does not ask PD for the time again that the node has just asked for.
func TestHeartbeatTakesTheTimeJustAskedFor(t *testing.T) {
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	o := agentOptions(reg)
	var asked int
	now, ts := time.Unix(1_700_000_000, 0), MakeTSO(time.Unix(1_700_000_000, 0), 0)
	var fails error
	o.Now = func() time.Time { return now }
	o.TSO = func(context.Context) (TSO, error) { asked++; ts++; return ts, fails }
	o.Heartbeat = 2 * time.Second
	a := newTestAgent(t, o)
	if err := a.Register(t.Context(), Paused); err != nil {
		t.Fatal(err)
	}
	beat := func(calls int, want TSO, when string) {
		t.Helper()
		before := asked
		a.beat(t.Context())
		if got := getRecord(t, reg).UpdateTS; asked-before != calls || got != want {
			t.Errorf("%s: asked PD %d times, the record is of %s; want %d and %s", when, asked-before, got, calls, want)
		}
	}
	a.AskClock(t.Context())
	at := ts
	now = now.Add(time.Second)
	beat(0, at+TSO(1000<<logicalBits), "a second later")
	now = now.Add(time.Second)
	ts = MakeTSO(now, 0)
	beat(1, ts+1, "two seconds later")
	fails = errors.New("no TSO today")
	a.AskClock(t.Context())
	fails = nil
	beat(1, ts+1, "when PD gave none")
	if err := a.Healthy(); err != nil {
		t.Errorf("after PD has given one again: %v", err)
	}
}
