package storage

import (
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// answer is the error that the writer of a record gets when its request is through. It counts
// and logs the records that did not do what their kind usually does.
func (s *Store) answer(r *request) error {
	if r.err != nil || r.outcome == accepted || r.rec.Type == Rollback {
		return r.err
	}
	if r.outcome == repeated {
		s.counts.repeated.Add(1)
		return nil
	}
	if r.outcome == late {
		s.counts.late.Add(1)
		return s.loss(r.rec, ErrLate)
	}
	again, err := s.isRepetition(r.rec)
	switch {
	case err != nil:
		return fmt.Errorf("look for the transaction with start TS %s and commit TS %s: %w", r.rec.StartTS, r.rec.CommitTS, err)
	case again:
		s.counts.repeated.Add(1)
		return nil
	}
	s.counts.lost.Add(1)
	return s.loss(r.rec, ErrNoPrewrite)
}

// loss is the error for a commit that will not be delivered, and logs it.
func (s *Store) loss(rec Record, cause error) error {
	s.losses.do(s.opts.Now(), func(unsaid int) {
		s.opts.Logger.WithFields(logrus.Fields{
			"start_ts": rec.StartTS, "commit_ts": rec.CommitTS, "unsaid": unsaid,
		}).Errorf("a commit is refused: %v", cause)
	})
	return fmt.Errorf("commit TS %s of start TS %s: %w", rec.CommitTS, rec.StartTS, cause)
}

// isRepetition reports whether a commit without an unresolved prewrite has been here
// before. What is purged counts as such: nothing can be known of it any more.
func (s *Store) isRepetition(rec Record) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rec.CommitTS <= s.purged || s.matcher.isWaiting(rec.StartTS, rec.CommitTS) {
		return true, nil
	}
	e, err := s.entryAtLocked(rec.CommitTS)
	return e.startTS == rec.StartTS && err == nil, err
}

// entryAtLocked is the entry with exactly that commit TS, or a zero one.
func (s *Store) entryAtLocked(ts nodes.TSO) (entry, error) {
	n, err := s.index.behind(ts - 1)
	if err != nil || n >= s.index.end() {
		return entry{}, err
	}
	got, err := s.entriesLocked(nil, n, 1)
	if err != nil || got[0].commitTS != ts {
		return entry{}, err
	}
	return got[0], nil
}

// limiter lets a message through at most every ten seconds.
type limiter struct {
	mu     sync.Mutex
	last   time.Time
	unsaid int
}

// do calls say with the number of messages held back since the last, or holds this
// one back.
func (l *limiter) do(now time.Time, say func(unsaid int)) {
	l.mu.Lock()
	if !l.last.IsZero() && now.Sub(l.last) < 10*time.Second {
		l.unsaid++
		l.mu.Unlock()
		return
	}
	unsaid := l.unsaid
	l.last, l.unsaid = now, 0
	l.mu.Unlock()
	say(unsaid)
}
