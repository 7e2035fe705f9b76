package storage

import (
	"errors"
	"time"

	"pumphouse/nodes"
)

// errDoubted marks a Rollback that is answered with success and not stored.
var errDoubted = errors.New("the Rollback is not believed before TiKV has been asked")

// doubts reports whether a Rollback is not believed before the resolver has been asked.
//
// TiDB sends one also when it does not know what became of its commit, because TiKV did not answer (error 8501,
// "execution result undetermined"); TiKV may then have committed the transaction, or still do so. TiDB retries a
// commit for some 40 s before that, whereas a prewrite that fails, on a conflict for instance, does so within milliseconds.
// So a Rollback is doubted when its prewrite is ResolveAfter old, or older than the store is open: TiDB may have
// waited for the pump to come back. The transaction stays unresolved, and is asked about as if nothing had come.
func (s *Store) doubts(startTS nodes.TSO) bool {
	if s.opts.Resolver == nil {
		return false
	}
	now := time.Now()
	s.mu.Lock()
	p := s.matcher.unresolved[startTS]
	if p == nil || p.since.After(s.opened) && now.Sub(p.since) < s.opts.ResolveAfter {
		s.mu.Unlock()
		return false
	}
	if p.asked == nil {
		p.asked = new(inquiry)
	}
	p.asked.reported, p.asked.next = true, now
	age := now.Sub(p.since)
	s.mu.Unlock()
	s.doubted.do(now, func(suppressed int) {
		s.opts.Logger.WithField("start_ts", startTS).WithField("suppressed", suppressed).Infof(
			"TiDB reports a transaction as rolled back %s after its prewrite, as it does too when it does not know the outcome: TiKV is asked", age.Round(time.Millisecond))
	})
	return true
}
