package storage

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"pumphouse/nodes"
)

// request is a record on its way into the log.
type request struct {
	rec   Record
	flags uint8
	crc   uint32 // of the payload
	// Filled in by the writer.
	floor nodes.TSO
	at    place
	done  chan error // takes the result, or errLead; one place
}

// errLead tells a waiting writer that it is its turn to write for all.
var errLead = errors.New("lead")

// queue lets all writers that wait at the same time share one write and one sync:
// the first to come writes for all that came with it, then hands the lead to one of
// those who came meanwhile. A lone writer so never waits for another goroutine.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	spare   []*request // the last batch's slice, to be used again
	leading bool
	closed  error         // set: refuse new requests with it
	idle    chan struct{} // closed when the last leader has gone; only after closed is set

	requests sync.Pool
}

// submit passes a record through write, together with others, and returns when it
// is through. The error is the one write has set for it.
func (q *queue) submit(rec Record, flags uint8, write func([]*request) []error) error {
	r, _ := q.requests.Get().(*request)
	if r == nil {
		r = &request{done: make(chan error, 1)}
	}
	r.rec, r.flags, r.crc = rec, flags, payloadCRC(rec.Payload)
	defer func() {
		r.rec = Record{}
		q.requests.Put(r)
	}()

	q.mu.Lock()
	if q.closed != nil {
		q.mu.Unlock()
		return q.closed
	}
	q.waiting = append(q.waiting, r)
	lead := !q.leading
	q.leading = true
	q.mu.Unlock()
	if !lead {
		if err := <-r.done; err != errLead {
			return err
		}
	}
	return q.lead(r, write)
}

// gatherTurns is how often a leader lets others run at most before it writes. With 128
// writers on two cores a batch holds half as much again as after one turn, 60 records instead
// of 40, and a transaction takes a tenth less CPU.
const gatherTurns = 4

// gather takes everything that waits. Who is about to come may still come along: as long as
// somebody did, others get one more turn. To be alone costs one turn, which is next to nothing.
func (q *queue) gather() []*request {
	for turn, seen := 0, 1; turn < gatherTurns; turn++ {
		runtime.Gosched()
		q.mu.Lock()
		now := len(q.waiting)
		q.mu.Unlock()
		if now == seen {
			break
		}
		seen = now
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	batch := q.waiting
	q.waiting, q.spare = q.spare, nil
	return batch
}

// lead writes everything that waits, own among it.
func (q *queue) lead(own *request, write func([]*request) []error) error {
	batch := q.gather()
	errs := write(batch)
	var result error
	for i, r := range batch {
		var err error
		if errs != nil {
			err = errs[i]
		}
		if r == own {
			result = err
		} else {
			r.done <- err
		}
	}

	clear(batch)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = batch[:0]
	if len(q.waiting) > 0 {
		q.waiting[0].done <- errLead
		return result
	}
	q.leading = false
	if q.idle != nil {
		close(q.idle)
	}
	return result
}

// close refuses new requests and returns when those accepted are through.
func (q *queue) close(reason error) {
	q.mu.Lock()
	if q.closed != nil {
		idle := q.idle
		q.mu.Unlock()
		<-idle
		return
	}
	q.closed = reason
	q.idle = make(chan struct{})
	if !q.leading {
		close(q.idle)
	}
	idle := q.idle
	q.mu.Unlock()
	<-idle
}

// Append stores a record and returns when it is durable (with SyncLog; without, when
// the operating system has it). On an error the record is not stored, or, with
// [ErrFailed], may turn out to be stored when the store is opened again.
//
// A Commit or Rollback of a transaction the store does not know is no error: its
// prewrite may have gone to another pump, or it is a repetition. Append does not
// keep rec.Payload, but the caller must not change it before Append returns; ctx is
// looked at only before the record is on its way.
func (s *Store) Append(ctx context.Context, rec Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := rec.check(); err != nil {
		return err
	}
	if rec.Type != Prewrite {
		rec.Payload = nil
	} else if err := s.admit(); err != nil {
		return err
	}
	return s.append(rec, 0)
}

// admit tells whether a new transaction may be stored.
func (s *Store) admit() error {
	if s.space.refusing.Load() {
		return fmt.Errorf("%w: %d bytes are available, writes stop below %d",
			ErrNoSpace, s.space.available.Load(), s.opts.StopWriteAtAvailable)
	}
	return nil
}

func (s *Store) append(rec Record, flags uint8) error {
	if err := s.Failed(); err != nil {
		return err
	}
	return s.queue.submit(rec, flags, s.writeBatch)
}
