package nodes

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestLostAnswers: after an attempt without an answer an operation is found to be done or
// not, by its identity, and what somebody else wrote meanwhile stands.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	addr := startEtcd(t).addr
	straight := newTestRegistry(t, addr, 0)
	ctx := context.Background()

	be := func(id string, s State) func() {
		return func() {
			if _, _, err := straight.SetState(ctx, Pump, id, s, nil); err != nil {
				t.Error(err)
			}
		}
	}
	drop := func(id string) func() {
		return func() {
			if _, _, err := straight.Drop(ctx, Pump, id, nil); err != nil {
				t.Error(err)
			}
		}
	}
	beat := func(id string, s State) func() { // the node itself writes
		return func() {
			e, err := straight.Get(ctx, Pump, id)
			if err != nil && !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
			r := testRecord(id, s)
			r.UpdateTS = e.Record.UpdateTS + 1
			if _, err := straight.Put(ctx, Pump, r, e.ModRevision); err != nil {
				t.Error(err)
			}
		}
	}
	all := func(steps ...func()) func() {
		return func() {
			for _, f := range steps {
				f()
			}
		}
	}
	toPaused := func(r *Registry, id string) error {
		_, _, err := r.SetState(ctx, Pump, id, Paused, nil)
		return err
	}
	remove := func(r *Registry, id string) error {
		_, _, err := r.Drop(ctx, Pump, id, nil)
		return err
	}
	var notDone *NotDoneError
	done := func(err error) bool { return err == nil }
	isNotDone := func(err error) bool { return errors.As(err, &notDone) }
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }

	for id, c := range map[string]struct {
		from  State
		do    func(*Registry, string) error
		fault fault
		then  func(id string) func()
		want  func(error) bool
		left  State // "" = no record
	}{
		"repeated":           {Online, toPaused, lostRequest, nil, done, Paused},
		"done":               {Online, toPaused, lostAnswer, nil, done, Paused},
		"done-then-other":    {Online, toPaused, lostAnswer, func(id string) func() { return be(id, Closing) }, done, Closing},
		"done-then-same":     {Online, toPaused, lostAnswer, func(id string) func() { return be(id, Paused) }, done, Paused},
		"done-then-beat":     {Online, toPaused, lostAnswer, func(id string) func() { return beat(id, Paused) }, done, Paused},
		"done-then-gone":     {Online, toPaused, lostAnswer, func(id string) func() { return all(be(id, Offline), drop(id)) }, done, ""},
		"done-then-anew":     {Online, toPaused, lostAnswer, func(id string) func() { return all(be(id, Offline), drop(id), beat(id, Online)) }, done, Online},
		"other":              {Online, toPaused, lostRequest, func(id string) func() { return be(id, Closing) }, isNotDone, Closing},
		"other-writes-same":  {Online, toPaused, lostRequest, func(id string) func() { return be(id, Paused) }, isNotDone, Paused},
		"only-a-beat":        {Online, toPaused, lostRequest, func(id string) func() { return beat(id, Online) }, done, Paused},
		"gone":               {Offline, toPaused, lostRequest, func(id string) func() { return drop(id) }, is(ErrNotFound), ""},
		"dropped":            {Offline, remove, lostAnswer, nil, done, ""},
		"dropped-then-anew":  {Offline, remove, lostAnswer, func(id string) func() { return beat(id, Online) }, done, Online},
		"dropped-by-other":   {Offline, remove, lostRequest, func(id string) func() { return drop(id) }, is(ErrNotFound), ""},
		"not-dropped":        {Offline, remove, lostRequest, func(id string) func() { return be(id, Online) }, isNotDone, Online},
		"dropped-and-refill": {Offline, remove, lostRequest, func(id string) func() { return all(drop(id), beat(id, Offline)) }, done, ""},
	} {
		t.Run(id, func(t *testing.T) {
			mustPut(t, straight, Pump, testRecord(id, c.from))
			first := step{fault: c.fault}
			if c.then != nil {
				first.then = c.then(id)
			}
			reg := faulty(t, []string{addr}, 10*time.Second, script(first))
			if err := c.do(reg, id); !c.want(err) {
				t.Errorf("the answer is %v", err)
			}
			e, err := straight.Get(ctx, Pump, id)
			if e.Record.State != c.left || (c.left == "") != errors.Is(err, ErrNotFound) {
				t.Errorf("the record says %q (%v), want %q", e.Record.State, err, c.left)
			}
		})
	}

	t.Run("the error names state and cure", func(t *testing.T) {
		mustPut(t, straight, Pump, testRecord("text", Online))
		reg := faulty(t, []string{addr}, 10*time.Second, script(step{lostRequest, be("text", Closing)}))
		_, _, err := reg.SetState(ctx, Pump, "text", Paused, nil)
		for _, part := range []string{"set pump text to paused: not done", "closing", "repeat"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%v lacks %q", err, part)
			}
		}
	})
	t.Run("a refusal after an answer that was lost", func(t *testing.T) {
		mustPut(t, straight, Pump, testRecord("refused", Online))
		reg := faulty(t, []string{addr}, 10*time.Second, script(step{fault: lostAnswer}, step{fault: refused}))
		var pd *PDError
		if _, _, err := reg.SetState(ctx, Pump, "refused", Paused, nil); !errors.As(err, &pd) || !pd.Unknown {
			t.Errorf("PD may have taken it, but the answer is %v", err)
		}
		if _, _, err := faulty(t, []string{addr}, 0, script(step{fault: refused})).SetState(ctx, Pump, "refused", Paused, nil); !errors.As(err, &pd) || pd.Unknown {
			t.Errorf("PD has refused it, but the answer is %v", err)
		}
	})
	t.Run("the events were deleted", func(t *testing.T) {
		rev := mustPut(t, straight, Pump, testRecord("trimmed", Online))
		trim := func() {
			put(t, straight.client, TrimmedKey, PadRevision(rev+1))
			if _, err := straight.client.Delete(ctx, EventKey(Pump, "trimmed", rev)); err != nil {
				t.Error(err)
			}
		}
		reg := faulty(t, []string{addr}, 10*time.Second, script(step{lostAnswer, all(be("trimmed", Closing), trim)}))
		var pd *PDError
		if _, _, err := reg.SetState(ctx, Pump, "trimmed", Paused, nil); !errors.As(err, &pd) || !pd.Unknown || !errors.Is(err, errTrimmed) {
			t.Errorf("nobody can know, but the answer is %v", err)
		}
	})
}

// TestPutAfterALostAnswer: a node's own write is told from anybody else's.
func TestPutAfterALostAnswer(t *testing.T) {
	t.Parallel()
	addr := startEtcd(t).addr
	straight := newTestRegistry(t, addr, 0)
	ctx := context.Background()
	rev := mustPut(t, straight, Pump, testRecord("p", Online))
	other := testRecord("p", Closing)
	other.UpdateTS++
	reg := faulty(t, []string{addr}, 10*time.Second, script(step{lostRequest, func() {
		if _, err := straight.Put(ctx, Pump, other, rev); err != nil {
			t.Error(err)
		}
	}}))
	mine := testRecord("p", Closing)
	mine.UpdateTS += 2
	var c *ConflictError
	if _, err := reg.Put(ctx, Pump, mine, rev); !errors.As(err, &c) || c.Found == nil || c.Found.Record != other {
		t.Errorf("somebody else's record counts as written: %v", err)
	}
}

// TestAgentKnowsItsLostWrite: an operator writes over a change of state whose answer the
// agent did not get. The final state has been written, so the operator's word stands; in any
// other the service hears it in the state that it is in.
func TestAgentKnowsItsLostWrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		to, operator State
		fault        fault
		left         State
		order        Order
	}{
		{Paused, Online, lostAnswer, Online, NoOrder},    // the process ends; the next one reads online
		{Paused, Online, lostRequest, Paused, NoOrder},   // pausing, which nothing stops
		{Closing, Paused, lostAnswer, Paused, Pause},     // a closing node stops waiting
		{Closing, Online, lostAnswer, Online, Resume},    // and this one is to go on
		{Closing, Online, lostRequest, Closing, NoOrder}, // the state that it had all along
	} {
		t.Run(string(c.to)+" "+string(c.operator), func(t *testing.T) {
			t.Parallel()
			addr := startEtcd(t).addr
			straight := newTestRegistry(t, addr, 0)
			armed := make(chan step, 1)
			var pending func()
			reg := faulty(t, []string{addr}, 10*time.Second, func() fault {
				if pending != nil {
					pending()
					pending = nil
				}
				select {
				case s := <-armed:
					pending = s.then
					return s.fault
				default:
					return noFault
				}
			})
			o := agentOptions(reg)
			o.Heartbeat = time.Hour // only changes of state write
			a := newTestAgent(t, o)
			if err := a.Register(t.Context(), Online); err != nil {
				t.Fatal(err)
			}
			if c.to == Paused {
				setState(t, a, Pausing)
			}
			armed <- step{c.fault, func() { operator(t, straight, c.operator) }}
			setState(t, a, c.to)
			if got := getRecord(t, straight).State; got != c.left {
				t.Errorf("the record says %s, want %s", got, c.left)
			}
			if got := a.State(); got != c.to {
				t.Errorf("the service is %s", got)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			got := NoOrder
			if a.pending != nil {
				got = a.pending.Order
			}
			if got != c.order {
				t.Errorf("the order is %s, want %s", got, c.order)
			}
		})
	}
}
