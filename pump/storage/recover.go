package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"pumphouse/internal/disk"
)

// Open opens the store in opts.Dir, or makes one there. It reads the log after the
// last checkpoint. A write that a crash cut short is cut off, which the log says. Damage
// is a [*DamageError]: see [Repair].
func Open(opts Options) (*Store, error) {
	opts = opts.withDefaults()
	s := &Store{opts: opts, kick: make(chan struct{}, 1), sortKick: make(chan struct{}, 1), lookup: make(chan struct{}, 1), debug: make(chan struct{}, 1)}
	s.sorted = sync.NewCond(&s.mu)
	s.matcher = newMatcher(s.emit, s.settle, opts.WaitInMemory)
	started := time.Now()
	s.opened = started
	if err := s.recover(started); err != nil {
		return nil, fmt.Errorf("open binlog storage in %s: %w", opts.Dir, errors.Join(err, s.abandon()))
	}
	s.keepReserve()
	s.checkSpace()
	s.opts.Logger.WithField("commit_ts", s.matcher.mark).WithField("unresolved", len(s.matcher.unresolved)).
		Infof("binlog storage is open after %s", time.Since(started).Round(time.Millisecond))
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.done.Add(3)
	go s.maintain(ctx)
	go s.sortLoop(ctx)
	go s.resolveLoop(ctx)
	return s, nil
}

// abandon closes the files of a store that could not be opened.
func (s *Store) abandon() error {
	var errs []error
	if s.writer.file != nil {
		errs = append(errs, s.writer.file.Close())
	}
	if s.index != nil {
		errs = append(errs, s.index.close())
	}
	errs = append(errs, s.closeReported())
	return errors.Join(errs...)
}

func (s *Store) recover(now time.Time) error {
	fsys, dir := s.opts.FS, s.opts.Dir
	if err := disk.MkdirAll(fsys, dir, 0o700); err != nil {
		return err
	}
	ids, err := logFiles(fsys, dir)
	if err != nil {
		return err
	}
	if unfinished, err := repairing(fsys, dir); err != nil {
		return err
	} else if unfinished {
		return errRepairing
	}
	c, err := loadCheckpoint(fsys, dir)
	if err != nil {
		return err
	}
	if c != nil {
		// The directory may not have been synced since this checkpoint took the place of another, which a crash would bring
		// back: what that needs is removed only now that it cannot.
		if err := fsys.SyncDir(dir); err != nil {
			return err
		}
	}
	if s.opts.importing {
		if ids, err = s.startOver(c, ids); err != nil {
			return err
		}
	}
	if err := s.openReported(); err != nil {
		return err
	}
	if c == nil && len(ids) == 0 {
		return s.create()
	}
	if c == nil {
		c = &checkpoint{at: place{seg: 1, off: segmentHeaderSize / align}, segments: []segment{{id: 1, end: segmentHeaderSize}}}
		if ids[0] != 1 {
			return &DamageError{File: filepath.Join(dir, checkpointName), Reason: "it is missing"}
		}
	}
	ids, err = s.checkFiles(c, ids)
	if err != nil {
		return err
	}
	if s.index, err = openIndex(fsys, dir, c.indexFirst, c.indexEnd); err != nil {
		return missing(err)
	}
	if err := s.restore(c, now); err != nil {
		return err
	}
	if s.lost, _, err = loadLost(fsys, dir); err != nil {
		return err
	}
	if err := s.replay(c, ids, now); err != nil {
		return err
	}
	s.sort(context.Background())
	return s.Failed()
}

// missing makes damage of an error that says that a file is not there.
func missing(err error) error {
	var pathError *fs.PathError
	if errors.Is(err, fs.ErrNotExist) && errors.As(err, &pathError) {
		return &DamageError{File: pathError.Path, Reason: "it is missing"}
	}
	return err
}

// create makes an empty store.
func (s *Store) create() error {
	var err error
	if s.index, err = openIndex(s.opts.FS, s.opts.Dir, 0, 0); err != nil {
		return err
	}
	w := &s.writer
	w.id, w.offset, w.size = 1, segmentHeaderSize, s.opts.SegmentBytes
	w.file, w.seed, err = createSegment(s.opts.FS, s.opts.Dir, segmentHeader{id: 1, salt: s.opts.salt()}, w.size)
	if err != nil {
		return err
	}
	w.durable.Store(w.offset)
	s.segments = []*segment{{id: 1, end: segmentHeaderSize}}
	s.lastEnd = w.offset
	return nil
}

// logFiles lists the segments in dir, and removes what was still being made when
// the process ended.
func logFiles(fsys disk.FS, dir string) ([]uint32, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	var ids []uint32
	for _, name := range names {
		if strings.HasSuffix(name, tmpSuffix) {
			if err := fsys.Remove(filepath.Join(dir, name)); err != nil {
				return nil, err
			}
		} else if id := logNumber(name); id > 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// checkFiles holds the segments in the directory against the checkpoint: none may be
// missing; those that GC had given up are removed. It returns those to be read.
func (s *Store) checkFiles(c *checkpoint, ids []uint32) ([]uint32, error) {
	first := c.segments[0].id
	var read []uint32
	next := first
	for _, id := range ids {
		name := filepath.Join(s.opts.Dir, logName(id))
		if id < first {
			if err := s.opts.FS.Remove(name); err != nil {
				return nil, err
			}
			continue
		}
		if id != next {
			break
		}
		next++
		if id >= c.at.seg {
			read = append(read, id)
			continue
		}
		if err := s.checkSealed(name, c.segments[id-first]); err != nil {
			return nil, err
		}
	}
	last := max(c.at.seg, first)
	if len(ids) > 0 {
		last = max(last, ids[len(ids)-1])
	}
	if next <= last {
		return nil, &DamageError{File: filepath.Join(s.opts.Dir, logName(next)), Reason: "it is missing"}
	}
	return read, nil
}

// checkSealed looks at a segment that is not read at open.
func (s *Store) checkSealed(name string, seg segment) error {
	f, err := disk.Open(s.opts.FS, name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, _, err := readSegmentHeader(f, name, seg.id); err != nil {
		return err
	}
	size, err := f.Size()
	if err == nil && size < seg.end {
		err = &DamageError{File: name, Offset: size, Reason: fmt.Sprintf("%d bytes are missing at its end", seg.end-size)}
	}
	return err
}

// openSegment is a segment that is read at open.
type openSegment struct {
	id   uint32
	name string
	file disk.File
	head segmentHeader
	seed uint32
	size int64
}

// replay reads the log after the checkpoint.
func (s *Store) replay(c *checkpoint, ids []uint32, now time.Time) error {
	var ahead *openSegment // the segment after the one being read
	for i, id := range ids {
		s.opts.Progress(i+1, len(ids))
		cur := ahead
		var err error
		if cur == nil {
			if cur, err = s.openSegment(id); err != nil {
				return err
			}
		}
		ahead = nil
		if i+1 < len(ids) {
			if ahead, err = s.openSegment(ids[i+1]); err != nil {
				return errors.Join(err, cur.file.Close())
			}
		}
		from := int64(segmentHeaderSize)
		if id == c.at.seg {
			if from = c.at.offset(); cur.size < from {
				err := &DamageError{File: cur.name, Offset: cur.size, Reason: fmt.Sprintf("it has %d bytes, the checkpoint was written when it had %d", cur.size, from)}
				if ahead != nil {
					return errors.Join(err, cur.file.Close(), ahead.file.Close())
				}
				return errors.Join(err, cur.file.Close())
			}
		} else {
			s.segments = append(s.segments, &segment{id: id, end: from})
		}
		if ahead == nil {
			return s.replayLast(cur, from, now)
		}
		end, err := s.replayRun(cur, from, ahead.head.prevEnd, now, nil)
		if err == nil && end != ahead.head.prevEnd {
			err = damaged(cur, end)
		}
		if err := errors.Join(err, cur.file.Close()); err != nil {
			return errors.Join(err, ahead.file.Close())
		}
	}
	return nil
}

func damaged(seg *openSegment, at int64) error {
	return &DamageError{File: seg.name, Offset: at, Reason: "there is no whole record, but records were stored after it"}
}

func (s *Store) openSegment(id uint32) (*openSegment, error) {
	seg := &openSegment{id: id, name: filepath.Join(s.opts.Dir, logName(id))}
	var err error
	if seg.file, err = disk.Open(s.opts.FS, seg.name); err != nil {
		return nil, err
	}
	seg.head, seg.seed, err = readSegmentHeader(seg.file, seg.name, id)
	if err == nil {
		seg.size, err = seg.file.Size()
	}
	if err != nil {
		return nil, errors.Join(err, seg.file.Close())
	}
	return seg, nil
}

// replayRun applies the records of a segment from one place to another, and returns
// where they end. see, when not nil, is shown each.
func (s *Store) replayRun(seg *openSegment, from, to int64, now time.Time, see func(at int64, h header)) (int64, error) {
	meta := s.segmentLocked(seg.id)
	end, err := newScanner(seg.file, seg.seed, min(to, seg.size)).run(from, func(at int64, h header) {
		s.applyLocked(meta, h, place{seg.id, uint32(at / align)}, now)
		if s.toSortLocked() { // memory must not grow with the log
			s.sort(context.Background())
		}
		if see != nil {
			see(at, h)
		}
	})
	meta.end = end
	s.sinceCheck.Add(end - from)
	return end, err
}

// replayLast applies the last segment's records and makes it the one to be written.
// What follows them is either nothing, or a write that was never acknowledged
// and is cut off, or, when a record further on proves that it was, damage.
func (s *Store) replayLast(seg *openSegment, from int64, now time.Time) error {
	w := &s.writer
	w.id, w.file, w.seed = seg.id, seg.file, seg.seed
	proven := from // on disk for sure
	end, err := s.replayRun(seg, from, seg.size, now, func(at int64, h header) {
		proven = max(proven, at-int64(h.lag))
	})
	if err != nil {
		return err
	}
	sc := newScanner(seg.file, seg.seed, seg.size)
	behind, err := sc.find(end+align, func(at int64, h header) bool { return at-int64(h.lag) > end })
	if err != nil {
		return err
	}
	if behind >= 0 {
		return damaged(seg, end)
	}
	rest, err := sc.lastByte(end)
	if err != nil {
		return err
	}
	if rest > end {
		s.opts.Logger.WithField("file", seg.name).WithField("offset", end).Warnf(
			"the log ends in %d bytes of a write that a crash cut short and nobody was told of; they are cut off", rest-end)
	}
	return s.readyLast(proven, end)
}

// readyLast cuts the last segment off after its records and makes those durable
// that nothing proves to be: when a sync fails, the system's cache may show what
// the disk does not hold, so they are written again before they are believed.
func (s *Store) readyLast(proven, end int64) error {
	w := &s.writer
	if err := w.file.Truncate(end); err != nil {
		return err
	}
	buf := make([]byte, scanWindow)
	for at := proven; at < end; {
		n, err := w.file.ReadAt(buf[:min(int64(len(buf)), end-at)], at)
		if n == 0 && err != nil {
			return err
		}
		if _, err := w.file.WriteAt(buf[:n], at); err != nil {
			return err
		}
		at += int64(n)
	}
	w.size = max(s.opts.SegmentBytes, end)
	if err := w.file.Preallocate(w.size); err != nil {
		if !noSpace(err) {
			return err
		}
		w.size = end // the next record begins a new segment, when there is space for one
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.offset = end
	w.durable.Store(end)
	s.lastEnd = end
	return nil
}
