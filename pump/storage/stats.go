package storage

import (
	"time"

	"pumphouse/nodes"
)

// Stats is the state of a store in figures.
type Stats struct {
	MaxCommitTS  nodes.TSO   // see [Store.MaxCommitTS]
	LastCommitTS nodes.TSO   // see [Store.LastCommitTS]
	PurgedTS     nodes.TSO   // binlogs up to here are gone, or some of them; 0: none
	LostRanges   []LostRange `json:",omitempty"` // where damage may have taken binlogs, see [Repair]

	Segments   int   // of the log
	LogBytes   int64 // that they take
	IndexBytes int64

	Unresolved    int           // prewrites whose end is not known
	OldestStartTS nodes.TSO     // of the oldest of them, which holds back everything after it
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
	st.MaxCommitTS, st.LastCommitTS, st.PurgedTS = s.matcher.done, s.matcher.last, s.purged
	st.LostRanges = s.lost
	st.Segments, st.IndexBytes = len(s.segments), s.index.bytes()
	for _, seg := range s.segments {
		st.LogBytes += seg.end
	}
	st.Unresolved, st.Waiting = len(s.matcher.unresolved), s.matcher.waiting.count
	if p := s.matcher.oldest; p != nil {
		st.OldestStartTS, st.OldestAge = p.startTS, time.Since(p.since)
	}
	return st
}
