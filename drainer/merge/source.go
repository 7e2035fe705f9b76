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

	hungry chan struct{} // capacity 1: the merge waits for this source, and the queues are full

	mu     sync.Mutex
	queue  []Item    // transactions, ascending
	clock  nodes.TSO // TS delivered last, a fake binlog's too
	wanted bool      // the merge sleeps until something comes from here
	ended  bool      // nothing more will come

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
// fails only with ctx's cause. A delivery that is not behind the one before it is a
// [*DisorderError]; a fake one is ignored then, since it says nothing new.
func (s *Source) Push(ctx context.Context, d binlogpb.Delivery) error {
	ts := nodes.TSO(d.CommitTS)
	if d.Fake() {
		s.mu.Lock()
		if ts > s.clock {
			s.clock = ts
			s.newsLocked()
		}
		s.mu.Unlock()
		return nil
	}
	size := Size(d)
	if !s.m.queued.try(size) {
		if err := s.waitRoom(ctx, size); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ts <= s.clock {
		s.m.queued.release(size)
		return s.m.disorder(&DisorderError{Pump: s.pump, CommitTS: ts, StartTS: nodes.TSO(d.StartTS), Behind: s.clock,
			Reason: "the pump itself has delivered up to there"})
	}
	if s.ended {
		s.m.queued.release(size)
		return fmt.Errorf("pump %q: a delivery after the end of the source", s.pump)
	}
	s.clock = ts
	s.queue = append(s.queue, Item{Delivery: d, Pump: s.pump})
	s.newsLocked()
	return nil
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

// waitRoom waits until there is room for size bytes, or until the merge cannot go on
// without this source.
func (s *Source) waitRoom(ctx context.Context, size int64) error {
	for {
		freed, leave := s.m.queued.await()
		if s.m.queued.try(size) {
			leave()
			return nil
		}
		s.mu.Lock()
		wanted := s.wanted
		s.mu.Unlock()
		if wanted {
			leave()
			s.m.queued.force(size)
			return nil
		}
		select {
		case <-freed:
		case <-s.hungry:
		case <-ctx.Done():
			leave()
			return context.Cause(ctx)
		}
		leave()
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
	select {
	case s.hungry <- struct{}{}:
	default:
	}
	return true
}

// unwant takes want back.
func (s *Source) unwant() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = false
}

// empty tells whether everything taken has come out.
func (s *Source) empty() bool { return s.i == len(s.out) }
