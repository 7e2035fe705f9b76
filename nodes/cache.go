package nodes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/logs"
)

// CacheOptions tune a [Cache]. The zero value is good.
type CacheOptions struct {
	// Window is how old the proof may be that the view equals what PD holds, and thus
	// how late a reader can be at worst. Default 1.5 s.
	Window time.Duration
	// Probe is how often that proof is renewed. Default 500 ms.
	Probe time.Duration
	// Logger gets a line when the view is lost and when it is back. Default: none.
	Logger logrus.FieldLogger
}

func (o CacheOptions) withDefaults() CacheOptions {
	if o.Window <= 0 {
		o.Window = 1500 * time.Millisecond
	}
	if o.Probe <= 0 {
		o.Probe = 500 * time.Millisecond
	}
	o.Logger = logs.OrSilent(o.Logger)
	return o
}

// Cache is a view of all node records that follows PD by a watch. Reading it costs no
// round trip while the view is known to be current; otherwise a read goes to PD, and
// fails if PD does not answer: a stale row is never shown as a fresh one.
//
// What "known to be current" means: not longer than Window ago, a linearizable probe of
// PD (newest mod revision and number of keys under the prefixes) found nothing that the
// view lacks, and the watch has not failed since. etcd's own progress replies are not
// used, because they prove less: they come from the member at hand, which may lag behind
// the leader, and before etcd 3.4.25 (PD up to 7.1) they may overtake events.
//
// A view never goes back in revision, unless PD itself does: its data were wiped or
// restored. Then the view starts anew.
//
// Goroutines: one follows PD; one carries out reads while there are any; one probe at a
// time. Close ends them all.
type Cache struct {
	reg    *Registry
	opts   CacheOptions
	start  time.Time // origin of freshUntil; carries the monotonic clock
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	cur        atomic.Pointer[Snapshot] // replaced under mu only
	freshUntil atomic.Int64             // nanoseconds since start; 0 = not known to be current

	mu      sync.Mutex
	closed  bool
	epoch   int           // counts PD's histories: a new one makes older reads worthless
	changed chan struct{} // closed and replaced when cur changes
	running *flight       // the read in progress
	next    *flight       // the read that begins when running has ended
	trouble error         // why PD could not be followed or read last, nil when it can
}

// OpenCache starts to follow PD and returns at once, also when PD is down.
func OpenCache(reg *Registry, opts CacheOptions) *Cache {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Cache{
		reg: reg, opts: opts.withDefaults(), start: time.Now(),
		ctx: ctx, cancel: cancel, changed: make(chan struct{}),
	}
	c.wg.Go(c.follow)
	return c
}

// Close ends the view and returns when its goroutines have gone. Later and waiting
// calls of View give [ErrClosed].
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
	c.freshUntil.Store(0)
	return nil
}

// View gives the records as they are now, and no older than revision (0: any; else a
// revision that a write returned). It asks PD only when the view is not known to be
// current, and then for no longer than the registry's time-out. Errors: [ErrClosed], a
// [*PDError], or why ctx ended.
func (c *Cache) View(ctx context.Context, revision int64) (*Snapshot, error) {
	if s := c.fresh(); s != nil && s.Revision >= revision {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.reg.timeout)
	defer cancel()
	if s := c.awaitRevision(ctx, revision); s != nil {
		return s, nil
	}
	return c.readThrough(ctx)
}

// Next waits until the view differs from seen and gives what it is then. It is for
// those who act on changes; the view it gives may lag behind while PD is away.
// Errors: [ErrClosed] or why ctx ended.
func (c *Cache) Next(ctx context.Context, seen *Snapshot) (*Snapshot, error) {
	for {
		c.mu.Lock()
		s, changed := c.cur.Load(), c.changed
		c.mu.Unlock()
		if s != nil && s != seen {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-c.ctx.Done():
			return nil, ErrClosed
		}
	}
}

// fresh gives the view if it is known to be current, else nil. The order of the two
// loads matters: a view loaded after its proof is at least as new as the proven one.
func (c *Cache) fresh() *Snapshot {
	until := c.freshUntil.Load()
	if until == 0 || int64(time.Since(c.start)) > until {
		return nil
	}
	return c.cur.Load()
}

// catchUp is how long a reader who waits for a revision trusts the watch to bring it
// before it asks PD. A watch delivers within milliseconds.
const catchUp = 100 * time.Millisecond

// awaitRevision waits a moment for a current view to reach the revision; nil if it
// does not.
func (c *Cache) awaitRevision(ctx context.Context, revision int64) *Snapshot {
	t := time.NewTimer(catchUp)
	defer t.Stop()
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		s := c.fresh()
		if s == nil {
			return nil
		}
		if s.Revision >= revision {
			return s
		}
		select {
		case <-changed:
		case <-t.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// flight is one read of all records, shared by everyone who asked before it began.
type flight struct {
	done chan struct{} // closed when snap and err are set
	snap *Snapshot
	err  error
}

// readThrough reads PD. Readers that come while a read is going on share the one after
// it: the result of a read that began before they asked could be too old for them.
func (c *Cache) readThrough(ctx context.Context) (*Snapshot, error) {
	began := time.Now()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	f := c.next
	if f == nil {
		f = &flight{done: make(chan struct{})}
		if c.running == nil {
			c.running = f
			c.wg.Go(c.fly)
		} else {
			c.next = f
		}
	}
	c.mu.Unlock()

	select {
	case <-f.done:
		return f.snap, f.err
	case <-c.ctx.Done():
		return nil, ErrClosed
	case <-ctx.Done():
	}
	err := context.Cause(ctx)
	if errors.Is(err, context.Canceled) {
		return nil, fmt.Errorf("read the node records: %w", err)
	}
	return nil, c.noAnswer(time.Since(began), err)
}

// noAnswer is the error of a reader whose time has passed. What went wrong last says
// more than that.
func (c *Cache) noAnswer(after time.Duration, err error) error {
	c.mu.Lock()
	trouble := c.trouble
	c.mu.Unlock()
	var pd *PDError
	if errors.As(trouble, &pd) {
		err = pd.Err
	}
	return &PDError{Op: "read the node records", Endpoints: c.reg.endpoints, After: after, Err: err}
}

func (c *Cache) setTrouble(err error) {
	c.mu.Lock()
	c.trouble = err
	c.mu.Unlock()
}

// fly carries out reads until nobody waits for another.
func (c *Cache) fly() {
	for {
		snap, err := c.read()
		if c.ctx.Err() != nil {
			err = ErrClosed
		}
		c.mu.Lock()
		f := c.running
		f.snap, f.err = snap, err
		close(f.done)
		c.running, c.next = c.next, nil
		more := c.running != nil
		c.mu.Unlock()
		if !more {
			return
		}
	}
}

// read reads PD once and makes what it finds the view, unless the watch has brought
// something newer. It gives the newer one.
func (c *Cache) read() (*Snapshot, error) {
	for {
		before, epoch := c.position()
		list, err := c.reg.List(c.ctx)
		if err != nil {
			return nil, err
		}
		if snap, ok := c.adopt(list, before, epoch); ok {
			return snap, nil
		}
	}
}

// position gives what adopt needs to know about the time before a read.
func (c *Cache) position() (before *Snapshot, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cur.Load(), c.epoch
}

// adopt makes a list that was read after position gave (before, epoch) the view, and
// gives the view. It is false when PD turned out to have a new history meanwhile, so
// that the list may belong to the old one.
func (c *Cache) adopt(list, before *Snapshot, epoch int) (*Snapshot, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cur := c.cur.Load()
	switch {
	case epoch != c.epoch:
		return nil, false
	case before.horizon().lost(list.Revision, list.cluster):
		c.opts.Logger.WithField("revision", list.Revision).WithField("was", before.Revision).
			Warn("PD has another history than before (wiped, restored or replaced): the nodes are read again")
		c.epoch++
		c.freshUntil.Store(0)
		c.publishLocked(list)
	case cur == nil || list.Revision > cur.Revision || list.Revision == cur.Revision && !list.same(cur):
		c.publishLocked(list)
	}
	return c.cur.Load(), true
}

func (c *Cache) publishLocked(s *Snapshot) {
	c.cur.Store(s)
	close(c.changed)
	c.changed = make(chan struct{})
}
