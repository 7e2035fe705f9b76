package storage

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// readBlock is how many entries of a run are read at once.
const readBlock = 4096

// runWriter makes the file of a run. It is durable when finish returns, before anything
// refers to it.
type runWriter struct {
	fs       disk.FS
	dir      string
	name     string
	file     disk.File
	n        uint64
	buf      []byte
	unsynced int
}

// syncBytes is how much of a run is written between two syncs: a lot at once would make the
// log's syncs wait.
const syncBytes = 4 << 20

func (s *Store) createRun(no uint32) (*runWriter, error) {
	w := &runWriter{fs: s.opts.FS, dir: s.opts.Dir, name: filepath.Join(s.opts.Dir, waitName(no))}
	var err error
	w.file, err = disk.Create(w.fs, w.name)
	return w, err
}

func (w *runWriter) add(entries []entry) error {
	for len(entries) > 0 {
		part := entries[:min(len(entries), readBlock)]
		entries = entries[len(part):]
		w.buf = appendEntries(w.buf[:0], part, w.n)
		if _, err := w.file.WriteAt(w.buf, int64(w.n)*entrySize); err != nil {
			return err
		}
		w.n += uint64(len(part))
		if w.unsynced += len(w.buf); w.unsynced >= syncBytes {
			w.unsynced = 0
			if err := w.file.Sync(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *runWriter) finish() error {
	err := w.file.Sync()
	if err := errors.Join(err, w.file.Close()); err != nil {
		return errors.Join(err, ignoreNotExist(w.fs.Remove(w.name)))
	}
	if err := w.fs.SyncDir(w.dir); err != nil {
		return errors.Join(err, ignoreNotExist(w.fs.Remove(w.name)))
	}
	return nil
}

// abandon removes what there is of the file.
func (w *runWriter) abandon() error {
	return errors.Join(w.file.Close(), ignoreNotExist(w.fs.Remove(w.name)))
}

// newFile gives a run's file its number.
func (s *Store) newFile() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.matcher.waiting
	no := w.nextFile
	w.nextFile++
	return no
}

// spill writes a run that is only in memory to a file.
func (s *Store) spill(r *run) error {
	entries := r.buf // nothing is emitted meanwhile: this goroutine would do it
	if err := s.room(uint64(len(entries)) * entrySize); err != nil {
		return fmt.Errorf("write waiting transactions: %w", err)
	}
	no := s.newFile()
	w, err := s.createRun(no)
	if err == nil {
		if err = w.add(entries); err == nil {
			err = w.finish()
		} else {
			err = errors.Join(err, w.abandon())
		}
	}
	if err != nil {
		return fmt.Errorf("write waiting transactions to %s: %w", waitName(no), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.file, r.count, r.next, r.buf, r.block = no, w.n, 0, nil, nil
	r.first, r.last = entries[0].commitTS, entries[len(entries)-1].commitTS
	return nil
}

// readRun reads the next entries of a run into memory.
func (s *Store) readRun(r *run) error {
	block := r.block[:0]
	f, err := openEntries(s.opts.FS, filepath.Join(s.opts.Dir, waitName(r.file)), 0)
	if err != nil {
		return fmt.Errorf("read waiting transactions: %w", err)
	}
	block, err = f.read(block, r.next, int(min(readBlock, r.count-r.next)))
	if err := errors.Join(err, f.close()); err != nil {
		return fmt.Errorf("read waiting transactions: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.block, r.buf, r.head = block, block, block[0].commitTS
	return nil
}

// openRun checks the file of a run that the checkpoint refers to.
func openRun(fsys disk.FS, dir string, r run) (*run, error) {
	name := filepath.Join(dir, waitName(r.file))
	f, err := openEntries(fsys, name, 0)
	if err != nil {
		return nil, missing(err)
	}
	size, err := f.file.Size()
	if want := int64(r.count) * entrySize; err == nil && size < want {
		err = &DamageError{File: name, Offset: size, Reason: fmt.Sprintf("it has %d bytes, the checkpoint needs %d", size, want)}
	}
	for _, at := range []struct {
		n  uint64
		to *nodes.TSO
	}{{0, &r.first}, {r.count - 1, &r.last}, {r.next, &r.head}} {
		var got []entry
		if err == nil {
			if got, err = f.read(nil, at.n, 1); err == nil {
				*at.to = got[0].commitTS
			}
		}
	}
	return &r, errors.Join(err, f.close())
}

// removeRuns removes the files of runs for which keep is false.
func removeRuns(fsys disk.FS, dir string, keep func(no uint32) bool) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if no := waitNumber(name); no > 0 && !keep(no) {
			if err := fsys.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// merger reads a run that is being merged, without touching what others see of it.
type merger struct {
	*entryFile
	next, end uint64
	buf       []entry
	block     []entry
}

func (m *merger) fill() (err error) {
	if len(m.buf) > 0 || m.next == m.end {
		return nil
	}
	m.block, err = m.read(m.block[:0], m.next, int(min(readBlock, m.end-m.next)))
	m.buf = m.block
	m.next += uint64(len(m.buf))
	return err
}

// merge makes one run of several, if there are enough. It gives up when something is to be
// emitted, and goes on sorting what is full in between.
func (s *Store) merge(ctx context.Context) (did bool, err error) {
	s.mu.Lock()
	group := s.matcher.waiting.mergeable()
	entries := uint64(0)
	for _, r := range group {
		entries += r.left()
	}
	s.mu.Unlock()
	// A merge is only of use: it must not take the space that a write needs next.
	if len(group) == 0 || s.room(entries*entrySize+s.opts.StopWriteAtAvailable+uint64(s.opts.SegmentBytes)) != nil {
		return false, nil
	}
	merged, err := s.mergeInto(ctx, group, s.newFile())
	if noSpace(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("merge waiting transactions: %w", err)
	}
	if merged == nil {
		return true, nil // for now
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range group {
		s.matcher.waiting.remove(r)
	}
	s.matcher.waiting.runs = append(s.matcher.waiting.runs, merged)
	return true, nil
}

// room is an error if the disk does not have some bytes besides the reserve, which is GC's.
func (s *Store) room(bytes uint64) error {
	available, _, err := s.opts.FS.Space(s.opts.Dir)
	if err != nil {
		return err
	}
	if !s.space.reserved.Load() {
		bytes += uint64(s.reserveSize())
	}
	if available < bytes {
		return fmt.Errorf("%d bytes are available, %d are needed: %w", available, bytes, unix.ENOSPC)
	}
	return nil
}

// mergeInto writes the merged run; nil: it was given up.
func (s *Store) mergeInto(ctx context.Context, group []*run, no uint32) (_ *run, err error) {
	out, err := s.createRun(no)
	if err != nil {
		return nil, err
	}
	var in []*merger
	done := false
	defer func() {
		for _, m := range in {
			err = errors.Join(err, m.close())
		}
		if !done {
			err = errors.Join(err, out.abandon())
		}
	}()
	result := &run{file: no, level: group[0].level + 1}
	for _, r := range group {
		f, err := openEntries(s.opts.FS, filepath.Join(s.opts.Dir, waitName(r.file)), 0)
		if err != nil {
			return nil, err
		}
		in = append(in, &merger{entryFile: f, next: r.next, end: r.count})
		result.last = max(result.last, r.last)
	}
	block := make([]entry, 0, readBlock)
	for {
		if block, err = mergeBlock(in, block[:0]); err != nil {
			return nil, err
		}
		if len(block) == 0 {
			break
		}
		if result.count == 0 {
			result.first, result.head = block[0].commitTS, block[0].commitTS
		}
		if err := out.add(block); err != nil {
			return nil, err
		}
		result.count += uint64(len(block))
		if giveUp, err := s.sortUrgent(); giveUp || err != nil || ctx.Err() != nil {
			return nil, err
		}
	}
	done = true
	return result, out.finish()
}

// mergeBlock appends the next smallest entries to block, as many as it has space for.
func mergeBlock(in []*merger, block []entry) ([]entry, error) {
	for len(block) < cap(block) {
		var least *merger
		for _, m := range in {
			if err := m.fill(); err != nil {
				return block, err
			}
			if len(m.buf) > 0 && (least == nil || m.buf[0].commitTS < least.buf[0].commitTS) {
				least = m
			}
		}
		if least == nil {
			break
		}
		block = append(block, least.buf[0])
		least.buf = least.buf[1:]
	}
	return block, nil
}
