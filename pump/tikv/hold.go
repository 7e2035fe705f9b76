package tikv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pumphouse/nodes"
)

// ErrPassed means: the safe points in PD are already past the one asked for, so TiKV's garbage collection
// may remove, or have removed, the outcome of transactions that are older.
var ErrPassed = errors.New("it has gone further already")

// hold is the service safe point that PD keeps for this pump, as far as the resolver knows.
type hold struct {
	ts     nodes.TSO // GC does not go beyond; 0: nothing is held
	until  time.Time // by our clock, with time to spare
	passed nodes.TSO // GC may have gone up to here when a smaller one was asked for; 0: it was not
}

// HoldGC has PD keep TiKV's garbage collection from going beyond ts for ttl, whole seconds, in the
// name of a service; ttl 0 ends that. It replaces what was held for the service before.
//
// at is where it is held: at ts, or with [ErrPassed] later, as close as PD allows. It is 0 if there
// is no TiKV and so nothing to hold back, and after any other error. A PD that does not know the
// call gives [errors.ErrUnsupported].
//
// The resolver remembers what is held: it settles an old transaction only under it (see the package
// comment).
func (r *Resolver) HoldGC(ctx context.Context, service string, ts nodes.TSO, ttl time.Duration) (at nodes.TSO, err error) {
	ctx, done, err := r.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	s, err := r.connected(ctx)
	if errors.Is(err, ErrNoTiKV) {
		return 0, nil
	}
	asked := r.opts.Now()
	var got hold
	if err == nil {
		got, err = s.holdGC(ctx, service, ts, ttl)
	}
	if err != nil {
		return 0, fmt.Errorf("hold back TiKV's garbage collection at %s: %w", ts, r.because(err))
	}
	got.until = asked.Add(ttl - ttl/4)
	r.mu.Lock()
	r.hold = got
	r.mu.Unlock()
	if got.passed > 0 {
		err = fmt.Errorf("hold back TiKV's garbage collection at %s: %w, up to %s", ts, ErrPassed, got.passed)
	}
	return got.ts, err
}

// holdGC registers the smallest service safe point that PD takes and that is not before ts.
func (s *session) holdGC(ctx context.Context, service string, ts nodes.TSO, ttl time.Duration) (hold, error) {
	least, err := s.pd.holdGC(ctx, service, uint64(ts), ttl)
	if err != nil || ttl <= 0 {
		return hold{}, err
	}
	got := hold{ts: ts}
	for try := 0; nodes.TSO(least) > got.ts; try++ { // PD's may move on in between
		if try == 3 {
			return hold{}, fmt.Errorf("PD's smallest service safe point moves on all the time; it is at %d", least)
		}
		got.ts, got.passed = nodes.TSO(least), nodes.TSO(least)
		if least, err = s.pd.holdGC(ctx, service, least, ttl); err != nil {
			return hold{}, err
		}
	}
	return got, nil
}

// covers is nil if PD surely keeps the evidence of a transaction: garbage collection is held back
// before it, or none of TiDB comes that close to the present, which is now by PD's clock. Why that is
// sound is in the package comment.
func (r *Resolver) covers(startTS, now nodes.TSO) error {
	r.mu.Lock()
	h := r.hold
	r.mu.Unlock()
	switch {
	case h.passed >= startTS:
		return fmt.Errorf("%w: garbage collection may have gone up to %s", ErrCollected, h.passed)
	case h.ts > 0 && h.ts < startTS && r.opts.Now().Before(h.until):
		return nil
	case h.passed == 0 && now.Time().Sub(startTS.Time()) < neverCollected:
		return nil
	}
	return errors.New("TiKV has no trace of it, which proves nothing while PD does not hold back garbage collection before it")
}

// neverCollected is an age that garbage collection of TiDB leaves alone: the shortest life time it
// can be given is 10 minutes. The rest is time for a question.
const neverCollected = 9 * time.Minute
