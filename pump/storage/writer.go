package storage

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// writeChunk is how many bytes the writer gathers before it writes; larger
// payloads are written straight from where they are.
const writeChunk = 256 << 10

// logWriter is the end of the log. It belongs to the leader of the queue: one
// goroutine at a time, handed on through the queue's mutex.
type logWriter struct {
	id      uint32
	file    disk.File
	seed    uint32
	offset  int64        // where the next record goes
	durable atomic.Int64 // everything before is known to be on disk
	size    int64        // what the file has space for
	zeroed  int64        // as far as zeros have been written ahead of the records
	buf     []byte
	zeros   [align]byte
}

// writeBatch writes, syncs and applies the requests of one round, and sets the errors of those
// that could not be stored.
func (s *Store) writeBatch(batch []*request) {
	s.assignFloors(batch)
	for len(batch) > 0 {
		n, err := s.writeRun(batch)
		if err != nil {
			for _, r := range batch {
				r.err = err
			}
			break
		}
		batch = batch[n:]
	}
	s.mu.Lock()
	s.writing = false
	if s.advanced > 0 {
		s.matcher.advance(s.advanced)
		s.advanced = 0
		s.wakeLocked()
	}
	s.mu.Unlock()
}

// assignFloors gives each prewrite the largest commit TS known before it.
func (s *Store) assignFloors(batch []*request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = true
	top := s.matcher.top
	var own map[nodes.TSO]bool // prewrites of the batch before a commit in it; nil: not needed yet
	for i, r := range batch {
		switch r.rec.Type {
		case Prewrite:
			r.floor = top
			if own != nil {
				own[r.rec.StartTS] = true
			}
		case Commit:
			known := s.matcher.unresolved[r.rec.StartTS] != nil
			if !known {
				if own == nil {
					own = prewritesOf(batch[:i])
				}
				known = own[r.rec.StartTS]
			}
			if known {
				top = max(top, r.rec.CommitTS)
			}
		}
	}
}

func prewritesOf(batch []*request) map[nodes.TSO]bool {
	starts := make(map[nodes.TSO]bool)
	for _, r := range batch {
		if r.rec.Type == Prewrite {
			starts[r.rec.StartTS] = true
		}
	}
	return starts
}

// writeRun writes as many requests as fit into one segment, all or none of them.
func (s *Store) writeRun(batch []*request) (int, error) {
	w := &s.writer
	if err := s.Failed(); err != nil {
		return 0, err
	}
	if need := footprint(len(batch[0].rec.Payload)); w.offset+need > w.size {
		if err := s.roll(need); err != nil {
			return 0, err
		}
	}
	begin, end, n := w.offset, w.offset, 0
	for ; n < len(batch); n++ {
		need := footprint(len(batch[n].rec.Payload))
		if end+need > w.size {
			break
		}
		batch[n].at = place{seg: w.id, off: uint32(end / align)}
		end += need
	}
	batch = batch[:n]

	started := time.Now()
	if err := w.write(batch); err != nil {
		return 0, s.refuse(err)
	}
	written := time.Now()
	if s.opts.SyncLog {
		if err := w.zeroAhead(begin, end); err != nil {
			return 0, s.refuse(err)
		}
		if err := w.file.Sync(); err != nil {
			return 0, s.fail(fmt.Errorf("sync the log: %w", err))
		}
		w.durable.Store(end)
	}
	w.offset = end
	s.apply(batch, end)
	s.observe(batch, end-begin, written.Sub(started), time.Since(written))
	return n, nil
}

func (s *Store) observe(batch []*request, bytes int64, write, sync time.Duration) {
	s.counts.batches.Add(1)
	s.counts.records.Add(uint64(len(batch)))
	s.counts.bytes.Add(uint64(bytes))
	if s.opts.OnBatch != nil {
		s.opts.OnBatch(Batch{Records: len(batch), Bytes: bytes, Write: write, Sync: sync})
	}
}

// zeroBytes is how far zeros are written ahead.
const zeroBytes = 512 << 10

// zeroAhead writes zeros after a batch that takes the bytes from begin to end. The
// file system has reserved the space, but it notes for each block when it is written
// first, and to sync that note takes longer than to sync the records. So it happens
// once for many small batches; a large one would gain nothing by it.
func (w *logWriter) zeroAhead(begin, end int64) error {
	if end <= w.zeroed || end-begin > zeroBytes/4 {
		return nil
	}
	to := min(end+zeroBytes, w.size)
	if int64(cap(w.buf)) < to-end {
		w.buf = make([]byte, to-end)
	}
	zeros := w.buf[:to-end]
	clear(zeros)
	if _, err := w.file.WriteAt(zeros, end); err != nil {
		return err
	}
	w.zeroed = to
	return nil
}

// write puts the requests where their place is.
func (w *logWriter) write(batch []*request) error {
	at := batch[0].at.offset()
	w.buf = w.buf[:0]
	flush := func(b []byte) error {
		_, err := w.file.WriteAt(b, at)
		at += int64(len(b))
		return err
	}
	durable := w.durable.Load()
	for _, r := range batch {
		if len(w.buf) >= writeChunk {
			if err := flush(w.buf); err != nil {
				return err
			}
			w.buf = w.buf[:0]
		}
		w.buf = w.appendHeader(w.buf, r, durable)
		if len(r.rec.Payload) < writeChunk {
			w.buf = append(w.buf, r.rec.Payload...)
		} else {
			if err := errors.Join(flush(w.buf), flush(r.rec.Payload)); err != nil {
				return err
			}
			w.buf = w.buf[:0]
		}
		pad := footprint(len(r.rec.Payload)) - headerSize - int64(len(r.rec.Payload))
		w.buf = append(w.buf, w.zeros[:pad]...)
	}
	return flush(w.buf)
}

func (w *logWriter) appendHeader(b []byte, r *request, durable int64) []byte {
	h := header{
		typ: r.rec.Type, flags: r.flags,
		size: uint32(len(r.rec.Payload)), payloadCRC: r.crc,
		startTS: r.rec.StartTS, commitTS: r.rec.CommitTS,
		lag: uint64(r.at.offset() - durable),
	}
	if h.typ == Prewrite {
		h.commitTS = r.floor
	}
	n := len(b)
	b = append(b, make([]byte, headerSize)...)
	h.put(b[n:], w.seed, r.at.offset())
	return b
}

// refuse says what a failed write means. Only a full disk is survived: what the write
// left behind is given up with the rest of the segment, whose records end before it.
// Were it overwritten instead, parts of it could be read as if they had been stored.
func (s *Store) refuse(cause error) error {
	if !noSpace(cause) {
		return s.fail(fmt.Errorf("write to the log: %w", cause))
	}
	w := &s.writer
	w.size = w.offset // the next run begins a segment of its own, with its space secured
	return fmt.Errorf("%w: %w", ErrNoSpace, cause)
}

// roll closes the active segment and begins the next, with space for a record that
// needs that many bytes.
func (s *Store) roll(need int64) error {
	w := &s.writer
	h := segmentHeader{id: w.id + 1, salt: s.opts.salt(), prevEnd: w.offset}
	s.mu.Lock()
	h.floor = s.matcher.top
	s.mu.Unlock()
	if !s.opts.SyncLog && w.durable.Load() < w.offset {
		if err := w.file.Sync(); err != nil {
			return s.fail(fmt.Errorf("sync the log: %w", err))
		}
		w.durable.Store(w.offset)
	}
	size := max(s.opts.SegmentBytes, segmentHeaderSize+need)
	f, seed, err := createSegment(s.opts.FS, s.opts.Dir, h, size)
	if err != nil {
		switch {
		case noSpace(err):
			return fmt.Errorf("%w: %w", ErrNoSpace, err)
		case errors.Is(err, ErrNoDescriptor):
			return err // the next write tries again
		}
		return s.fail(err)
	}
	s.seal(w)
	w.id, w.seed, w.offset, w.size, w.zeroed = h.id, seed, segmentHeaderSize, size, 0
	s.mu.Lock()
	w.file = f
	w.durable.Store(segmentHeaderSize) // under the lock: syncLog's word on the segment before must not count for this one
	s.segments = append(s.segments, &segment{id: h.id, end: segmentHeaderSize})
	s.mu.Unlock()
	s.checkSpace()
	return nil
}

// seal gives back the space a full segment did not need. That is only tidy: where its
// records end is known from the next segment's header.
func (s *Store) seal(w *logWriter) {
	if err := errors.Join(w.file.Truncate(w.offset), w.file.Close()); err != nil {
		s.opts.Logger.WithError(err).Warnf("cannot trim %s", logName(w.id))
	}
}

// apply makes durable records known: to the matcher, and through it to pullers.
func (s *Store) apply(batch []*request, end int64) {
	now := time.Now()
	s.mu.Lock()
	seg := s.segments[len(s.segments)-1]
	seg.end = end
	for _, r := range batch {
		h := header{typ: r.rec.Type, size: uint32(len(r.rec.Payload)), startTS: r.rec.StartTS, commitTS: r.rec.CommitTS}
		if h.typ == Prewrite {
			h.commitTS = r.floor
		}
		r.outcome = s.applyLocked(seg, h, r.at, now)
	}
	s.wakeLocked()
	lags := len(s.matcher.waiting.full) > maxFull
	s.mu.Unlock()
	if lags {
		s.awaitSorter()
	}
	s.housekeep(end)
}

// applyLocked feeds one record of the log to the matcher.
func (s *Store) applyLocked(seg *segment, h header, at place, now time.Time) outcome {
	switch h.typ {
	case Prewrite:
		seg.live++
		return s.matcher.prewrite(h.startTS, h.commitTS, at, h.size, now)
	case Commit:
		return s.matcher.commit(h.startTS, h.commitTS)
	case Rollback:
		return s.matcher.rollback(h.startTS)
	}
	return accepted
}

// emit takes the next transaction of the sorted sequence from the matcher.
func (s *Store) emit(e entry) {
	s.settle(e.at)
	if seg := s.segmentLocked(e.at.seg); seg != nil {
		seg.maxCommit = max(seg.maxCommit, e.commitTS)
	}
	s.index.append(e)
}

// settle hears that nobody waits for a prewrite any more.
func (s *Store) settle(at place) {
	if seg := s.segmentLocked(at.seg); seg != nil {
		seg.live--
	}
}

// segmentLocked finds a segment by its number; nil: it is purged.
func (s *Store) segmentLocked(id uint32) *segment {
	if len(s.segments) == 0 || id < s.segments[0].id {
		return nil
	}
	if i := int(id - s.segments[0].id); i < len(s.segments) {
		return s.segments[i]
	}
	return nil
}
