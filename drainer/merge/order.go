package merge

import (
	"math"
	"slices"

	"pumphouse/nodes"
)

// heads is what a scan over the sources finds.
type heads struct {
	first *Source   // the one with the least commit TS queued, nil: nothing is queued
	head  nodes.TSO // that commit TS
	next  nodes.TSO // the least one queued at the others
	hold  *Source   // the one with the least clock of those with nothing queued
	low   nodes.TSO // that clock
}

func (m *Merger) scan() heads {
	h := heads{head: math.MaxInt64, next: math.MaxInt64, low: math.MaxInt64}
	for _, s := range m.active {
		if s.empty() {
			if s.passed < h.low {
				h.hold, h.low = s, s.passed
			}
			continue
		}
		switch ts := nodes.TSO(s.out[s.i].CommitTS); {
		case ts < h.head:
			h.first, h.head, h.next = s, ts, h.head
		case ts < h.next:
			h.next = ts
		}
	}
	return h
}

// fill moves what can come out to the batch until that is full or the merge has to wait
// for the source that it gives; nil: for none, or for one to join.
func (m *Merger) fill() (hold *Source, err error) {
	defer func() {
		m.queued.release(m.dropped)
		m.dropped = 0
	}()
	for full := false; !full; {
		// What was taken from a source must not be used before this: (3) in the package
		// comment.
		m.fold()
		h := m.scan()
		switch {
		case h.first != nil && h.head <= h.low:
			if full, err = m.emit(h); err != nil {
				return nil, err
			}
		case h.hold == nil:
			return nil, nil
		case !h.hold.take():
			m.pass(h)
			return h.hold, nil
		case h.hold.gone && h.hold.empty():
			m.drop(h.hold)
		}
	}
	m.fold()
	m.pass(m.scan())
	return nil, nil
}

// fold makes sources that were added take part.
func (m *Merger) fold() {
	if m.joins.Load() == m.folded {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.folded = m.joins.Load()
	m.active = append(m.active, m.joined...)
	m.joined = nil
}

// drop forgets a source that has ended, unless it has been added again.
func (m *Merger) drop(s *Source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended || len(s.queue) > 0 {
		return
	}
	delete(m.pumps, s.pump)
	m.setShareLocked()
	m.active = slices.DeleteFunc(m.active, func(a *Source) bool { return a == s })
}

// emit moves the first source's transactions to the batch, as far as they are next, and
// reports whether the batch is full.
func (m *Merger) emit(h heads) (full bool, err error) {
	s, limit := h.first, int64(min(h.low, h.next))
	for s.i < len(s.out) && s.out[s.i].CommitTS <= limit {
		it := &s.out[s.i]
		size := Size(it.Delivery)
		if n := len(m.batch); n == m.opts.BatchItems || n > 0 && m.bytes+size > m.opts.BatchBytes {
			return true, nil
		}
		s.i++
		id := copyID{it.StartTS, it.CommitTS}
		if nodes.TSO(it.CommitTS) <= m.passed {
			m.dropped += size
			if id == m.last {
				m.duplicates.Add(1)
				continue
			}
			return false, m.disorder(&DisorderError{Pump: s.pump, CommitTS: nodes.TSO(it.CommitTS), StartTS: nodes.TSO(it.StartTS),
				After: m.passed, Reason: "its record said offline, so that nobody waited for it, or PD's clock went back"})
		}
		m.batch = append(m.batch, *it)
		m.bytes += size
		m.last, m.passed = id, nodes.TSO(it.CommitTS)
	}
	return false, nil
}

// pass notes what the sources have shown to be complete: (2) in the package comment.
func (m *Merger) pass(h heads) {
	if ts := min(h.low, h.head-1); ts != math.MaxInt64-1 && ts != math.MaxInt64 {
		m.passed = max(m.passed, ts)
	}
}

// cut makes what has come out a batch; false: there is no news.
func (m *Merger) cut() (Batch, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.batch) == 0 && m.passed == m.reached {
		return Batch{}, false
	}
	b := Batch{Items: slices.Clone(m.batch), Passed: m.passed, Bytes: m.bytes}
	m.reached = m.passed
	clear(m.batch)
	m.batch, m.bytes = m.batch[:0], 0
	m.taken.force(b.Bytes)
	m.queued.release(b.Bytes)
	m.emitted.Add(uint64(len(b.Items)))
	return b, true
}
