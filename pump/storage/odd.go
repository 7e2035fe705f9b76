package storage

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// oddity is a record that did not do what its kind usually does.
type oddity struct {
	startTS  nodes.TSO
	commitTS nodes.TSO
	outcome  outcome
}

// judge counts an oddity and says what an operator should know of it.
func (s *Store) judge(o oddity) {
	log := func(text string) {
		s.losses.do(s.opts.Now(), func(unsaid int) {
			s.opts.Logger.WithFields(logrus.Fields{
				"start_ts": o.startTS, "commit_ts": o.commitTS, "unsaid": unsaid,
			}).Error(text)
		})
	}
	switch {
	case o.outcome == late:
		s.counts.late.Add(1)
		log("a commit came at or below a commit TS that is passed on already; it is dropped, " +
			"because nobody can put it in order any more")
	case o.outcome == repeated || s.isRepetition(o):
		s.counts.repeated.Add(1)
	default:
		s.counts.lost.Add(1)
		log("a commit came for a prewrite that is not here; the transaction is lost unless another pump holds it")
	}
}

// isRepetition tells whether a commit without an unresolved prewrite has been here
// before.
func (s *Store) isRepetition(o oddity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.commitTS <= s.purged || s.matcher.isWaiting(o.startTS, o.commitTS) {
		return true
	}
	e, err := s.entryAtLocked(o.commitTS)
	return err == nil && e.startTS == o.startTS
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
