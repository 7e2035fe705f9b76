package merge

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// Options tune a [Merger]. The zero value is good.
type Options struct {
	// From is the position the drainer starts from: what is at or below it is downstream.
	From nodes.TSO
	// BufferBytes bounds what is held between Push and Release, in bytes. Default 32 MiB.
	BufferBytes int64
	// BatchBytes and BatchItems bound one batch; a larger transaction comes alone.
	// Default: 1 MiB and 1024.
	BatchBytes int64
	BatchItems int
	// Waits is called when transactions are queued and Next sleeps for a pump that has none, perhaps because
	// it tells the time seldom. Next and Push call it, with locks held: it must be quick and call nothing of the merge.
	// Default: nobody is told.
	Waits func()
	// Now is the clock of [Holder.Since]. Default time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.BufferBytes <= 0 {
		o.BufferBytes = 32 << 20
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = 1 << 20
	}
	if o.BatchItems <= 0 {
		o.BatchItems = 1024
	}
	if o.Waits == nil {
		o.Waits = func() {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Item is a transaction and the pump that delivered it.
type Item struct {
	binlogpb.Delivery
	Pump string
}

// Batch is what comes next in the order.
type Batch struct {
	Items []Item // ascending in commit TS, no fake ones; the receiver's own
	// Passed: every transaction up to this commit TS has come out, with this batch or
	// before it. It is not below the last item's commit TS.
	Passed nodes.TSO
	// Bytes is what has to be given to [Merger.Release] when the items have been used.
	Bytes int64
}

// Size is how many bytes of the buffer a transaction takes.
func Size(d binlogpb.Delivery) int64 { return int64(len(d.Payload)) + 64 }

// Merger merges sources. Next is called by one goroutine at a time, everything else by
// any.
type Merger struct {
	opts   Options
	queued *budget // pushed and not come out
	taken  *budget // come out and not released
	wake   chan struct{}

	share      atomic.Int64  // bytes that each source may queue whatever the others do
	joins      atomic.Uint64 // counts Add
	disorders  atomic.Uint64
	duplicates atomic.Uint64
	emitted    atomic.Uint64
	alone      atomic.Bool // Next sleeps for a source, and Waits has not been called since

	mu      sync.Mutex
	joined  []*Source // added, and not yet seen by Next
	pumps   map[string]*Source
	holding bool      // Next sleeps, for:
	hold    Holder    // whom it slept for last
	reached nodes.TSO // Passed of the batch given out last

	// Next's own.
	active  []*Source
	folded  uint64    // joins that active includes
	last    copyID    // the transaction that came out last
	passed  nodes.TSO // everything up to here has come out
	batch   []Item    // in the making
	bytes   int64     // of batch
	dropped int64     // bytes of second copies and of disorder, to be released
}

// copyID is what two copies of a transaction have in common.
type copyID struct{ start, commit int64 }

// New makes a merger without sources. There is nothing to close.
func New(opts Options) *Merger {
	opts = opts.withDefaults()
	return &Merger{
		opts: opts, queued: newBudget(opts.BufferBytes / 8 * 3), taken: newBudget(opts.BufferBytes / 2),
		wake: make(chan struct{}, 1), pumps: make(map[string]*Source),
		passed: opts.From, reached: opts.From,
	}
}

// Add lets a pump take part, read after position from. When Add has returned,
// nothing comes out that the pump has not passed. The sources of a first start are to be
// added before any of them is pushed to.
//
// A pump that has ended and whose transactions have not all come out yet goes on where it
// was; from does not matter then. The error is [ErrJoined].
func (m *Merger) Add(pump string, from nodes.TSO) (*Source, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.pumps[pump]; s != nil {
		if !s.revive() {
			return nil, fmt.Errorf("pump %q: %w", pump, ErrJoined)
		}
		return s, nil
	}
	s := &Source{m: m, pump: pump, clock: from, passed: from, hungry: make(chan struct{}, 1)}
	m.pumps[pump] = s
	m.setShareLocked()
	m.joined = append(m.joined, s)
	m.joins.Add(1)
	m.rouse()
	return s, nil
}

// setShareLocked divides what is reserved, an eighth of the buffer, among the sources. Each
// may have it twice: queued, and taken by Next.
func (m *Merger) setShareLocked() {
	m.share.Store(m.opts.BufferBytes / 8 / 2 / int64(max(1, len(m.pumps))))
}

// Next waits for news: transactions, or that the merge has passed more time without any.
// The errors are ctx's cause, and a [*DisorderError]; after one of those Next goes on
// without the transaction that it names, if it is called again.
func (m *Merger) Next(ctx context.Context) (Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Batch{}, context.Cause(ctx)
		}
		if err := m.awaitRelease(ctx); err != nil {
			return Batch{}, err
		}
		hold, err := m.fill()
		if err != nil {
			return Batch{}, err
		}
		if b, ok := m.cut(); ok {
			return b, nil
		}
		if err := m.sleep(ctx, hold); err != nil {
			return Batch{}, err
		}
	}
}

// Release gives back the bytes of batches that have been used, in parts if need be. Next
// waits while half the buffer is not released, so whoever holds transactions must be able
// to finish them without more.
func (m *Merger) Release(bytes int64) { m.taken.release(bytes) }

// awaitRelease waits while too much has come out and is not released.
func (m *Merger) awaitRelease(ctx context.Context) error {
	for m.taken.full() {
		freed, leave := m.taken.await()
		if !m.taken.full() {
			leave()
			return nil
		}
		select {
		case <-freed:
			leave()
		case <-ctx.Done():
			leave()
			return context.Cause(ctx)
		}
	}
	return nil
}
