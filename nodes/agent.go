package nodes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/logs"
)

// DefaultHeartbeat is how often a live service writes its record.
const DefaultHeartbeat = 2 * time.Second

// AgentOptions say who the agent is and what it works with.
type AgentOptions struct {
	Kind      Kind
	NodeID    string
	Host      string        // advertised host:port, without scheme
	Heartbeat time.Duration // default [DefaultHeartbeat]
	Registry  *Registry
	// TSO asks PD for a timestamp. While it fails, the agent goes on with the last one
	// plus the time that has passed.
	TSO func(ctx context.Context) (TSO, error)
	// MaxCommitTS is what goes into the record's field of that name; 0 or nil: keep what
	// the record says.
	MaxCommitTS func() TSO
	// Succeeds are addresses of processes whose place this one has: a record with one of them is not another live process's.
	Succeeds []string
	Logger   logrus.FieldLogger // default: none
	Now      func() time.Time   // default time.Now
}

// Instruction is an order that somebody gave by writing the node's record.
type Instruction struct {
	Order    Order
	Found    State // what the record was set to
	Revision int64 // of that write, as far as known
}

// Agent keeps the record of one live service: it claims it, refreshes it, writes every
// change of state at once, and hands over what somebody else orders through it. It is
// the only writer of its record among the services.
//
// What it guarantees, and how races come out:
//
//   - Every write is a compare-and-set. When it fails, or the watch on the key shows a
//     foreign write, the record is read and judged by [OrderFor] against the state the
//     service was in at that time. So of an operator's write and the service's own change
//     of state the one that reached PD first wins, and the other meets the table:
//     `paused` written just before the agent's `closing` makes an online node pause
//     (OrderedError, order Pause); written just after, it makes a closing node stop
//     waiting and pause. `closing` just before `pausing`: the node goes offline; just
//     after: it finishes pausing.
//   - An order is on the channel until it is received. Until the service has acted on it,
//     heartbeats keep the state that the operator wrote, so nobody's write is undone
//     while it waits. A newer foreign write replaces an order that was not received yet:
//     the record is the truth, and only its last word counts. So `paused` followed by
//     `online` before anyone was told is no order at all. When the service was told, but
//     has not written its new state yet, setting the record back orders it to stay what
//     it is: Resume for one that is online, Leave for one that is closing.
//   - [Agent.SetState] refuses once, with an [*OrderedError], to write a state that does
//     not carry out an order which the service has not seen. Afterwards the service knows
//     and decides: the same call again writes, and if the table has an order for its new
//     state, that is given next. An order that the new state carries out is taken as seen.
//   - The updateTS is the identity of a write: whoever changes the state keeps it. So when the
//     answer to a change of state was lost and somebody wrote over it, the agent sees that PD had
//     taken it. Then it is not written again: the service is in the new state, and the other
//     write is judged against that; after the final state it is for the next process.
//   - Where the table has no order (above all while pausing) the agent writes its own
//     state again, and says so in the log, so that the write is not undone silently.
//   - A record that was deleted is made again at the next heartbeat, one that was
//     overwritten with what is no record too; both are logged as errors.
//   - A record that another process has claimed ends the agent with a [*HeldError].
//     A claim is told from an operator's edit by a foreign address with a newer updateTS.
//   - After the final state (paused or offline by SetState) it never writes again.
//
// Use: NewAgent, Register, then Run in a goroutine, SetState as the service's life goes
// on, the final SetState after all its threads have ended.
type Agent struct {
	opts   AgentOptions
	log    logrus.FieldLogger
	orders chan Instruction
	wake   chan struct{} // pending changed
	over   chan struct{} // closed when the agent has written for the last time
	turn   chan struct{} // capacity 1: held by who writes or judges the record

	// Guarded by turn.
	claimed  bool
	revision int64    // mod revision of the record as last known; 0 = there is none
	shown    State    // state in the record: own, or an order's until it is acted upon
	written  TSO      // updateTS of the last write that PD is known to have taken
	issued   TSO      // updateTS last used in an attempt: each is used once
	label    *Label   // kept as found
	score    int64    // kept as found
	maxTS    TSO      // maxCommitTS last written or found
	attempts []Record // the last writes without an answer: PD may have taken one
	tso      TSO      // last one from PD …
	tsoAt    time.Time
	before   *Entry // what stood there before it was claimed; nil: no record
	loan     loan   // of the record of a first start

	mu        sync.Mutex
	own       State        // the state the service is in
	pending   *Instruction // not acted upon
	received  bool         // pending went through the channel
	seen      bool         // pending is known to the service, by the channel or an error
	told      bool         // since it wrote its state the service was told to go elsewhere
	tentative bool         // pending takes back an order that may just be on its way
	ended     bool         // over is closed
	fatal     error        // why, if not by a final state
	skew      time.Duration
	asked     TSO // what AskClock got last …
	askedAt   time.Time
	outage    trouble // of writes to PD
	noTSO     trouble
}

// NewAgent checks the options. It does not touch PD.
func NewAgent(o AgentOptions) (*Agent, error) {
	if err := ValidateNodeID(o.NodeID); err != nil {
		return nil, err
	}
	switch {
	case o.Host == "":
		return nil, fmt.Errorf("%s %s advertises no address (-advertise-addr)", o.Kind, o.NodeID)
	case o.Registry == nil || o.TSO == nil:
		return nil, errors.New("an agent needs a registry and a source of TSOs")
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = DefaultHeartbeat
	}
	o.Logger = logs.OrSilent(o.Logger)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Agent{
		opts:   o,
		log:    o.Logger.WithField("kind", o.Kind.String()).WithField("node", o.NodeID),
		orders: make(chan Instruction),
		wake:   make(chan struct{}, 1),
		over:   make(chan struct{}),
		turn:   make(chan struct{}, 1),
	}, nil
}

// Orders delivers what somebody orders by writing the record. An order may be told
// twice (also by an [*OrderedError]); obeying it again must do no harm. The channel is
// never closed; it delivers while Run runs.
func (a *Agent) Orders() <-chan Instruction { return a.orders }

// State is the state the service is in, as Register or SetState wrote it last.
func (a *Agent) State() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.own
}

// Skew is by how much this machine's clock is ahead of PD's, negative if it is slower, as of the last
// timestamp. What PD takes to answer counts as ahead: at most half a heartbeat.
func (a *Agent) Skew() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.skew
}

// AskClock asks PD for a timestamp and notes what comes of it, for [Agent.Skew] and [Agent.Healthy], which otherwise learn it from
// heartbeats. The next heartbeat does not ask again.
func (a *Agent) AskClock(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, a.opts.Heartbeat/2)
	defer cancel()
	ts, err := a.opts.TSO(bounded)
	at := a.opts.Now()
	if err == nil {
		a.compareClock(ts, at)
	}
	if ctx.Err() == nil {
		a.note(&a.noTSO, "PD gives no TSO", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked, a.askedAt = ts, at
	if err != nil {
		a.asked = 0
	}
}

// justAsked is the time by what AskClock got less than a heartbeat ago; 0: it got nothing.
func (a *Agent) justAsked() TSO {
	a.mu.Lock()
	defer a.mu.Unlock()
	passed := a.opts.Now().Sub(a.askedAt)
	if a.asked == 0 || passed > a.opts.Heartbeat*3/4 {
		return 0
	}
	return later(a.asked, passed)
}

// later is the TSO that PD gives after ts when some time has passed, but for the counter within the millisecond.
func later(ts TSO, passed time.Duration) TSO { return ts + TSO(passed.Milliseconds()<<logicalBits) }

func (a *Agent) compareClock(ts TSO, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.skew = at.Sub(ts.Time())
}

// Healthy is nil while the record in PD is kept fresh with timestamps from PD, else it
// says since when and why it is not.
func (a *Agent) Healthy() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fatal != nil {
		return a.fatal
	}
	return errors.Join(a.outage.err("the record cannot be written"), a.noTSO.err("PD gives no TSO"))
}

// Run refreshes the record at every heartbeat and hands over orders, until ctx ends or
// the final state is written (nil), or another process has claimed the node ID (a
// [*HeldError]: the service must stop at once).
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { a.watch(ctx) })
	wg.Go(func() { a.deliver(ctx) })
	tick := time.NewTicker(a.opts.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.beat(ctx)
		case <-ctx.Done():
			return nil
		case <-a.over:
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.fatal
		}
	}
}

// deliver puts the pending order on the channel until it is received.
func (a *Agent) deliver(ctx context.Context) {
	for {
		var out chan<- Instruction
		var next Instruction
		a.mu.Lock()
		if a.pending != nil && !a.received {
			out, next = a.orders, *a.pending
		}
		a.mu.Unlock()
		select {
		case out <- next:
			a.markReceived(next)
		case <-a.wake:
			a.notReceived()
		case <-ctx.Done():
			return
		}
	}
}

func (a *Agent) markReceived(in Instruction) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// An order to stay what it is ends with its receipt; any other one with the new state.
	stay := in.Order.FulfilledBy(a.own)
	a.told = !stay
	switch same := a.pending != nil && *a.pending == in; {
	case same && stay:
		a.pending = nil
	case same:
		a.received, a.seen = true, true
	}
}

// notReceived drops an order that only takes back one which, as is clear now, was never
// handed over. The caller is the one who hands over.
func (a *Agent) notReceived() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tentative && !a.told {
		a.pending = nil
	}
	a.tentative = false
}

// takeBack replaces the order that waits by nothing, because the record says again what
// the service is; or by an order to stay so, if the service may have been told already.
func (a *Agent) takeBack(e Entry) {
	a.mu.Lock()
	told, handing := a.told, a.pending != nil
	a.mu.Unlock()
	order := stayOrder(e.Record.State)
	if order == NoOrder || !told && !handing {
		a.setPending(nil)
		return
	}
	a.replacePending(&Instruction{Order: order, Found: e.Record.State, Revision: e.ModRevision}, !told)
}

// setPending replaces the order that waits; nil withdraws it.
func (a *Agent) setPending(in *Instruction) { a.replacePending(in, false) }

func (a *Agent) replacePending(in *Instruction, tentative bool) {
	a.mu.Lock()
	a.pending, a.received, a.seen, a.tentative = in, false, false, tentative
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// take waits for the turn to touch the record; false means that ctx ended first.
func (a *Agent) take(ctx context.Context) bool {
	select {
	case a.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *Agent) release() { <-a.turn }

// end stops the agent for good; err is nil after a final state.
func (a *Agent) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.ended, a.fatal = true, err
		a.loan.stop()
		close(a.over)
	}
}

// trouble remembers one outage, so that it is logged at its two ends and now and then between.
type trouble struct {
	since    time.Time
	cause    error
	failures logs.Repeated
}

func (t *trouble) err(what string) error {
	if t.cause == nil {
		return nil
	}
	return fmt.Errorf("%s since %s: %w", what, t.since.Format(time.RFC3339), t.cause)
}

// note records how an attempt ended and logs the first failure, now and then further ones, and the
// first success after them.
func (a *Agent) note(t *trouble, what string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch now := a.opts.Now(); {
	case err != nil:
		if t.cause == nil {
			t.since = now
		}
		t.cause = err
		if n := t.failures.Again(); n > 0 {
			a.log.WithError(err).WithField("times", n).Warn(what + ": going on, and retrying at every heartbeat")
		}
	case t.cause != nil:
		a.log.WithField("after", now.Sub(t.since).Round(time.Millisecond).String()).WithField("times", t.failures.Over()).Info(what + ": over")
		t.since, t.cause = time.Time{}, nil
	}
}
