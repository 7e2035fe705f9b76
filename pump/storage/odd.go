package storage

import (
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// answer sets the errors that the writers of requests get which are through. It counts and logs
// the records that did not do what their kind usually does. What it must look for it reads from
// disk in the goroutine of the writer that brought it; nobody else waits for that.
func (s *Store) answer(requests []request) {
	var doubtful []*request
	for i := range requests {
		r := &requests[i]
		switch {
		case r.err != nil || r.outcome == accepted || r.rec.Type == Rollback:
		case r.outcome == repeated:
			s.counts.repeated.Add(1)
		case r.outcome == late && r.flags&flagAsked != 0:
			// TiDB draws a commit TS only after a pump has acknowledged the prewrite. This one
			// came later than that, so it was another pump that did: that one has the
			// transaction in its place, and this copy is not needed.
			s.opts.Logger.WithFields(logrus.Fields{"start_ts": r.rec.StartTS, "commit_ts": r.rec.CommitTS}).
				Warn("a prewrite came after its transaction was committed through another pump; this copy is dropped")
		default:
			doubtful = append(doubtful, r)
		}
	}
	if doubtful != nil {
		s.answerDoubtful(doubtful)
	}
}

// answerDoubtful decides about commits that cannot be put in order any more, or had no unresolved
// prewrite: they came before, or they are lost. Of one without a prewrite that is purged nothing
// can be known any more: it counts as a repetition.
func (s *Store) answerDoubtful(commits []*request) {
	want := make([]nodes.TSO, len(commits))
	for i, r := range commits {
		want[i] = r.rec.CommitTS
	}
	s.lookup <- struct{}{} // one at a time, so that others have a processor left
	got, err := s.findCommits(want...)
	<-s.lookup
	s.mu.Lock()
	purged := s.purged
	s.mu.Unlock()
	for _, r := range commits {
		e, ok := got[r.rec.CommitTS]
		switch {
		case err != nil:
			r.err = fmt.Errorf("look for the transaction with start TS %s and commit TS %s: %w", r.rec.StartTS, r.rec.CommitTS, err)
		case ok && e.startTS == r.rec.StartTS || !ok && r.outcome != late && r.rec.CommitTS <= purged:
			s.counts.repeated.Add(1)
		case r.outcome == late:
			s.counts.late.Add(1)
			r.err = s.loss(r.rec, ErrLate)
		default:
			s.counts.lost.Add(1)
			r.err = s.loss(r.rec, ErrNoPrewrite)
		}
	}
}

// loss is the error for a commit that will not be delivered, and logs it.
func (s *Store) loss(rec Record, cause error) error {
	s.losses.do(time.Now(), func(suppressed int) {
		s.opts.Logger.WithFields(logrus.Fields{
			"start_ts": rec.StartTS, "commit_ts": rec.CommitTS, "suppressed": suppressed,
		}).Errorf("a commit is refused: %v", cause)
	})
	return fmt.Errorf("commit TS %s of start TS %s: %w", rec.CommitTS, rec.StartTS, cause)
}

// sayAgain is how often a message is logged again that comes again and again.
const sayAgain = 30 * time.Second

// limiter lets a message through at most once in sayAgain.
type limiter struct {
	mu         sync.Mutex
	last       time.Time
	suppressed int
}

// do calls say with the number of messages held back since the last, or holds this
// one back.
func (l *limiter) do(now time.Time, say func(suppressed int)) {
	l.mu.Lock()
	if !l.last.IsZero() && now.Sub(l.last) < sayAgain {
		l.suppressed++
		l.mu.Unlock()
		return
	}
	suppressed := l.suppressed
	l.last, l.suppressed = now, 0
	l.mu.Unlock()
	say(suppressed)
}
