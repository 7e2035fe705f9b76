package tikv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/certfile"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// What a caller may want to tell apart.
var (
	// ErrClosed: the resolver was closed.
	ErrClosed = errors.New("resolver is closed")
	// ErrNoTiKV: PD knows no TiKV now, and the transaction is not old enough to count
	// as rolled back.
	ErrNoTiKV = errors.New("PD knows no TiKV")
	// ErrCollected: TiKV has no trace of the transaction, and its garbage collection may
	// have removed one. What the outcome was cannot be known any more.
	ErrCollected = errors.New("TiKV has no trace of the transaction any more (decide with binlogctl -cmd resolve)")
	// ErrFuture: the start TS is later than PD's clock, so it is not PD's. TiKV is not asked:
	// it would take it for the present time.
	ErrFuture = errors.New("its start TS is later than PD's clock (decide with binlogctl -cmd resolve)")
)

// Options say where the cluster is.
type Options struct {
	// Endpoints are client URLs of PD members, http://host:port, https://host:port or
	// host:port. Required.
	Endpoints []string
	// Security names the TLS files for PD and TiKV. PD's client needs all three.
	Security certfile.Security
	// Timeout bounds one question, with all its attempts. Default 5 s.
	Timeout time.Duration
	// OrphanTimeout is how old a prewrite is when its transaction counts as rolled back,
	// where there is no TiKV. Default 10 minutes, the longest a TiDB goes on with a commit.
	OrphanTimeout time.Duration
	// SettleAfter is how old a prewrite is when TiKV is asked to end its transaction, if
	// nobody keeps that alive. Default 15 s, which is how long a TiDB waits for its commit
	// TS or for a pump; not more than OrphanTimeout.
	SettleAfter time.Duration
	// Logger is told whether there is a TiKV, and what counts as rolled back without one.
	// Default: nothing is said.
	Logger logrus.FieldLogger
	// Now is the clock of what is held in PD and of the log. Default time.Now.
	Now func() time.Time
}

const (
	defaultTimeout       = 5 * time.Second
	defaultOrphanTimeout = 10 * time.Minute
	defaultSettleAfter   = 15 * time.Second

	// lookIn is when a PD that knew no TiKV is asked again.
	lookIn = 10 * time.Second
	// atOnce bounds the questions under way, and with [maxAnswer] the memory they take.
	atOnce = 4
)

// Resolver asks TiKV how transactions ended. Its methods may be called from many
// goroutines. It connects when it is first asked, so it can be made, and a pump can
// start, while PD or TiKV are away.
type Resolver struct {
	opts   Options
	life   context.Context
	end    context.CancelFunc
	asking chan struct{} // holds an item for each question in flight

	alone, settled oncePerSecond // lines in the log

	mu      sync.Mutex
	hold    hold
	session *session  // nil until there is a TiKV
	dial    *dial     // nil while none is made
	looked  time.Time // when PD knew no TiKV
	users   sync.WaitGroup
	closed  bool
	close   sync.Once
}

var _ storage.Resolver = (*Resolver)(nil)

// New checks the options. It connects to nothing.
func New(opts Options) (*Resolver, error) {
	if len(opts.Endpoints) == 0 {
		return nil, errors.New("tikv: no PD endpoints")
	}
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.OrphanTimeout <= 0 {
		opts.OrphanTimeout = defaultOrphanTimeout
	}
	if opts.SettleAfter <= 0 {
		opts.SettleAfter = defaultSettleAfter
	}
	opts.SettleAfter = min(opts.SettleAfter, opts.OrphanTimeout)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.Logger = logs.OrSilent(opts.Logger)
	r := &Resolver{opts: opts, asking: make(chan struct{}, atOnce)}
	r.life, r.end = context.WithCancel(context.Background())
	return r, nil
}

// Resolve finds out the outcome of a transaction, as [storage.Resolver] demands. Unknown without an
// error means that TiKV surely holds no commit of it, for now; with an error that TiKV could not be
// asked, or cannot know. Until the prewrite is SettleAfter old it changes nothing in TiKV; then it
// has TiKV end the transaction if nobody keeps that alive (see the package comment).
func (r *Resolver) Resolve(ctx context.Context, q storage.Question) (storage.Verdict, nodes.TSO, error) {
	if q.StartTS <= 0 || len(q.Key) == 0 {
		return storage.Unknown, 0, fmt.Errorf("resolve the transaction %s: a start TS and a primary key are needed", q.StartTS)
	}
	ctx, done, err := r.begin(ctx)
	if err != nil {
		return storage.Unknown, 0, err
	}
	defer done()
	v, commitTS, err := r.resolve(ctx, q)
	if err != nil {
		return storage.Unknown, 0, fmt.Errorf("resolve the transaction %s: %w", q.StartTS, r.because(err))
	}
	return v, commitTS, nil
}

func (r *Resolver) resolve(ctx context.Context, q storage.Question) (storage.Verdict, nodes.TSO, error) {
	select {
	case r.asking <- struct{}{}:
		defer func() { <-r.asking }()
	case <-ctx.Done():
		return storage.Unknown, 0, fmt.Errorf("wait for other questions: %w", ctx.Err())
	}
	s, err := r.connected(ctx)
	switch {
	case errors.Is(err, ErrNoTiKV):
		return r.rollBackAlone(q, err)
	case err != nil:
		return storage.Unknown, 0, err
	}
	now, err := s.pd.now(ctx)
	if err != nil {
		return storage.Unknown, 0, fmt.Errorf("ask PD for the time: %w", err)
	}
	if nodes.TSO(now) <= q.StartTS {
		return storage.Unknown, 0, fmt.Errorf("%w: that is at %s", ErrFuture, nodes.TSO(now))
	}
	v, commitTS, err := s.ask(ctx, uint64(q.StartTS), q.Key)
	if err == nil && v == storage.Unknown && q.Reported {
		v = storage.RolledBack // TiDB will not commit it any more, and has not
	}
	if err != nil || v == storage.Committed || v == storage.RolledBack || q.Age < r.opts.SettleAfter {
		return v, commitTS, err
	}
	if v == storage.Unknown { // a lock is evidence itself
		if err := r.covers(q.StartTS, nodes.TSO(now)); err != nil {
			return storage.Unknown, 0, err
		}
	}
	was := v
	v, commitTS, err = s.settle(ctx, q, now, was == storage.Unknown)
	if err == nil && v == storage.RolledBack {
		r.settled.say(r.opts.Now(), func(count int) {
			what := "its lock has expired"
			if was == storage.Unknown {
				what = "TiKV had no trace of it"
			}
			r.opts.Logger.WithFields(logrus.Fields{"start_ts": q.StartTS, "count": count}).
				Warnf("a transaction is rolled back, %s after its prewrite: %s", q.Age.Round(time.Second), what)
		})
	}
	return v, commitTS, err
}

// Available asks PD whether it knows a TiKV, which need not be up. It says in the log what
// that means for transactions whose outcome does not come.
func (r *Resolver) Available(ctx context.Context) (bool, error) {
	ctx, done, err := r.begin(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	_, err = r.connected(ctx)
	if errors.Is(err, ErrNoTiKV) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask PD whether there is a TiKV: %w", r.because(err))
	}
	return true, nil
}

// Close ends questions under way and all connections. It may be called again.
func (r *Resolver) Close() error {
	r.close.Do(func() {
		r.mu.Lock()
		r.closed = true
		r.mu.Unlock()
		r.end()
		r.users.Wait()
		if r.session != nil { // nobody else is left to change it
			r.session.close()
		}
	})
	return nil
}

// begin gives the context of a call, which ends with the resolver, and keeps Close from
// returning before done is called.
func (r *Resolver) begin(parent context.Context) (ctx context.Context, done func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, ErrClosed
	}
	r.users.Add(1)
	ctx, cancel := context.WithTimeout(parent, r.opts.Timeout)
	stop := context.AfterFunc(r.life, cancel)
	return ctx, func() { stop(); cancel(); r.users.Done() }, nil
}

// because names the end of the resolver when that was it.
func (r *Resolver) because(err error) error {
	if r.life.Err() != nil {
		return ErrClosed
	}
	return err
}

// connected gives the session with the cluster, making it if PD knows a TiKV; ErrNoTiKV
// if it does not. It waits for PD as long as ctx lasts.
func (r *Resolver) connected(ctx context.Context) (*session, error) {
	r.mu.Lock()
	switch {
	case r.session != nil:
		defer r.mu.Unlock()
		return r.session, nil
	case !r.looked.IsZero() && r.opts.Now().Sub(r.looked) < lookIn:
		defer r.mu.Unlock()
		return nil, ErrNoTiKV
	case r.dial == nil:
		// PD's client does not give back the connections of a start that fails, so there
		// is one start, which lasts, and not one for each question.
		r.dial = &dial{done: make(chan struct{})}
		r.users.Add(1)
		go r.look(r.dial)
	}
	d := r.dial
	r.mu.Unlock()
	select {
	case <-d.done:
		return d.session, d.err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for PD at %s: %w", strings.Join(r.opts.Endpoints, ","), ctx.Err())
	}
}

// dial is a connection being made.
type dial struct {
	done    chan struct{} // closed when the others are set
	session *session
	err     error
}

// look connects to PD and keeps the connection only if there is something to ask.
func (r *Resolver) look(d *dial) {
	defer r.users.Done()
	s, err := dialCluster(r.life, r.opts)
	if err == nil {
		has := false
		ctx, cancel := context.WithTimeout(r.life, r.opts.Timeout)
		if has, err = s.hasTiKV(ctx); err == nil && !has {
			err = ErrNoTiKV
		}
		cancel()
		if err != nil {
			s.close()
			s = nil
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.opts.Logger.Info("TiKV is asked about transactions whose outcome does not come")
	case errors.Is(err, ErrNoTiKV):
		if r.looked.IsZero() {
			r.opts.Logger.Infof("PD at %s knows no TiKV: transactions whose outcome does not come count as rolled back after %s, unless a TiKV joins",
				strings.Join(r.opts.Endpoints, ","), r.opts.OrphanTimeout)
		}
		r.looked = r.opts.Now()
	}
	r.session, r.dial = s, nil
	d.session, d.err = s, err
	close(d.done)
}
