package storage

import (
	"pumphouse/nodes"
)

// tally keeps account of what may be missing while [Repair] reads the log in its order. See
// "Repairing" in doc.go for why its ranges cover everything that is lost.
type tally struct {
	open    map[nodes.TSO]unended // unresolved prewrites by start TS
	top     nodes.TSO             // the largest commit TS known so far, as the matcher has it
	holes   []hole
	pending int // holes from here on have no end yet
	strays  []stray
	undone  map[nodes.TSO]bool // start TSs of rollbacks without an unresolved prewrite after a hole
}

// unended is a prewrite whose outcome has not been found.
type unended struct {
	floor nodes.TSO
	holes int // that precede it
}

// hole is a place in the log whose records are gone.
type hole struct {
	LostRange // of the transactions that were in it as a whole
	lostPlace
	seg uint32
}

// lostPlace is where a hole is in its segment, and what it can have held.
type lostPlace struct {
	offset, bytes int64
	one           bool      // one record, or too little for a prewrite and its commit
	outcome       bool      // one commit or rollback
	startTS       nodes.TSO // of the one record; 0: not known
	old           bool      // of an earlier repair
}

// holds reports whether a place in the log is in the hole.
func (h *hole) holds(p place) bool {
	return p.seg == h.seg && p.offset() >= h.offset && p.offset() < h.offset+h.bytes
}

// stray is a commit without an unresolved prewrite before it.
type stray struct {
	startTS, commitTS nodes.TSO
	holes             int // that precede it
}

// segment hears of a segment's head: it was made after all that precedes it was placed.
func (t *tally) segment(floor nodes.TSO) {
	t.close(floor)
	t.top = max(t.top, floor)
}

// record hears of a whole record.
func (t *tally) record(at place, h header) {
	switch h.typ {
	case Prewrite:
		t.close(h.commitTS)
		t.top = max(t.top, h.commitTS)
		t.open[h.startTS] = unended{h.commitTS, len(t.holes)}
	case Rollback:
		if _, open := t.open[h.startTS]; !open && len(t.holes) > 0 {
			t.undone[h.startTS] = true
		}
		delete(t.open, h.startTS)
	case Commit:
		if _, open := t.open[h.startTS]; !open {
			t.strays = append(t.strays, stray{h.startTS, h.commitTS, len(t.holes)})
			return
		}
		delete(t.open, h.startTS)
		t.top = max(t.top, h.commitTS)
	case void: // a hole of an earlier repair
		t.hole(at.seg, lostPlace{offset: at.offset(), bytes: h.footprint(), old: true})
	}
}

// hole hears of a place where records were that cannot be read.
func (t *tally) hole(seg uint32, l lostPlace) {
	t.holes = append(t.holes, hole{LostRange: LostRange{From: t.top}, lostPlace: l, seg: seg})
}

// close gives the holes so far their end: a floor that was taken after them.
func (t *tally) close(floor nodes.TSO) {
	for ; t.pending < len(t.holes); t.pending++ {
		t.holes[t.pending].To = floor
	}
}

// evidence is what else is known of the log.
type evidence struct {
	old       *checkpoint // nil: it is damaged or missing
	delivered nodes.TSO   // a commit TS of the index
	now       nodes.TSO   // PD has given nothing later
	headless  bool        // nobody knows what GC has purged: the commits of that may have been in any hole
	ranges    []LostRange // of earlier repairs
	repaired  bool        // the ranges cover everything in the holes of earlier repairs
}

// finish gives holes at the end of the log their end.
func (t *tally) finish(e evidence) {
	for ; t.pending < len(t.holes); t.pending++ {
		h := &t.holes[t.pending]
		h.To = max(t.top, e.now)
		if e.covers(h) {
			h.To = e.old.top
		}
	}
}

// covers reports whether the checkpoint was written after everything in the hole.
func (e *evidence) covers(h *hole) bool {
	return e.old != nil && place{h.seg, uint32(h.offset / align)}.before(e.old.at)
}

// ranges are what may be lost of the transactions after purged, and the commit TSs of those that
// are lost for sure: their commits are strays after a hole.
func (t *tally) ranges(e evidence, purged nodes.TSO) (ranges []LostRange, lost []nodes.TSO) {
	ended := t.undone
	ranges = append(ranges, e.ranges...)
	for _, s := range t.strays {
		ended[s.startTS] = true
		if s.holes > 0 {
			lost = append(lost, s.commitTS)
			// The hole may be any before it, so only the transaction itself is known.
			ranges = append(ranges, LostRange{s.commitTS - 1, s.commitTS})
		}
	}
	prewrites := 0 // holes that can have held some
	for i := range t.holes {
		if h := &t.holes[i]; !h.outcome {
			prewrites++
		}
	}
	for i := range t.holes {
		h := &t.holes[i]
		switch {
		case h.old && e.repaired:
		case e.headless:
			to := h.To
			if !h.outcome && t.mayBeUnresolved(h, e, ended) {
				to = max(to, e.now)
			}
			ranges = append(ranges, LostRange{min(h.From, purged), to})
		case h.outcome:
		case h.one && (ended[h.startTS] || h.startTS == 0 && prewrites == 1 && len(lost) > 0): // known by its commit
		case t.mayBeUnresolved(h, e, ended): // and commits, or has committed, nobody knows where
			ranges = append(ranges, LostRange{h.From, max(h.To, e.now)})
		case !h.one && h.To > h.From:
			ranges = append(ranges, h.LostRange)
		}
	}
	kept := ranges[:0]
	for _, r := range ranges {
		if r.To > purged {
			kept = append(kept, LostRange{max(r.From, purged), r.To})
		}
	}
	return mergeRanges(kept), lost
}

// mayBeUnresolved reports whether a hole may have held a prewrite whose outcome is not in the log.
// Such a prewrite would be in the checkpoint, or it would have kept everything after the end of
// the hole from being delivered.
func (t *tally) mayBeUnresolved(h *hole, e evidence, ended map[nodes.TSO]bool) bool {
	if !e.covers(h) {
		return e.delivered <= h.To
	}
	for _, p := range e.old.unresolved {
		if h.holds(p.at) && !ended[p.startTS] {
			return true
		}
	}
	return false
}
