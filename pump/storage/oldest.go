package storage

import "pumphouse/nodes"

// smallest remembers the smallest unresolved start TS, and up to where of the log it was
// looked for. The store's mu guards it.
type smallest struct {
	startTS nodes.TSO // 0: not known
	seen    place     // prewrites up to here were compared
}

// OldestUnresolved is the smallest start TS of all unresolved prewrites, 0 if there are
// none. It need not be the first of the log, nor the one that [Stats] calls the oldest: a
// transaction may run for hours before it prewrites.
//
// It is meant to be called often: it looks at what has come since the last call only, and
// at all that is unresolved when the smallest was resolved.
func (s *Store) OldestUnresolved() nodes.TSO {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, known := s.matcher, &s.smallest
	if m.newest == nil {
		*known = smallest{}
		return 0
	}
	all := m.unresolved[known.startTS] == nil
	for p := m.newest; p != nil && (all || p.at.after(known.seen)); p = p.before {
		if p == m.newest && all || p.startTS < known.startTS {
			known.startTS = p.startTS
		}
	}
	known.seen = m.newest.at
	return known.startTS
}

// after reports whether p follows q in the log.
func (p place) after(q place) bool { return p.seg > q.seg || p.seg == q.seg && p.off > q.off }
