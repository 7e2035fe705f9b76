package merge

import (
	"context"
	"fmt"
	"sync"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// Source is one pump's way into the merge. Push and End are called by one goroutine at a
// time.
type Source struct {
	m    *Merger
	pump string

	hungry chan struct{} // capacity 1: a push that waits for room may look again

	mu      sync.Mutex
	queue   []Item    // transactions, ascending
	bytes   int64     // of queue
	clock   nodes.TSO // TS delivered last, a fake binlog's too
	wanted  bool      // the merge sleeps until something comes from here
	blocked bool      // a push waits for room
	ended   bool      // nothing more will come

	// Next's own.
	out    []Item // taken from queue
	i      int    // of which these have come out
	passed nodes.TSO
	gone   bool // ended was seen, after everything was taken
}

// Pump is the node ID of the pump.
func (s *Source) Pump() string { return s.pump }

// Position is the commit TS that the pump delivered last, of a fake binlog too, or the
// one it is read from: where to resume.
func (s *Source) Position() nodes.TSO {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

// Push adds what the pump delivered next. It waits while the buffer is full and then
// fails only with ctx's cause. A delivery that is not after the one before it is a
// [*DisorderError]; a fake one is ignored then, since it says nothing new.
func (s *Source) Push(ctx context.Context, d binlogpb.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ts := nodes.TSO(d.CommitTS)
	switch {
	case s.ended:
		return fmt.Errorf("pump %q: a delivery after the end of the source", s.pump)
	case ts > s.clock:
	case d.Fake():
		return nil
	default:
		return s.m.disorder(&DisorderError{Pump: s.pump, CommitTS: ts, StartTS: nodes.TSO(d.StartTS), After: s.clock,
			Reason: "the pump itself has delivered up to there"})
	}
	if !d.Fake() {
		size := Size(d)
		if !s.roomLocked(size) {
			if err := s.waitLocked(ctx, size); err != nil {
				return err
			}
		}
		s.queue = append(s.queue, Item{Delivery: d, Pump: s.pump})
		s.bytes += size
		if !s.wanted {
			s.m.waits()
		}
	}
	s.clock = ts
	s.newsLocked()
	return nil
}

// roomLocked takes size bytes of the buffer: of what every source may have for itself, of
// what all share, or, when the merge cannot go on without this source, beyond both.
func (s *Source) roomLocked(size int64) bool {
	if s.bytes+size <= s.m.share.Load() || s.wanted {
		s.m.queued.force(size)
		return true
	}
	return s.m.queued.try(size)
}

// waitLocked waits for roomLocked, unlocked.
func (s *Source) waitLocked(ctx context.Context, size int64) error {
	for {
		freed, leave := s.m.queued.await()
		if s.roomLocked(size) {
			leave()
			return nil
		}
		s.blocked = true
		s.mu.Unlock()
		var err error
		select {
		case <-freed:
		case <-s.hungry:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		leave()
		s.mu.Lock()
		s.blocked = false
		if err != nil {
			return err
		}
	}
}

// End says that nothing more will come from the pump and that nobody waits for it any
// more. It may be called again.
func (s *Source) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.newsLocked()
}

// revive takes End back; false: it was not called.
func (s *Source) revive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.ended
	s.ended = false
	return was
}

// newsLocked wakes the merge if it sleeps for this source.
func (s *Source) newsLocked() {
	if s.wanted {
		s.wanted = false
		s.m.rouse()
	}
}

// take moves everything queued to out, of which everything has come out, and tells
// whether that is any news.
func (s *Source) take() bool {
	if cap(s.out) > keepItems {
		s.out = nil
	}
	clear(s.out) // the payloads are the consumer's now
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out, s.queue, s.i = s.queue, s.out[:0], 0
	s.bytes = 0
	s.feedLocked()
	news := s.clock != s.passed || s.ended
	s.passed, s.gone = s.clock, s.ended
	return news
}

// keepItems is how long a queue may be to be used again.
const keepItems = 16 << 10

// want lets the next push wake the merge, unless something came meanwhile: then it is
// false.
func (s *Source) want() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 || s.clock != s.passed || s.ended {
		return false
	}
	s.wanted = true
	s.feedLocked()
	return true
}

// feedLocked lets a push that waits for room look again.
func (s *Source) feedLocked() {
	if !s.blocked {
		return
	}
	select {
	case s.hungry <- struct{}{}:
	default:
	}
}

// unwant takes want back.
func (s *Source) unwant() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = false
}

// empty reports whether everything taken has come out.
func (s *Source) empty() bool { return s.i == len(s.out) }
