package mysql

import (
	"context"
	"slices"
	"sync"
	"time"

	"pumphouse/drainer/sink"
	"pumphouse/nodes"
)

// job is a transaction of the upstream on its way downstream.
type job struct {
	txn   *sink.Txn
	ddl   []sink.Statement // to be run before the changes
	upto  nodes.TSO        // once this and all before are downstream, everything up to it is
	rows  int
	bytes int64
	alone bool // nothing may be on the way with it
	safe  bool // it may be downstream already, without a record

	worker int
	seq    uint64   // its place among the worker's
	after  []uint64 // by worker: the place up to which those must be downstream first; nil: nothing
	done   bool
}

// place is where a job went: a worker and its place there.
type place struct {
	worker int
	seq    uint64
}

// scheduler hands jobs to workers. Every job goes to one of them, which applies its jobs in
// the order they were put. A job that touches what an earlier one touched goes to the worker
// of that; when there are several such workers, it also waits for the others. As a job
// waits only for earlier ones, and a worker never holds a transaction open while it waits,
// there is no circle.
type scheduler struct {
	near limits // over no distance

	mu                 sync.Mutex
	limits             limits          // over the distance that there is
	trips              []time.Duration // by worker, its last connection's round trip; 0: it has had none
	trip               time.Duration   // the shortest of them
	work               time.Duration   // of the downstream for a row, with all connections at it; 0: not known
	workTime, workRows float64         // of which it is made
	err                error           // why nothing goes on
	lanes              []*lane
	keys               map[uint64]place
	table              map[int64]*tableLane
	sweep              int // number of keys at which those of the past are removed
	alone              place
	fill               int // the worker that the last free job went to
	run                int // rows it was given in a row

	order   []*job // on the way, by commit TS
	bytes   int64
	passed  nodes.TSO
	applied nodes.TSO
	moved   sink.Cond // something has ended
}

// lane are the jobs of one worker.
type lane struct {
	queue []*job
	rows  int    // in queue
	put   uint64 // the last place given
	done  uint64 // the last place that is downstream
	busy  bool
	wake  chan struct{} // capacity 1
}

// tableLane is who changes a table of which keys do not tell everything.
type tableLane struct {
	shared []uint64 // by worker, last place of jobs whose keys do tell
	whole  place    // last one of which they do not
}

func newScheduler(l limits, from nodes.TSO) *scheduler {
	s := &scheduler{
		near: l, limits: l, trips: make([]time.Duration, l.workers), keys: map[uint64]place{}, table: map[int64]*tableLane{}, sweep: 1 << 14,
		passed: from, applied: from,
	}
	for range l.workers {
		s.lanes = append(s.lanes, &lane{wake: make(chan struct{}, 1)})
	}
	return s
}

// touched is what a job touches.
type touched struct {
	keys   []uint64
	shared []int64 // tables of which the keys tell everything
	whole  []int64 // tables of which they do not
}

// put hands a job to a worker, and waits before that while too much is on the way.
func (s *scheduler) put(ctx context.Context, j *job, t touched) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && len(s.order) > 0 && (s.bytes+j.bytes > s.limits.bytes || len(s.order) >= s.limits.inFlight) {
		if err := s.moved.Wait(ctx, &s.mu); err != nil {
			return err
		}
	}
	if s.err != nil {
		return s.err
	}
	s.chooseLocked(j, t)
	l := s.lanes[j.worker]
	l.put++
	j.seq = l.put
	s.rememberLocked(j, t)
	l.queue = append(l.queue, j)
	l.rows += j.rows
	s.order = append(s.order, j)
	s.bytes += j.bytes
	sink.Wake(l.wake)
	return nil
}

// chooseLocked finds what a job has to wait for, and its worker.
func (s *scheduler) chooseLocked(j *job, t touched) {
	best := place{worker: -1}
	need := func(p place) {
		if p.seq == 0 || s.lanes[p.worker].done >= p.seq {
			return
		}
		if j.after == nil {
			j.after = make([]uint64, len(s.lanes))
		}
		j.after[p.worker] = max(j.after[p.worker], p.seq)
		best = p
	}
	everyone := func(seqs []uint64) {
		for w, seq := range seqs {
			need(place{w, seq})
		}
	}
	need(s.alone)
	if j.alone {
		for w, l := range s.lanes {
			need(place{w, l.put})
		}
	}
	for _, k := range t.keys {
		need(s.keys[k])
	}
	for _, id := range t.shared {
		if tl := s.table[id]; tl != nil {
			need(tl.whole)
		}
	}
	for _, id := range t.whole {
		if tl := s.table[id]; tl != nil {
			need(tl.whole)
			everyone(tl.shared)
		}
	}
	if j.worker = best.worker; best.worker < 0 {
		j.worker = s.freeLocked(j.rows)
	}
}

// freeLocked is the worker for a job that waits for nobody: an idle one, or the one with the
// least to do, which then gets the next ones too until they fill a transaction.
func (s *scheduler) freeLocked(rows int) int {
	if cur := s.lanes[s.fill]; s.run+rows <= s.limits.rows && cur.busy && len(cur.queue) > 0 {
		s.run += rows
		return s.fill
	}
	best := 0
	for w, l := range s.lanes {
		b := s.lanes[best]
		if !l.busy && len(l.queue) == 0 {
			best = w
			break
		}
		if l.rows < b.rows || l.rows == b.rows && !l.busy && b.busy {
			best = w
		}
	}
	s.fill, s.run = best, rows
	return best
}

// rememberLocked lets later jobs know what this one touches.
func (s *scheduler) rememberLocked(j *job, t touched) {
	at := place{j.worker, j.seq}
	if j.alone {
		// Whatever comes waits for this one, so what was before does not matter any more.
		s.alone = at
		clear(s.keys)
		clear(s.table)
		return
	}
	for _, k := range t.keys {
		s.keys[k] = at
	}
	for _, id := range t.shared {
		s.laneLocked(id).shared[j.worker] = j.seq
	}
	for _, id := range t.whole {
		s.laneLocked(id).whole = at
	}
	if len(s.keys) >= s.sweep {
		for k, p := range s.keys {
			if s.lanes[p.worker].done >= p.seq {
				delete(s.keys, k)
			}
		}
		s.sweep = max(1<<14, 2*len(s.keys))
	}
}

func (s *scheduler) laneLocked(id int64) *tableLane {
	tl := s.table[id]
	if tl == nil {
		tl = &tableLane{shared: make([]uint64, len(s.lanes))}
		s.table[id] = tl
	}
	return tl
}

// take waits for a worker's next jobs and gives as many as one transaction is to have. It
// gives none when the sink has ended.
func (s *scheduler) take(w int, batch []*job) []*job {
	l := s.lanes[w]
	for {
		s.mu.Lock()
		if s.err != nil {
			s.mu.Unlock()
			return nil
		}
		if batch = s.readyLocked(w, batch[:0]); len(batch) > 0 {
			l.busy = true
			s.mu.Unlock()
			return batch
		}
		l.busy = false
		s.mu.Unlock()
		<-l.wake
	}
}

func (s *scheduler) readyLocked(w int, batch []*job) []*job {
	l := s.lanes[w]
	rows := 0
	for _, j := range l.queue {
		if !s.mayLocked(w, j) || len(batch) > 0 && (j.alone || rows+j.rows > s.limits.rows) {
			break
		}
		batch = append(batch, j)
		rows += j.rows
		if j.alone {
			break
		}
	}
	l.queue = slices.Delete(l.queue, 0, len(batch))
	l.rows -= rows
	return batch
}

// mayLocked reports whether all that a job waits for is downstream.
func (s *scheduler) mayLocked(w int, j *job) bool {
	for other, seq := range j.after {
		if other != w && s.lanes[other].done < seq {
			return false
		}
	}
	return true
}

// finish says that a worker's jobs are downstream.
func (s *scheduler) finish(w int, batch []*job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes[w].done = batch[len(batch)-1].seq
	for _, j := range batch {
		j.done = true
		s.bytes -= j.bytes
		j.txn, j.after = nil, nil
	}
	n := 0
	for n < len(s.order) && s.order[n].done {
		s.applied = max(s.applied, s.order[n].upto)
		n++
	}
	if n > 0 {
		clear(s.order[:n])
		s.order = s.order[n:]
	}
	s.moved.Broadcast()
	for other, l := range s.lanes {
		if other != w && len(l.queue) > 0 && !l.busy {
			sink.Wake(l.wake)
		}
	}
}

// pass says that everything up to a commit TS has been put.
func (s *scheduler) pass(ts nodes.TSO) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed = ts
	if n := len(s.order); n > 0 {
		s.order[n-1].upto = ts
	} else {
		s.applied = ts
	}
}

// settled reports whether no job is on the way that is alone, such as a statement of DDL.
func (s *scheduler) settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alone.seq == 0 || s.lanes[s.alone.worker].done >= s.alone.seq
}

// flush waits until everything that was put is downstream.
func (s *scheduler) flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && len(s.order) > 0 {
		if err := s.moved.Wait(ctx, &s.mu); err != nil {
			return err
		}
	}
	return s.err
}

// fail ends everything with an error, if nothing has yet.
func (s *scheduler) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	s.moved.Broadcast()
	for _, l := range s.lanes {
		sink.Wake(l.wake)
	}
}

func (s *scheduler) state() (passed, applied nodes.TSO, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passed, s.applied, s.err
}

// close ends everything; what is asked from then on gives err, whatever was before.
func (s *scheduler) close(err error) {
	s.fail(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}
