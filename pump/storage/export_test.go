package storage

import (
	"context"
	"time"

	"pumphouse/nodes"
)

// Waiting is how many requests wait for their turn to be written.
func (s *Store) Waiting() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return len(s.queue.waiting)
}

// Said is what the resolver said last about an unresolved prewrite, and how often it was asked.
func (s *Store) Said(startTS nodes.TSO) (said string, attempts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.matcher.unresolved[startTS]; p != nil && p.asked != nil {
		return p.asked.said, p.asked.attempts
	}
	return "", 0
}

// Unresolved lists the start TSs of up to limit unresolved prewrites in the order of the log;
// 0: all.
func (s *Store) Unresolved(limit int) []nodes.TSO {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []nodes.TSO
	for p := s.matcher.oldest; p != nil && (limit == 0 || len(list) < limit); p = p.after {
		list = append(list, p.startTS)
	}
	return list
}

// Pause is the time between two questions about a prewrite of that age.
func (s *Store) Pause(age time.Duration) time.Duration { return s.pause(age) }

// TakeLock takes the store's lock and gives it back.
func (s *Store) TakeLock() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

// Waits is how many committed transactions wait in memory, and in how many runs on disk the others.
func (s *Store) Waits() (inMemory, runs int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.matcher.waiting.inMemory(func(entry) { inMemory++ })
	return inMemory, len(s.matcher.waiting.files())
}

// Sort does what the sorter would do.
func (s *Store) Sort() { s.sort(context.Background()) }

// Checkpoint writes a checkpoint.
func (s *Store) Checkpoint() error {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	return s.checkpoint()
}

// CheckpointUnflushed writes a checkpoint as if transactions had come between the index being flushed and the snapshot, and
// gives how many of them are in no file of the index.
func (s *Store) CheckpointUnflushed() (unflushed int, err error) {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	s.mu.Lock()
	c := s.snapshotLocked()
	s.mu.Unlock()
	return len(c.tail), s.writeCheckpoint(c)
}

// HoldSorter keeps the sorter from doing anything until release is called.
func (s *Store) HoldSorter() (release func()) {
	s.sorting.Lock()
	return s.sorting.Unlock
}
