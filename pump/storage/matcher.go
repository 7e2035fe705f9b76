package storage

import (
	"time"

	"pumphouse/nodes"
)

// matcher joins commits to their prewrites and puts the transactions in commit TS
// order. Fed the records in the order of the log, it emits the entries of the index. See
// "The order" in doc.go for why what it emits is final. It does not touch the disk: while
// some of what waits is there, [Store.sortAll] reads it and calls step.
//
// Not safe for concurrent use.
type matcher struct {
	// emit takes the next transaction of the sorted sequence.
	emit func(entry)
	// settle hears of every prewrite that will not be emitted after all.
	settle func(place)

	unresolved map[nodes.TSO]*prewrite // by start TS
	oldest     *prewrite               // the same, as a list in log order
	newest     *prewrite
	free       *prewrite // spare nodes, linked by next

	waiting waiting // committed, but not emitted

	top  nodes.TSO // the largest commit TS the log or the clock has told
	mark nodes.TSO // everything up to here is known, so it may be emitted
	done nodes.TSO // everything up to here is emitted; the mark, as soon as that is done
	last nodes.TSO // the commit TS of the last entry emitted
}

// prewrite is a transaction nobody has told the end of yet.
type prewrite struct {
	startTS nodes.TSO
	floor   nodes.TSO // its commit TS is larger
	at      place
	size    uint32

	since time.Time // when it was written, or the store opened
	asked *inquiry  // what the resolver was asked about it; nil: nothing yet

	before, after *prewrite
}

// outcome is what became of a record.
type outcome uint8

const (
	accepted  outcome = iota
	repeated          // a prewrite whose start TS is unresolved already
	unmatched         // a commit or rollback without a prewrite
	late              // a commit at or below the mark: it can no longer be put in order
)

func newMatcher(emit func(entry), settle func(place), inMemory int) *matcher {
	return &matcher{
		emit: emit, settle: settle, unresolved: make(map[nodes.TSO]*prewrite),
		waiting: waiting{limit: inMemory, nextFile: 1},
	}
}

// prewrite adds a prewrite that the log holds at a place.
func (m *matcher) prewrite(startTS, floor nodes.TSO, at place, size uint32, now time.Time) outcome {
	m.top = max(m.top, floor)
	if m.unresolved[startTS] != nil {
		m.settle(at)
		m.drain()
		return repeated
	}
	m.hold(prewrite{startTS: startTS, floor: floor, at: at, size: size, since: now})
	m.drain() // the top may have moved, and with it the mark
	return accepted
}

// hold adds an unresolved prewrite after all others.
func (m *matcher) hold(what prewrite) {
	p := m.free
	if p != nil {
		m.free = p.after
	} else {
		p = new(prewrite)
	}
	*p = what
	p.before, p.after = m.newest, nil
	if m.newest != nil {
		m.newest.after = p
	} else {
		m.oldest = p
	}
	m.newest = p
	m.unresolved[p.startTS] = p
}

// commit ends a transaction at commitTS.
func (m *matcher) commit(startTS, commitTS nodes.TSO) outcome {
	p := m.unresolved[startTS]
	if p == nil {
		return unmatched
	}
	e := entry{commitTS: commitTS, startTS: startTS, at: p.at, size: p.size}
	m.remove(p)
	if commitTS <= m.mark {
		m.settle(e.at)
		m.drain()
		return late
	}
	m.top = max(m.top, commitTS)
	m.waiting.push(e)
	m.drain()
	return accepted
}

// rollback ends a transaction without effect.
func (m *matcher) rollback(startTS nodes.TSO) outcome {
	p := m.unresolved[startTS]
	if p == nil {
		return unmatched
	}
	at := p.at
	m.remove(p)
	m.settle(at)
	m.drain()
	return accepted
}

// advance says that every prewrite not yet in the log will commit after ts.
func (m *matcher) advance(ts nodes.TSO) {
	if ts > m.top {
		m.top = ts
		m.drain()
	}
}

func (m *matcher) remove(p *prewrite) {
	delete(m.unresolved, p.startTS)
	if p.before != nil {
		p.before.after = p.after
	} else {
		m.oldest = p.after
	}
	if p.after != nil {
		p.after.before = p.before
	} else {
		m.newest = p.before
	}
	*p = prewrite{after: m.free}
	m.free = p
}

// emitAtOnce is how many transactions are emitted under the lock at once.
const emitAtOnce = 1024

// drain moves the mark as far as the oldest unresolved prewrite allows, and emits what
// lies up to it, unless some of that is on disk or it is too much at once.
func (m *matcher) drain() {
	mark := m.top
	if m.oldest != nil {
		mark = m.oldest.floor
	}
	if mark <= m.mark {
		return
	}
	m.mark = mark
	if !m.waiting.spilled() {
		m.step(emitAtOnce)
	}
}

// step emits up to n transactions that lie at or below the mark. It returns the run that must
// be read before it can go on, and whether there is more to do.
func (m *matcher) step(n int) (read *run, more bool) {
	w := &m.waiting
	if len(w.full) > 0 {
		return nil, true // they must be sorted first
	}
	for {
		r, others := w.least()
		bound := m.mark
		if r != nil {
			bound = min(bound, r.head)
		}
		for len(w.heap) > 0 && w.heap[0].commitTS <= bound {
			if n--; n < 0 {
				return nil, true
			}
			m.out(w.heap.pop())
		}
		switch {
		case r == nil || r.head > m.mark:
			m.done = m.mark
			return nil, false
		case len(r.buf) == 0:
			return r, true
		}
		bound = min(m.mark, others)
		if len(w.heap) > 0 {
			bound = min(bound, w.heap[0].commitTS)
		}
		for len(r.buf) > 0 && r.buf[0].commitTS <= bound {
			if n--; n < 0 {
				return nil, true
			}
			m.out(r.take())
		}
		if r.left() == 0 {
			w.remove(r)
		}
	}
}

// out emits a transaction.
func (m *matcher) out(e entry) {
	m.waiting.count--
	if e.commitTS == m.last { // PD gives no TSO twice; the second would break the order
		m.settle(e.at)
		return
	}
	m.last, m.done = e.commitTS, e.commitTS
	m.emit(e)
}

// entryHeap is a binary heap of entries, the smallest commit TS first.
type entryHeap []entry

func (h *entryHeap) push(e entry) {
	s := append(*h, e)
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if s[parent].commitTS <= e.commitTS {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = e
	*h = s
}

func (h *entryHeap) pop() entry {
	s := *h
	least, e := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		if cap(s) > 1<<16 { // a long wait is over: give its memory back
			*h = nil
		}
		return least
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if child+1 < len(s) && s[child+1].commitTS < s[child].commitTS {
			child++
		}
		if e.commitTS <= s[child].commitTS {
			break
		}
		s[i] = s[child]
		i = child
	}
	s[i] = e
	return least
}
