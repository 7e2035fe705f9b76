package pd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// maxBatch bounds how many timestamps one message asks for; PD refuses 2^18 and more.
const maxBatch = 10_000

// waiter is a caller of TSO.
type waiter struct {
	result chan result // holds one
	timer  *time.Timer
	left   atomic.Bool // nobody reads the result any more
}

type result struct {
	ts  nodes.TSO
	err error
}

// dispatcher owns the stream of timestamps. See the package comment.
type dispatcher struct {
	life    context.Context
	members *members
	timeout time.Duration
	log     logrus.FieldLogger
	gone    chan struct{} // closed when the goroutine has ended
	wake    chan struct{} // holds one: somebody waits
	pool    sync.Pool     // of *waiter, none of them left

	mu      sync.Mutex
	waiting []*waiter
	closed  bool
	lastErr error // of the present outage; nil while all is well

	failures logs.Repeated

	// The goroutine's own.
	stream *stream
	last   nodes.TSO // the largest handed out
	spare  []*waiter // the list to gather on while the other is served
}

func newDispatcher(life context.Context, m *members, timeout time.Duration, log logrus.FieldLogger) *dispatcher {
	d := &dispatcher{
		life: life, members: m, timeout: timeout, log: log,
		gone: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	d.pool.New = func() any {
		t := time.NewTimer(time.Hour)
		t.Stop()
		return &waiter{result: make(chan result, 1), timer: t}
	}
	go d.run()
	return d
}

// get waits for a timestamp, at most for the time-out.
func (d *dispatcher) get(ctx context.Context) (nodes.TSO, error) {
	w := d.pool.Get().(*waiter)
	if !d.enqueue(w) {
		return 0, ErrClosed
	}
	w.timer.Reset(d.timeout)
	select {
	case r := <-w.result:
		w.timer.Stop()
		d.pool.Put(w)
		return r.ts, r.err
	case <-ctx.Done():
		w.timer.Stop()
		w.left.Store(true) // and never back to the pool: a result may still come
		return 0, ctx.Err()
	case <-w.timer.C:
		w.left.Store(true)
		return 0, fmt.Errorf("no answer within %s: %w", d.timeout, context.DeadlineExceeded)
	}
}

// enqueue lets w wait. False: the client is closed.
func (d *dispatcher) enqueue(w *waiter) bool {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return false
	}
	d.waiting = append(d.waiting, w)
	first := len(d.waiting) == 1
	d.mu.Unlock()
	if first {
		d.signal()
	}
	return true
}

func (d *dispatcher) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// take gives those who wait, up to maxBatch; the rest is signalled again.
func (d *dispatcher) take() []*waiter {
	d.mu.Lock()
	defer d.mu.Unlock()
	batch := d.waiting
	d.waiting = d.spare[:0]
	if len(batch) > maxBatch {
		d.waiting = append(d.waiting, batch[maxBatch:]...)
		batch = batch[:maxBatch]
		d.signal()
	}
	d.spare = nil
	return batch
}

// release keeps a served list for the next take.
func (d *dispatcher) release(batch []*waiter) {
	clear(batch)
	d.spare = batch[:0]
}

func (d *dispatcher) run() {
	defer close(d.gone)
	for {
		select {
		case <-d.life.Done():
			d.dropStream()
			d.refuseAll()
			return
		case <-d.wake:
		}
		batch := d.take()
		d.serve(batch)
		d.release(batch)
	}
}

// serve tries until everybody in the batch has a timestamp or has left. Whoever comes
// meanwhile waits for the next batch, which then finds a working stream.
func (d *dispatcher) serve(batch []*waiter) {
	for wait := newPauses(); ; {
		batch = stillWaiting(batch)
		if len(batch) == 0 {
			return
		}
		first, step, err := d.fetch(len(batch))
		if err == nil {
			d.outage(nil)
			for i, w := range batch {
				w.result <- result{ts: first + nodes.TSO(i)*step}
			}
			return
		}
		if d.life.Err() == nil {
			d.outage(err)
		}
		if !wait.sleep(d.life) {
			for _, w := range batch {
				w.result <- result{err: ErrClosed}
			}
			return
		}
	}
}

// stillWaiting drops, in place, those who have left.
func stillWaiting(batch []*waiter) []*waiter {
	n := 0
	for _, w := range batch {
		if !w.left.Load() {
			batch[n] = w
			n++
		}
	}
	return batch[:n]
}

// fetch gets count timestamps, first, first+step, …, from the leader: over the stream
// at hand if it works, else over a new one.
func (d *dispatcher) fetch(count int) (first, step nodes.TSO, err error) {
	if d.stream != nil {
		if first, step, err = d.over(d.stream, count); err == nil {
			return first, step, nil
		}
		d.dropStream()
	}
	ctx, cancel := context.WithTimeout(d.life, d.timeout)
	defer cancel()
	found, askErr := d.members.ask(ctx, true)
	if askErr != nil {
		return 0, 0, askErr
	}
	for _, addr := range found.leader {
		s, openErr := d.open(addr)
		if openErr == nil {
			if first, step, openErr = d.over(s, count); openErr == nil {
				d.stream = s
				return first, step, nil
			}
			s.close()
		}
		if err == nil || !errors.Is(err, ErrBackwards) {
			err = openErr
		}
	}
	return 0, 0, err
}

// over asks on one stream, and holds the answer to what this client has promised.
func (d *dispatcher) over(s *stream, count int) (first, step nodes.TSO, err error) {
	first, step, err = s.exchange(d.members.cluster(), count)
	if err != nil {
		return 0, 0, fmt.Errorf("timestamp from %s: %w", s.addr, err)
	}
	if first <= d.last {
		return 0, 0, &BackwardsError{Addr: s.addr, Gave: first, After: d.last}
	}
	d.last = first + nodes.TSO(count-1)*step
	return first, step, nil
}

func (d *dispatcher) open(addr string) (*stream, error) {
	conn, err := d.members.conn(addr)
	if err != nil {
		return nil, err
	}
	return openStream(d.life, conn, addr, d.timeout)
}

func (d *dispatcher) dropStream() {
	if d.stream != nil {
		d.stream.close()
		d.stream = nil
	}
}

// outage notes how things stand and logs it when that changes, and now and then while it lasts.
func (d *dispatcher) outage(err error) {
	d.mu.Lock()
	d.lastErr = err
	d.mu.Unlock()
	if err != nil {
		if n := d.failures.Again(); n > 0 {
			d.log.WithError(err).WithField("times", n).Warn("no timestamps from PD; retrying")
		}
	} else if n := d.failures.Over(); n > 0 {
		d.log.WithField("addr", d.stream.addr).WithField("times", n).Info("timestamps from PD again")
	}
}

func (d *dispatcher) lastError() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lastErr
}

// refuseAll ends those who wait and lets nobody wait any more.
func (d *dispatcher) refuseAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, w := range d.waiting {
		w.result <- result{err: ErrClosed}
	}
	d.waiting = nil
}
