package storage

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// The sorter is the goroutine that does what would take too long under the lock: it writes the
// index, sorts and writes what waits, and emits what has waited on disk.

// sortLoop is the goroutine.
func (s *Store) sortLoop(ctx context.Context) {
	defer s.done.Done()
	t := time.NewTicker(LookEvery) // to retry what failed for want of space
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.sortKick:
		case <-t.C:
		}
		if s.Failed() == nil {
			s.sort(ctx)
		}
		s.mu.Lock()
		s.sorted.Broadcast() // whoever waits may have to know of an error
		s.mu.Unlock()
	}
}

// maxFull is how many full heaps the sorter may lag by before the writer waits for it.
const maxFull = 8

// awaitSorter makes the writer wait while a slow disk keeps the sorter from writing what waits,
// so that memory stays bounded. The writer calls it without the lock.
func (s *Store) awaitSorter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.matcher.waiting.full) > maxFull && !s.space.sort.Load() && s.Failed() == nil {
		s.sorted.Wait()
	}
}

// toSortLocked reports whether the sorter has something to do that it should not do
// only at its next tick.
func (s *Store) toSortLocked() bool {
	m := s.matcher
	return !s.space.sort.Load() && (len(m.waiting.full) > 0 || m.done < m.mark || len(s.index.tail) >= tailEntries)
}

// sort does what there is to do. What a full disk prevents stays in memory, prewrites are
// refused, and the next call tries again.
func (s *Store) sort(ctx context.Context) {
	s.sorting.Lock()
	defer s.sorting.Unlock()
	err := s.sortAll(ctx)
	switch {
	case err == nil:
		s.space.sort.Store(false)
	case noSpace(err):
		s.space.sort.Store(true)
		if !s.space.refusing.Swap(true) {
			s.opts.Logger.WithError(err).WithField("dir", s.opts.Dir).Error("not enough disk space to put binlogs in order: prewrites are refused; " + spaceCure)
		}
	case errors.Is(err, ErrNoDescriptor): // it is logged where it was waited for
	default:
		_ = s.fail(err)
	}
}

// sortAll takes one step after the other until there is none, or ctx ends.
func (s *Store) sortAll(ctx context.Context) error {
	for ctx.Err() == nil {
		if more, err := s.sortStep(ctx); err != nil || !more {
			return err
		}
	}
	return nil
}

// sortStep takes the most urgent step.
func (s *Store) sortStep(ctx context.Context) (did bool, err error) {
	s.mu.Lock()
	full, due := len(s.matcher.waiting.full) > 0, s.matcher.done < s.matcher.mark
	tail, unwritten := len(s.index.tail) >= tailEntries, s.matcher.waiting.unwritten()
	s.mu.Unlock()
	switch {
	case tail:
		return true, s.flushIndex()
	case due && !full:
		return true, s.emitSome()
	case unwritten != nil && !due:
		return true, s.spill(unwritten)
	case full:
		s.sortFull()
		return true, nil
	}
	return s.merge(ctx)
}

// sortUrgent does what cannot wait for a merge to end, and reports whether the merge must be
// given up.
func (s *Store) sortUrgent() (giveUp bool, err error) {
	for {
		s.mu.Lock()
		full, due := len(s.matcher.waiting.full) > 0, s.matcher.done < s.matcher.mark
		unwritten := s.matcher.waiting.unwritten()
		s.mu.Unlock()
		switch {
		case due:
			return true, nil
		case unwritten != nil:
			if err := s.spill(unwritten); err != nil {
				return true, err
			}
		case full:
			s.sortFull()
		default:
			return false, nil
		}
	}
}

// sortFull makes a run of a heap that was full.
func (s *Store) sortFull() {
	w := &s.matcher.waiting
	s.mu.Lock()
	full := w.full[0] // nothing changes it any more, but others look at it
	s.mu.Unlock()
	sorted := slices.Clone(full)
	slices.SortFunc(sorted, func(a, b entry) int { return cmp.Compare(a.commitTS, b.commitTS) })
	s.mu.Lock()
	defer s.mu.Unlock()
	w.full = slices.Delete(w.full, 0, 1)
	w.runs = append(w.runs, &run{head: sorted[0].commitTS, buf: sorted})
	s.sorted.Broadcast()
}

// emitSome emits a part of what may be emitted.
func (s *Store) emitSome() error {
	s.mu.Lock()
	read, _ := s.matcher.step(emitAtOnce)
	s.wakeLocked()
	s.mu.Unlock()
	if read != nil {
		return s.readRun(read)
	}
	return nil
}
