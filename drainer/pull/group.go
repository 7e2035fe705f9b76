package pull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/status"

	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// Group pulls from every pump of a cluster.
type Group struct {
	opts  Options
	ready chan struct{} // closed when the records were looked at for the first time
	ended chan struct{} // closed when nothing is started any more
	wakes *wakes

	mu    sync.Mutex
	run   context.Context // the pullers', nil: not running
	fail  context.CancelCauseFunc
	wg    sync.WaitGroup
	pumps map[string]*puller
	left  map[string]nodes.TSO // position of pumps that have gone
}

// New checks the options and starts nothing.
func New(opts Options) (*Group, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Group{
		opts: opts, ready: make(chan struct{}), ended: make(chan struct{}),
		pumps: make(map[string]*puller), left: make(map[string]nodes.TSO),
		wakes: newWakes(),
	}, nil
}

// Run pulls until ctx is done, and then gives nil, or until something cannot go on: a
// [*PositionError] or a [*merge.DisorderError]. It returns when every goroutine has gone,
// and is called once.
func (g *Group) Run(ctx context.Context) error {
	run, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	g.mu.Lock()
	if g.run != nil {
		g.mu.Unlock()
		return errors.New("pull: Run is called once")
	}
	g.run, g.fail = run, fail
	g.wg.Go(func() { g.wakeAll(run) })
	g.mu.Unlock()

	if err := g.follow(run); err != nil {
		fail(err)
	}
	g.mu.Lock()
	close(g.ended)
	g.mu.Unlock()
	g.wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(run)
}

// follow looks at the records whenever they change.
func (g *Group) follow(ctx context.Context) error {
	g.firstLook(ctx)
	for seen := (*nodes.Snapshot)(nil); ctx.Err() == nil; {
		if _, err := g.opts.Cache.Next(ctx, seen); err != nil {
			return err
		}
		var err error
		if seen, err = g.apply(ctx); err != nil {
			return err
		}
	}
	return nil
}

// firstLook reads the records as they are now, trying until PD answers.
func (g *Group) firstLook(ctx context.Context) {
	var failures logs.Repeated
	for ctx.Err() == nil {
		err := g.look(ctx)
		if err == nil {
			if n := failures.Over(); n > 0 {
				g.opts.Logger.WithField("times", n).Info("the drainer has read the pump records")
			}
			close(g.ready)
			return
		}
		if ctx.Err() == nil {
			if n := failures.Again(); n > 0 {
				g.opts.Logger.WithError(err).WithField("times", n).Warn("the drainer cannot read the pump records and retries")
			}
		}
		nodes.Sleep(ctx, g.opts.MaxPause/4)
	}
}

// Notify looks at the records now, and returns when every pump in them that is not
// offline takes part in the merge. Errors: [ErrEnded], PD's, or ctx's cause.
func (g *Group) Notify(ctx context.Context) error {
	select {
	case <-g.ready:
	case <-g.ended:
		return ErrEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return g.look(ctx)
}

// look applies the records as PD holds them now.
func (g *Group) look(ctx context.Context) error {
	// The cache may lag by a moment; a list is not, and says how far the cache must be.
	list, err := g.opts.Registry.List(ctx)
	if err != nil {
		return err
	}
	if _, err := g.opts.Cache.View(ctx, list.Revision); err != nil {
		return err
	}
	_, err = g.apply(ctx)
	return err
}

// apply lets pumps that are new take part and tells pullers what their records say.
func (g *Group) apply(ctx context.Context) (*nodes.Snapshot, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.ended:
		return nil, ErrEnded
	default:
	}
	// Read under the lock, so that what is applied later is never older.
	snap, err := g.opts.Cache.Next(ctx, nil)
	if err != nil {
		return nil, err
	}
	found := make(map[string]record, len(snap.Pumps))
	for _, e := range snap.Pumps {
		found[e.Record.NodeID] = record{host: e.Record.Host, state: e.Record.State}
	}
	for _, b := range snap.Broken {
		if id, ok := strings.CutPrefix(b.Key, nodes.Pump.Prefix()); ok && b.Kind == nodes.Pump {
			found[id] = record{broken: &b}
		}
	}
	// All take part before any is pulled from.
	var fresh []*puller
	for id, rec := range found {
		p := g.pumps[id]
		if p == nil && rec.state == nodes.Offline {
			continue
		}
		if p == nil {
			if p, err = g.joinLocked(id); err != nil {
				return nil, err
			}
			fresh = append(fresh, p)
		}
		p.setRecordLocked(rec)
	}
	for id, p := range g.pumps {
		if _, ok := found[id]; !ok {
			p.setRecordLocked(record{host: p.rec.host, state: nodes.Offline})
		}
	}
	for _, p := range fresh {
		g.wg.Go(func() {
			if err := p.pull(g.run); err != nil {
				g.fail(err)
			}
		})
	}
	return snap, nil
}

// joinLocked lets a pump take part in the merge.
func (g *Group) joinLocked(id string) (*puller, error) {
	from, known := g.left[id]
	if !known {
		from = g.opts.From
	}
	src, err := g.opts.Merger.Add(id, from)
	if err != nil {
		return nil, fmt.Errorf("pull: %w", err)
	}
	p := &puller{g: g, id: id, src: src, changed: make(chan struct{}), wake: make(chan struct{}, 1), since: time.Now(), why: errNoBinlogYet}
	g.pumps[id] = p
	return p, nil
}

// leave lets a pump go whose stream has ended, if its record says that it is offline.
func (g *Group) leave(p *puller) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.rec.state != nodes.Offline {
		return false
	}
	p.src.End()
	g.left[p.id] = p.src.Position()
	delete(g.pumps, p.id)
	g.opts.Logger.WithField("pump", p.id).WithField("commit_ts", g.left[p.id]).
		Info("the pump is offline and its stream has ended: the drainer waits for it no more")
	return true
}

// Status is how the pull from one pump goes.
type Status struct {
	Pump     string
	Addr     string
	State    nodes.State // as the record says; "": the record cannot be read
	Position nodes.TSO   // everything up to here has been pulled
	// Reached reports whether the stream is open and has delivered, Since since when that is
	// so, or since when it is not so, and Err why not.
	Reached bool
	Since   time.Time
	Err     string
}

// Status tells of every pump that is pulled from, sorted by node ID.
func (g *Group) Status() []Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]Status, 0, len(g.pumps))
	for _, p := range g.pumps {
		s := Status{Pump: p.id, Addr: p.rec.host, State: p.rec.state, Position: p.src.Position(), Reached: p.why == nil, Since: p.since}
		if p.why != nil {
			s.Err = status.Convert(p.why).Message() // the reason without gRPC's words around it
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.Pump, b.Pump) })
	return list
}
