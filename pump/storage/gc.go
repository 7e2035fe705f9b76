package storage

import (
	"errors"
	"fmt"
	"path/filepath"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// Purge says what a [Store.GC] removed.
type Purge struct {
	Segments int       // of the log
	Bytes    int64     // of the log
	Purged   nodes.TSO // binlogs up to here are gone, or some of them; 0: nothing ever was
}

// GC removes the oldest segments of the log as long as all their binlogs have a commit
// TS of at most before, and the index with them. What is unresolved or not yet sorted
// stays. The caller sees to it that before is old enough and that every drainer has
// consumed it; a drainer that has not gets a [*PurgedError].
func (s *Store) GC(before nodes.TSO) (Purge, error) {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	s.mu.Lock()
	p := Purge{Purged: s.purged}
	worthwhile := len(s.segments) > 1 && s.segments[0].purgeable(before)
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return p, ErrClosed
	}
	if !worthwhile {
		return p, nil
	}
	// A checkpoint first, so that opening the store needs as little of the log as
	// can be; a second one says what is purged before the files go.
	defer s.keepReserve()
	if err := s.checkpointOnFullDisk(); err != nil {
		return p, fmt.Errorf("gc: %w", err)
	}
	gone, index := s.forget(before, &p)
	if len(gone) == 0 {
		return p, nil
	}
	if err := s.checkpointOnFullDisk(); err != nil {
		return p, fmt.Errorf("gc: %w", err) // the files go at the next start
	}
	for _, seg := range gone {
		if err := s.opts.FS.Remove(filepath.Join(s.opts.Dir, logName(seg.id))); err != nil {
			return p, fmt.Errorf("gc: %w", err)
		}
	}
	for _, file := range index {
		if err := s.opts.FS.Remove(filepath.Join(s.opts.Dir, indexName(file))); err != nil {
			return p, fmt.Errorf("gc: %w", err)
		}
	}
	if err := s.opts.FS.SyncDir(s.opts.Dir); err != nil {
		return p, fmt.Errorf("gc: %w", err)
	}
	s.counts.purgeSegs.Add(uint64(p.Segments))
	s.checkSpace()
	s.opts.Logger.WithField("commit_ts", p.Purged).Infof("purged %d segments of the log, %d bytes", p.Segments, p.Bytes)
	return p, nil
}

// reserveBytes is how much space the reserve file keeps at most, besides that for checkpoints.
const reserveBytes = 4 << 20

// keepReserve keeps some disk space in a file of its own, so that GC can write down
// what it removes even when nothing else fits on the disk any more. Without space for
// it there is none.
func (s *Store) keepReserve() {
	name := filepath.Join(s.opts.Dir, reserveName)
	f, err := disk.Create(s.opts.FS, name)
	if err == nil {
		err = errors.Join(f.Preallocate(s.reserveSize()), f.Close())
	}
	s.space.reserved.Store(err == nil)
	if err != nil && !noSpace(err) {
		s.opts.Logger.WithError(err).Warn("cannot keep disk space in reserve for gc")
	}
}

// reserveSize has space for two checkpoints with as much waiting in memory as can, and half as
// much again.
func (s *Store) reserveSize() int64 {
	return min(reserveBytes, s.opts.SegmentBytes) + 3*entrySize*int64(s.opts.WaitInMemory)
}

// checkpointOnFullDisk writes a checkpoint, with the space of the reserve if need be.
func (s *Store) checkpointOnFullDisk() error {
	err := s.checkpoint()
	if !noSpace(err) {
		return err
	}
	s.space.reserved.Store(false)
	if err := ignoreNotExist(s.opts.FS.Remove(filepath.Join(s.opts.Dir, reserveName))); err != nil {
		return err
	}
	return s.checkpoint()
}

// purgeable reports whether nobody needs a segment any more.
func (seg *segment) purgeable(before nodes.TSO) bool {
	return seg.live == 0 && seg.maxCommit <= before
}

// forget takes what GC may remove out of the store's memory.
func (s *Store) forget(before nodes.TSO, p *Purge) (gone []*segment, index []uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.segments)-1 && s.segments[n].id < s.checkpointed.seg && s.segments[n].purgeable(before) {
		s.purged = max(s.purged, s.segments[n].maxCommit)
		p.Bytes += s.segments[n].end
		n++
	}
	gone = s.segments[:n:n]
	s.segments = s.segments[n:]
	p.Segments, p.Purged = n, s.purged
	if n > 0 {
		index = s.index.dropBefore(s.purged)
		s.wakeLocked() // a puller that lags must hear of it
	}
	return gone, index
}
