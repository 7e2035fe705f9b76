// Package life is the life of a node as pumps and drainers have it alike: its options and the steps of its start ([Node]), how
// signals, HTTP and itself end the start or the work ([Life]), what it writes of its state and of its end to PD, the problems that it
// looks for meanwhile ([Health]), and what its program does around it ([Program]). What a node does in each of its states is its own:
// pump/lifecycle.go and drainer/lifecycle.go.
package life

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"pumphouse/nodes"
)

// Life is what others have of a node's life: they give it orders, hurry it, and wait for its
// end. The node's own part, its states, takes the orders from Requests; [Node.Live] says when it takes
// no more, and [Node.End] when all is over.
type Life struct {
	// Leaving: the node pauses or goes offline; one more signal means hurry.
	Leaving atomic.Bool
	// Signalled: the node ends by a signal (or Close), not by an order.
	Signalled atomic.Bool
	// Hurried is done when the node must not wait for anything; HurryUp brings that about.
	Hurried context.Context
	HurryUp context.CancelFunc

	kind     nodes.Kind
	state    func() nodes.State
	starting atomic.Pointer[context.CancelCauseFunc] // ends the start that is under way
	begun    atomic.Bool                             // by Begin, or by a Close that came before it
	requests chan Request
	stopping chan struct{} // closed by takeNoMore
	ended    chan struct{} // closed by End
	err      error         // why it ended, valid after that
}

// newLife is for a node whose state says whether it takes orders: while it is online. state
// is "" before the node has one.
func newLife(kind nodes.Kind, state func() nodes.State) *Life {
	l := &Life{kind: kind, state: state, requests: make(chan Request), stopping: make(chan struct{}), ended: make(chan struct{})}
	l.Hurried, l.HurryUp = context.WithCancel(context.Background())
	return l
}

// errOrdered says that an order ended the start.
var errOrdered = errors.New("ordered to pause while it was starting")

// Start gives the context of the node's start, which an order to pause ends as well. over is called when the start
// is over.
func (l *Life) Start(parent context.Context) (ctx context.Context, over func()) {
	ctx, cancel := context.WithCancelCause(parent)
	l.starting.Store(&cancel)
	return ctx, func() { l.starting.Store(nil) }
}

// Begin is the first thing that the Open of a node does: it refuses what is opened twice, or
// was closed before.
func (l *Life) Begin() error {
	if l.begun.Swap(true) {
		return fmt.Errorf("start %s: it was opened or closed before", l.kind)
	}
	return nil
}

// Pause asks the node to pause, as a signal does, and returns when its lifecycle has heard
// it. A node that leaves already is hurried.
func (l *Life) Pause() {
	if l.Leaving.Swap(true) {
		l.HurryUp()
		return
	}
	l.Signalled.Store(true)
	l.submit(Request{Order: nodes.Pause})
}

// Close pauses the node, as a signal does, and gives what Wait gives. It may be called again.
func (l *Life) Close() error {
	if !l.begun.Swap(true) {
		l.End(nil)
	}
	l.Leaving.Store(true)
	l.Signalled.Store(true)
	l.submit(Request{Order: nodes.Pause})
	return l.Wait()
}

// Wait returns when the node has ended, and gives why.
func (l *Life) Wait() error {
	<-l.ended
	return l.err
}

// Ask hands an order to the lifecycle, which accepts it (nil) or refuses it (a [*StateError]).
func (l *Life) Ask(ctx context.Context, order nodes.Order) error {
	if end := l.starting.Load(); end != nil && order == nodes.Pause {
		(*end)(errOrdered)
		return nil
	}
	r := Request{order, make(chan error, 1)}
	if l.state() == nodes.Online && l.submit(r) {
		select {
		case err := <-r.answer:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return l.Refuse()
}

// Refuse is the answer to what cannot be done in the node's present state.
func (l *Life) Refuse() error { return &StateError{Kind: l.kind, State: l.state()} }

// StateError refuses an action because of the state a node is in, "" while it starts.
type StateError struct {
	Kind  nodes.Kind
	State nodes.State
}

func (e *StateError) Error() string {
	state := e.State
	if state == "" {
		state = "starting"
	}
	return fmt.Sprintf("this %s's state is %s", e.Kind, state)
}

// submit gives a request to the lifecycle; false: it takes none any more.
func (l *Life) submit(r Request) bool {
	select {
	case l.requests <- r:
		return true
	case <-l.stopping:
	case <-l.ended:
	}
	return false
}

// Requests is where the lifecycle finds what it is asked for.
func (l *Life) Requests() <-chan Request { return l.requests }

// takeNoMore says, once, that nobody reads Requests any more.
func (l *Life) takeNoMore() { close(l.stopping) }

// Stopping is closed by takeNoMore.
func (l *Life) Stopping() <-chan struct{} { return l.stopping }

// End says, once, that all is over, and why: nil after what was asked for.
func (l *Life) End(err error) {
	l.err = err
	close(l.ended)
}

// Request is what HTTP or a signal asks of a lifecycle.
type Request struct {
	Order  nodes.Order
	answer chan error // nil: a signal needs none
}

// Signalled tells that it is a signal's, or Close's, which cannot be refused.
func (r Request) Signalled() bool { return r.answer == nil }

// Reply accepts the order (nil) or refuses it. It is called once at most.
func (r Request) Reply(err error) {
	if r.answer != nil {
		r.answer <- err
	}
}

// Group is parts of a node that work by themselves while it lives.
type Group struct {
	// Failed gets the first failure of the groups that share it; it has room for one.
	Failed chan error
	wg     sync.WaitGroup
}

// Run starts a part. Its error, under its name, is a failure.
func (g *Group) Run(name string, part func() error) {
	g.wg.Go(func() {
		if err := part(); err != nil {
			select {
			case g.Failed <- fmt.Errorf("%s: %w", name, err):
			default:
			}
		}
	})
}

// Wait returns when every part has ended.
func (g *Group) Wait() { g.wg.Wait() }
