package storage

import (
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
	floor   nodes.TSO
	at      place
	outcome outcome // of the record, when err is nil
	err     error
}

// group is the requests that one writer brings at once.
type group struct {
	requests []request
	turn     chan bool // true: it is this writer's turn to write for all; false: it is done. One place
}

// queue lets all writers that wait at the same time share one write and one sync:
// the first to come writes for all that came with it, then hands the lead to one of
// those who came meanwhile. A lone writer so never waits for another goroutine.
type queue struct {
	mu      sync.Mutex
	waiting []*group
	spare   []*group   // the last batch's slice, to be used again
	batch   []*request // the leader's
	company bool       // the last batch was of several writers; the leader's
	leading bool
	closed  error         // set: refuse new requests with it
	idle    chan struct{} // closed when the last leader has gone; only after closed is set

	groups sync.Pool
}

// submit passes records through write, together with those of others, and returns when they
// are through: nil, or the errors that write has set for them, which are valid until the group
// is used again.
func (q *queue) submit(g *group, write func([]*request)) error {
	q.mu.Lock()
	if q.closed != nil {
		q.mu.Unlock()
		return q.closed
	}
	q.waiting = append(q.waiting, g)
	lead := !q.leading
	q.leading = true
	q.mu.Unlock()
	if lead || <-g.turn {
		q.lead(g, write)
	}
	return nil
}

// group is an empty group; it goes back with put.
func (q *queue) group() *group {
	g, _ := q.groups.Get().(*group)
	if g == nil {
		g = &group{turn: make(chan bool, 1)}
	}
	return g
}

func (q *queue) put(g *group) {
	clear(g.requests)
	g.requests = g.requests[:0]
	q.groups.Put(g)
}

// add appends a record to the group.
func (g *group) add(rec Record, flags uint8) {
	g.requests = append(g.requests, request{rec: rec, flags: flags, crc: payloadCRC(rec.Payload)})
}

// gatherTurns is how often a leader lets others run at most before it writes. With 128
// writers on two cores a batch holds half as much again as after one turn, 60 records instead
// of 40, and a transaction takes a tenth less CPU.
const gatherTurns = 4

// gather takes everything that waits. If the last batch was of several writers, who is about to
// come may still come along: as long as somebody did, others get one more turn. A lone writer
// does not ask: to give a turn wakes another thread, which costs it ten microseconds.
func (q *queue) gather() []*group {
	for turn, seen := 0, 1; q.company && turn < gatherTurns; turn++ {
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
	groups := q.waiting
	q.waiting, q.spare = q.spare, nil
	q.company = len(groups) > 1
	return groups
}

// lead writes everything that waits, own among it.
func (q *queue) lead(own *group, write func([]*request)) {
	groups := q.gather()
	for _, g := range groups {
		for i := range g.requests {
			q.batch = append(q.batch, &g.requests[i])
		}
	}
	write(q.batch)
	clear(q.batch)
	q.batch = q.batch[:0]
	for _, g := range groups {
		if g != own {
			g.turn <- false
		}
	}

	clear(groups)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = groups[:0]
	if len(q.waiting) > 0 {
		q.waiting[0].turn <- true
		return
	}
	q.leading = false
	if q.idle != nil {
		close(q.idle)
	}
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
