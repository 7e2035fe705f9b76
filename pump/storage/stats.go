package storage

import (
	"context"
	"time"

	"pumphouse/nodes"
)

// Stats is the state of a store in figures.
type Stats struct {
	MaxCommitTS  nodes.TSO // see [Store.MaxCommitTS]
	LastCommitTS nodes.TSO // see [Store.LastCommitTS]
	PurgedTS     nodes.TSO // binlogs up to here are gone, or some of them; 0: none

	Segments   int   // of the log
	LogBytes   int64 // that they take
	IndexBytes int64

	Unresolved    int           // prewrites whose end is not known
	OldestStartTS nodes.TSO     // of the oldest of them, which holds everything behind it
	OldestAge     time.Duration // since it was written, or the store was opened
	Waiting       int           // committed transactions that it holds

	AvailableBytes uint64 // on the file system
	CapacityBytes  uint64
	Refusing       bool // prewrites are refused for want of space

	// Since the store was opened:
	Records  uint64 // appended
	Batches  uint64 // they were written in
	Bytes    uint64 // they took
	Repeated uint64 // prewrites and commits that came again
	Lost     uint64 // commits without their prewrite
	Late     uint64 // commits that could not be put in order any more
	Asked    uint64 // questions to the resolver
	TimedOut uint64 // prewrites rolled back because there was nobody to ask
	Purged   uint64 // segments removed by GC
}

// Stats returns the present figures.
func (s *Store) Stats() Stats {
	c := &s.counts
	st := Stats{
		AvailableBytes: s.space.available.Load(),
		CapacityBytes:  s.space.capacity.Load(),
		Refusing:       s.space.refusing.Load(),
		Records:        c.records.Load(),
		Batches:        c.batches.Load(),
		Bytes:          c.bytes.Load(),
		Repeated:       c.repeated.Load(),
		Lost:           c.lost.Load(),
		Late:           c.late.Load(),
		Asked:          c.asked.Load(),
		TimedOut:       c.timedOut.Load(),
		Purged:         c.purgeSegs.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.MaxCommitTS, st.LastCommitTS, st.PurgedTS = s.matcher.mark, s.matcher.last, s.purged
	st.Segments, st.IndexBytes = len(s.segments), s.index.bytes()
	for _, seg := range s.segments {
		st.LogBytes += seg.end
	}
	st.Unresolved, st.Waiting = len(s.matcher.unresolved), len(s.matcher.waiting)
	if p := s.matcher.oldest; p != nil {
		st.OldestStartTS, st.OldestAge = p.startTS, s.opts.Now().Sub(p.since)
	}
	return st
}

// Found is a stored binlog, and what is known of its end.
type Found struct {
	StartTS  nodes.TSO
	CommitTS nodes.TSO // 0: not known yet
	Sorted   bool      // pulls deliver it
	Payload  []byte    // of the prewrite
}

// Lookup finds the binlog of a transaction. It is for debugging: finding one that is
// committed means reading the index from startTS on. One that was rolled back is not
// found: [ErrNotFound].
func (s *Store) Lookup(ctx context.Context, startTS nodes.TSO) (Found, error) {
	found := Found{StartTS: startTS}
	e, known := s.lookupOpen(startTS, &found)
	if !known {
		var err error
		if e, err = s.lookupSorted(ctx, startTS); err != nil {
			return Found{}, err
		}
		found.CommitTS, found.Sorted = e.commitTS, true
	}
	r := newLogReader(s.opts.FS, s.opts.Dir)
	defer r.close()
	var err error
	// Not further than the record itself: behind it the writer may be at work.
	found.Payload, err = r.record(e, e.at.offset()+headerSize+int64(e.size))
	return found, err
}

// lookupOpen looks among the transactions that are not sorted yet.
func (s *Store) lookupOpen(startTS nodes.TSO, found *Found) (entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.matcher.unresolved[startTS]; p != nil {
		return entry{startTS: startTS, at: p.at, size: p.size}, true
	}
	for _, e := range s.matcher.waiting {
		if e.startTS == startTS {
			found.CommitTS = e.commitTS
			return e, true
		}
	}
	return entry{}, false
}

// lookupSorted looks through the index. A transaction's commit TS is larger than its
// start TS, and no transaction takes a day.
func (s *Store) lookupSorted(ctx context.Context, startTS nodes.TSO) (entry, error) {
	const day = nodes.TSO(24*60*60*1000) << 18
	s.mu.Lock()
	n, err := s.index.behind(startTS)
	s.mu.Unlock()
	var batch []entry
	for err == nil {
		if err = ctx.Err(); err != nil {
			break
		}
		s.mu.Lock()
		if n >= s.index.end() {
			s.mu.Unlock()
			break
		}
		batch, err = s.entriesLocked(batch[:0], n, 4*pullBatch)
		s.mu.Unlock()
		for _, e := range batch {
			switch {
			case e.startTS == startTS:
				return e, nil
			case e.commitTS > startTS+day:
				return entry{}, ErrNotFound
			}
		}
		n += uint64(len(batch))
	}
	if err == nil {
		err = ErrNotFound
	}
	return entry{}, err
}
