package storage

import (
	"math"

	"pumphouse/nodes"
)

// waiting holds the committed transactions that an unresolved prewrite keeps from being
// emitted. They come roughly in commit TS order. The newest are in a heap; when it is full,
// they become a sorted run, which is written to a file. So the memory that is needed
// does not depend on how many wait. Store.mu guards it.
type waiting struct {
	limit int // entries the heap may hold; 0: any number
	count int // transactions in all

	heap entryHeap
	full [][]entry // heaps that were full, in no order, until they are sorted
	runs []*run

	nextFile uint32   // number of the next run's file
	obsolete []uint32 // files that only the checkpoint on disk may still need
}

// run is a sorted sequence of waiting transactions.
type run struct {
	file  uint32 // number of its file; 0: it is only in memory
	level uint32 // how often its transactions were merged
	count uint64 // entries in the file
	next  uint64 // of which so many are emitted

	first, last nodes.TSO // commit TS of the file's first and last entry
	head        nodes.TSO // commit TS of the next entry, or a TS emitted before it

	buf   []entry // the next entries, as far as they have been read
	block []entry // what buf is part of
}

// left is how many transactions of the run are not emitted.
func (r *run) left() uint64 {
	if r.file == 0 {
		return uint64(len(r.buf))
	}
	return r.count - r.next
}

// take removes the next entry, which must be in memory.
func (r *run) take() entry {
	e := r.buf[0]
	r.buf = r.buf[1:]
	r.next++
	r.head = e.commitTS
	if len(r.buf) > 0 {
		r.head = r.buf[0].commitTS
	}
	return e
}

// push adds a transaction.
func (w *waiting) push(e entry) {
	w.count++
	w.heap.push(e)
	if w.limit > 0 && len(w.heap) >= w.limit {
		w.full = append(w.full, w.heap)
		w.heap = make(entryHeap, 0, w.limit)
	}
}

// spilled reports whether transactions wait outside the heap.
func (w *waiting) spilled() bool { return len(w.full) > 0 || len(w.runs) > 0 }

// least is the run with the smallest head, and the smallest head of the others.
func (w *waiting) least() (r *run, others nodes.TSO) {
	others = math.MaxInt64
	for _, c := range w.runs {
		switch {
		case r == nil || c.head < r.head:
			if r != nil {
				others = r.head
			}
			r = c
		case c.head < others:
			others = c.head
		}
	}
	return r, others
}

// remove takes a run out, whose file is needed until the next checkpoint.
func (w *waiting) remove(r *run) {
	for i, c := range w.runs {
		if c == r {
			w.runs = append(w.runs[:i], w.runs[i+1:]...)
			break
		}
	}
	if r.file != 0 {
		w.obsolete = append(w.obsolete, r.file)
	}
}

// inMemory calls fn for each transaction that is in no file.
func (w *waiting) inMemory(fn func(entry)) {
	for _, e := range w.heap {
		fn(e)
	}
	for _, full := range w.full {
		for _, e := range full {
			fn(e)
		}
	}
	for _, r := range w.runs {
		if r.file == 0 {
			for _, e := range r.buf {
				fn(e)
			}
		}
	}
}

// files are copies of the runs that have a file, to be searched without the lock.
func (w *waiting) files() []run {
	var list []run
	for _, r := range w.runs {
		if r.file != 0 {
			list = append(list, run{file: r.file, level: r.level, count: r.count, next: r.next, first: r.first, last: r.last})
		}
	}
	return list
}

// unwritten is a run that is only in memory; nil: there is none.
func (w *waiting) unwritten() *run {
	for _, r := range w.runs {
		if r.file == 0 {
			return r
		}
	}
	return nil
}

// mergeRuns is how many runs of a level become one of the next. So 65,536 transactions in the
// heap and some dozen runs hold any number of them.
const mergeRuns = 8

// mergeable is the runs to be merged next; nil: there are not enough of any level.
func (w *waiting) mergeable() []*run {
	byLevel := make(map[uint32][]*run)
	for _, r := range w.runs {
		if r.file == 0 {
			continue
		}
		byLevel[r.level] = append(byLevel[r.level], r)
		if group := byLevel[r.level]; len(group) == mergeRuns {
			return group
		}
	}
	return nil
}
