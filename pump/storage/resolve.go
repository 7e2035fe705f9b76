package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// Verdict is what became of a transaction.
type Verdict uint8

// The verdicts a [Resolver] can give.
const (
	Unknown    Verdict = iota // nobody can say now: ask again later
	Locked                    // it is still going on: ask again later
	Committed                 // it is committed
	RolledBack                // it is not, and never will be
)

// Resolver finds out the outcome of a transaction whose Commit or Rollback does not come,
// because the TiDB that ran it died or wrote it elsewhere.
type Resolver interface {
	// Resolve asks about one transaction. commitTS counts with Committed only. It is called
	// from several goroutines at once, and again after Unknown, Locked or an error: every few
	// seconds in the first minute, then ever more rarely.
	Resolve(ctx context.Context, q Question) (v Verdict, commitTS nodes.TSO, err error)
}

// Question names a transaction that a [Resolver] is asked about.
type Question struct {
	StartTS nodes.TSO
	Key     []byte // the transaction's primary key
	// Age is for how long the prewrite has been stored, or the store open if that is
	// shorter. How long the transaction ran before is not in it: that may be hours.
	Age time.Duration
	// Reported: TiDB has said that the transaction is rolled back, and sends nothing more of it to TiKV.
	Reported bool
}

const (
	resolveBatch   = 256              // prewrites asked about in one round
	resolveWindow  = 4096             // oldest prewrites that are asked about; the others wait for these
	resolveAtOnce  = 8                // questions under way at the same time
	resolveTimeout = 10 * time.Second // for each of them
	minPause       = 2 * time.Second  // between two questions about the same prewrite, while it is young
	maxPause       = 30 * time.Second // the same, after five minutes
)

// pause is how long to wait before a prewrite of that age is asked about again. A crash of TiDB
// is over within 30 s this way, and one that nobody can decide costs a question every 30 s.
func (s *Store) pause(age time.Duration) time.Duration {
	return min(max(age/10, min(s.opts.ResolveAfter, minPause)), maxPause)
}

var errNothingKnown = errors.New("TiKV knows nothing of the transaction")

// maxSaid bounds [inquiry].said, in bytes.
const maxSaid = 300

// inquiry is what the resolver was asked about one prewrite, and what it said. The store's
// mu guards it.
type inquiry struct {
	attempts int       // questions
	last     time.Time // when the last one was asked
	next     time.Time // when the next is due
	said     string    // the last answer, for an operator; "" while there is none
	reported bool      // TiDB has said that it is rolled back
}

// orphan is an unresolved prewrite that is old enough to be asked about.
type orphan struct {
	startTS  nodes.TSO
	at       place
	size     uint32
	attempts int
	age      time.Duration
	reported bool
}

// resolveLoop is the goroutine that finds out about prewrites whose outcome does not come.
func (s *Store) resolveLoop(ctx context.Context) {
	defer s.done.Done()
	if s.opts.Resolver == nil && s.opts.OrphanTimeout <= 0 {
		return
	}
	age := s.opts.ResolveAfter
	if s.opts.Resolver == nil {
		age = s.opts.OrphanTimeout
	}
	t := time.NewTicker(min(LookEvery, max(age/4, time.Millisecond)))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for more := true; more && ctx.Err() == nil && s.Failed() == nil; {
			due := s.dueOrphans(age)
			more = len(due) == resolveBatch
			if s.opts.Resolver == nil {
				s.timeOut(ctx, due)
			} else {
				s.ask(ctx, due)
			}
		}
	}
}

// dueOrphans lists the unresolved prewrites, the oldest first, that are older than
// age and have not been asked about lately, and notes that they now are. It looks at no more
// than the oldest: nothing is delivered before those are resolved.
func (s *Store) dueOrphans(age time.Duration) []orphan {
	now := time.Now()
	var due []orphan
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := 0
	for p := s.matcher.oldest; p != nil && now.Sub(p.since) >= age && len(due) < resolveBatch && seen < resolveWindow; p = p.after {
		seen++
		q := p.asked
		if q == nil {
			q = new(inquiry)
			p.asked = q
		}
		if now.Before(q.next) {
			continue
		}
		old := now.Sub(p.since)
		due = append(due, orphan{p.startTS, p.at, p.size, q.attempts, old, q.reported})
		q.attempts++
		q.last, q.next = now, now.Add(s.pause(old))
	}
	return due
}

// note keeps what was said about a prewrite that stays unresolved. A question that failed is asked again soon, about the
// oldest one: it shows when TiKV answers again.
func (s *Store) note(o orphan, said string, failed bool) {
	if len(said) > maxSaid {
		said = strings.ToValidUTF8(said[:maxSaid], "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.matcher.unresolved[o.startTS]
	if p == nil || p.at != o.at || p.asked == nil {
		return
	}
	p.asked.said = said
	if failed && p == s.matcher.oldest {
		p.asked.next = p.asked.last.Add(s.pause(0))
	}
}

// ask asks the resolver about orphans and stores what it says.
func (s *Store) ask(ctx context.Context, due []orphan) {
	var g errgroup.Group
	g.SetLimit(resolveAtOnce)
	for _, o := range due {
		g.Go(func() error {
			err := s.askOne(ctx, o)
			switch {
			case err == nil, ctx.Err() != nil:
			case errors.Is(err, ErrClosed), errors.Is(err, ErrFailed): // said elsewhere
			default:
				s.note(o, err.Error(), !errors.Is(err, errNothingKnown))
				s.waits.do(time.Now(), func(suppressed int) {
					s.opts.Logger.WithError(err).WithFields(logrus.Fields{
						"start_ts": o.startTS, "attempt": o.attempts + 1, "suppressed": suppressed,
					}).Warnf("cannot find out how a transaction ended; everything newer is held back. The pump asks again; if TiKV cannot know any more, "+
						"decide it: binlogctl -cmd resolve -node-id <this pump> -start-ts %s {-commit-ts C | -rollback}", o.startTS)
				})
			}
			return nil
		})
	}
	_ = g.Wait() // each has said what was to say
}

func (s *Store) askOne(ctx context.Context, o orphan) error {
	r := newLogReader(s.opts.FS, s.opts.Dir)
	defer r.close()
	payload, err := r.record(entry{startTS: o.startTS, at: o.at, size: o.size}, o.at.offset()+footprint(int(o.size)))
	if err != nil {
		return err
	}
	head, err := binlogpb.Peek(payload)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	s.counts.asked.Add(1)
	v, commitTS, err := s.opts.Resolver.Resolve(ctx, Question{StartTS: o.startTS, Key: head.Key, Age: o.age, Reported: o.reported})
	if err != nil {
		return err
	}
	rec := Record{Type: Rollback, StartTS: o.startTS}
	switch v {
	case Committed:
		rec.Type, rec.CommitTS = Commit, commitTS
		if err := rec.check(); err != nil {
			return fmt.Errorf("the answer of TiKV: %w", err)
		}
	case RolledBack:
	case Locked:
		s.note(o, "the transaction is still going on: it holds its lock", false)
		return nil
	default:
		return errNothingKnown
	}
	return s.append(rec, flagAsked)
}

// timeOut rolls back orphans where there is nobody to ask.
func (s *Store) timeOut(ctx context.Context, due []orphan) {
	for _, o := range due {
		if ctx.Err() != nil {
			return
		}
		if err := s.append(Record{Type: Rollback, StartTS: o.startTS}, flagTimeout); err != nil {
			continue // it is tried again, and the error is told to those who write
		}
		s.counts.timedOut.Add(1)
		s.timeouts.do(time.Now(), func(suppressed int) {
			s.opts.Logger.WithField("start_ts", o.startTS).WithField("suppressed", suppressed).Warnf(
				"no commit or rollback came for a prewrite within %s and there is no TiKV to ask: it counts as rolled back", s.opts.OrphanTimeout)
		})
	}
}
