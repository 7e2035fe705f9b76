package survey

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pumphouse/nodes"
)

// How often nodes are asked while somebody looks, and for how long one that does not answer is waited for.
const (
	DefaultInterval = time.Second
	DefaultTimeout  = time.Second
)

const (
	history    = time.Hour
	maxTracked = 1000 // nodes whose lag is remembered
)

// View gives the node records; nodes.Cluster and nodes.Cache do.
type View interface {
	View(ctx context.Context, revision int64) (*nodes.Snapshot, error)
}

// Options say how a Survey asks. The zero value of every field but View is good.
type Options struct {
	View View        // required
	TLS  *tls.Config // towards nodes; nil: plain HTTP

	Interval  time.Duration // between the beginnings of two rounds while somebody looks; default [DefaultInterval]
	Sample    time.Duration // between two points of the lag; default 10 s
	Idle      time.Duration // how long after the last look rounds go on; default 1 min
	Fresh     time.Duration // how old a report may be that is given out; default 3 rounds and a time-out
	Timeout   time.Duration // of one question; default [DefaultTimeout]
	Parallel  int           // questions at a time; default 16
	Heartbeat time.Duration // of the nodes: who is silent for three of them is not asked

	// Exits gives how the nodes' last processes ended: [nodes.Registry.Exits]; nil: nobody knows.
	Exits func(ctx context.Context) (map[nodes.Kind]map[string]nodes.LastExit, error)
	// Own gives the problems of the program that surveys; nil: it has none.
	Own     func() []nodes.Problem
	Version string // of that program; "": it is not compared with the nodes'

	Now func() time.Time // PD's clock; default time.Now
}

type key struct {
	kind   nodes.Kind
	nodeID string
}

// Survey asks nodes in the background.
type Survey struct {
	opts    Options
	control *nodes.Control

	looked atomic.Int64  // when somebody looked last, in nanoseconds
	wake   chan struct{} // somebody looks again
	cancel context.CancelFunc
	done   chan struct{}

	own nodes.Problems // what the survey itself finds

	mu      sync.Mutex
	reports map[key]Report
	trouble map[key]bool // of the reports, those that name a problem
	exits   map[key]nodes.LastExit
	// listed are the lists that Troubles has made of these three, until one of them changes.
	listed map[nodes.Kind]troubles
	tracks map[key]*track
	asked  time.Time     // when the last round ended
	rounds int64         // that have ended
	round  chan struct{} // closed when the next one ends
	until  time.Time     // how long who looks waits for it; zero: nobody does yet
}

// Open starts a survey.
func Open(opts Options) (*Survey, error) {
	if opts.View == nil {
		return nil, errors.New("survey: a view of the records is required")
	}
	setDefault(&opts.Interval, DefaultInterval)
	setDefault(&opts.Sample, 10*time.Second)
	setDefault(&opts.Idle, time.Minute)
	setDefault(&opts.Timeout, DefaultTimeout)
	setDefault(&opts.Parallel, 16)
	setDefault(&opts.Heartbeat, nodes.DefaultHeartbeat)
	setDefault(&opts.Fresh, 3*opts.Interval+opts.Timeout)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Survey{
		opts:    opts,
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		reports: make(map[key]Report),
		trouble: make(map[key]bool),
		listed:  make(map[nodes.Kind]troubles),
		tracks:  make(map[key]*track),
		round:   make(chan struct{}),
		control: nodes.NewControl(opts.TLS, opts.Timeout),
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go s.run(ctx)
	return s, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Close ends the asking and returns when it has ended.
func (s *Survey) Close() error {
	s.cancel()
	<-s.done
	return nil
}

// Report is the newest report of a node, if there is one that is fresh.
func (s *Survey) Report(kind nodes.Kind, nodeID string) (Report, bool) {
	s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.reports[key{kind, nodeID}]
	return r, ok && s.freshLocked(r)
}

// freshLocked reports whether a report may be given out.
func (s *Survey) freshLocked(r Report) bool { return s.opts.Now().Sub(r.At) <= s.opts.Fresh }

// Rounds is how many rounds of questions have ended. What a node said, or left in PD, before two of them began and ended is known.
func (s *Survey) Rounds() int64 {
	s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rounds
}

// look says that somebody is interested. Whoever looks first after a pause waits for the round
// that begins then, but no longer than Timeout: what is wrong must not be missing from the first answer.
func (s *Survey) look() {
	now := time.Now()
	s.looked.Store(now.UnixNano())
	s.mu.Lock()
	if now.Sub(s.asked) <= s.opts.Fresh {
		s.mu.Unlock()
		return
	}
	if s.until.IsZero() {
		s.until = now.Add(s.opts.Timeout)
	}
	wait, round := s.until.Sub(now), s.round
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	if wait <= 0 {
		return
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-round:
	case <-late.C:
	case <-s.done:
	}
}

// endRound ends a round: who waits for it goes on.
func (s *Survey) endRound() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.until = time.Now(), time.Time{}
	s.rounds++
	close(s.round)
	s.round = make(chan struct{})
}

// run asks round after round.
func (s *Survey) run(ctx context.Context) {
	defer close(s.done)
	var sampled time.Time
	for {
		began := time.Now()
		watched := time.Since(time.Unix(0, s.looked.Load())) <= s.opts.Idle
		if due := time.Since(sampled) >= s.opts.Sample; watched || due {
			snap, err := s.opts.View.View(ctx, 0)
			if err == nil && due {
				sampled = time.Now()
				s.sample(snap, s.opts.Now())
			}
			if err == nil && watched {
				s.ask(ctx, snap)
			}
			if watched {
				s.endRound()
			}
		}
		wait := max(s.opts.Interval-time.Since(began), s.opts.Interval/10) // a node that hangs does not delay the next round
		if !watched {
			wait = min(s.opts.Sample, max(s.opts.Sample-time.Since(sampled), time.Millisecond))
		}
		select {
		case <-time.After(wait):
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}

// ask asks every node that lives, and forgets the others.
func (s *Survey) ask(ctx context.Context, snap *nodes.Snapshot) {
	var wg sync.WaitGroup
	room := make(chan struct{}, s.opts.Parallel)
	now := s.opts.Now()
	living := make(map[key]bool) // guarded by s.mu
	for _, e := range slices.Concat(snap.Pumps, snap.Drainers) {
		k := key{e.Kind, e.Record.NodeID}
		if e.Record.State == nodes.Offline || !e.Record.Reporting(now, s.opts.Heartbeat) {
			continue
		}
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			st, err := s.control.Status(ctx, e.Kind, e.Record)
			r := Report{Kind: k.kind, NodeID: k.nodeID, At: s.opts.Now(), Status: st}
			r.Problems = st.Listed()
			if err != nil {
				r.Err, r.Problems = err.Error(), []nodes.Problem{nodes.NotAnswering(e.Record, err)}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if err != nil && e.Record.State == nodes.Paused {
				return // a node that starts reports as paused; so does one that has just ended
			}
			living[k] = true
			before := s.reports[k]
			r.since(before)
			s.reports[k] = r
			if delete(s.trouble, k); len(r.Problems) > 0 {
				s.trouble[k] = true
			}
			if !s.freshLocked(before) || !slices.Equal(before.Problems, r.Problems) {
				delete(s.listed, k.kind)
			}
		})
	}
	wg.Wait()
	s.readExits(ctx, living)
	s.compareVersions()
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.reports {
		if !living[k] {
			delete(s.reports, k)
			delete(s.trouble, k)
			delete(s.listed, k.kind)
		}
	}
}
