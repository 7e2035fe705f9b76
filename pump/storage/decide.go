package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// Errors of [Store.Decide].
var (
	// ErrNotUnresolved says that there is nothing to decide: the store holds no
	// unresolved prewrite with that start TS.
	ErrNotUnresolved = errors.New("nothing to decide")
	// ErrContradiction says that a decision contradicts the order, or what TiKV knows.
	ErrContradiction = errors.New("decision refused")
)

// Decision is what came of [Store.Decide].
type Decision struct {
	StartTS  nodes.TSO
	CommitTS nodes.TSO // 0: rolled back
	// TiKV is why TiKV's answer does not stand in the way: what it said, or why it could not be asked.
	TiKV string
}

// Decide resolves an unresolved transaction by the word of an operator: committed at
// commitTS, or rolled back if that is 0. It is for a transaction whose outcome TiKV no
// longer knows; TiKV is asked once more before. The caller makes sure that commitTS is
// not later than PD's clock.
//
// It returns when the outcome is durable and final. On an error nothing was decided, or,
// with [ErrFailed], it may turn out to be when the store is opened again. The
// errors are [ErrNotUnresolved], [ErrContradiction], and those of [Store.Append].
func (s *Store) Decide(ctx context.Context, startTS, commitTS nodes.TSO) (Decision, error) {
	d := Decision{StartTS: startTS, CommitTS: commitTS}
	u, err := s.decidable(ctx, d)
	if err != nil {
		return d, err
	}
	if d.TiKV, err = s.askBefore(ctx, d, u); err != nil {
		return d, err
	}
	rec := Record{Type: Rollback, StartTS: startTS}
	if commitTS != 0 {
		rec.Type, rec.CommitTS = Commit, commitTS
	}
	err = s.append(rec, flagOperator)
	switch {
	case errors.Is(err, ErrNoPrewrite), errors.Is(err, ErrLate):
	case err != nil:
		return d, fmt.Errorf("decide the transaction with start TS %s: %w", startTS, err)
	case commitTS != 0:
		return d, nil
	}
	// The transaction's own outcome may have come since it was looked at; the first one counts.
	got, err := s.outcomeOf(context.WithoutCancel(ctx), startTS)
	switch {
	case err != nil:
		return d, fmt.Errorf("decide the transaction with start TS %s: read its outcome back: %w", startTS, err)
	case got.CommitTS != commitTS:
		return d, fmt.Errorf("%w: the outcome of the transaction with start TS %s came at the same moment: %s", ErrNotUnresolved, startTS, got)
	}
	return d, nil
}

// decidable finds the prewrite and refuses what contradicts the log.
func (s *Store) decidable(ctx context.Context, d Decision) (Unresolved, error) {
	s.mu.Lock()
	p := s.matcher.unresolved[d.StartTS]
	if p == nil {
		s.mu.Unlock()
		got, err := s.outcomeOf(ctx, d.StartTS)
		switch {
		case err != nil:
			return Unresolved{}, fmt.Errorf("look for the transaction with start TS %s: %w", d.StartTS, err)
		case got.CommitTS != 0:
			return Unresolved{}, fmt.Errorf("%w: the transaction with start TS %s is %s", ErrNotUnresolved, d.StartTS, got)
		}
		return Unresolved{}, fmt.Errorf("%w: no transaction with start TS %s is unresolved here: it was rolled back, its binlogs are purged, "+
			"or another pump holds it. List the unresolved ones: binlogctl -cmd unresolved", ErrNotUnresolved, d.StartTS)
	}
	u := p.public()
	s.mu.Unlock()
	taken := false
	if d.CommitTS != 0 {
		got, err := s.findCommits(d.CommitTS)
		if err != nil {
			return u, fmt.Errorf("look for commit TS %s: %w", d.CommitTS, err)
		}
		_, taken = got[d.CommitTS]
	}
	switch {
	case d.CommitTS == 0:
	case d.CommitTS <= d.StartTS:
		return u, fmt.Errorf("%w: commit TS %s is not after start TS %s. Give the commit TS that TiDB drew, or roll the transaction back",
			ErrContradiction, d.CommitTS, d.StartTS)
	case d.CommitTS <= u.Floor:
		return u, fmt.Errorf("%w: commit TS %s (%s) is not after %s (%s), which was in use before the prewrite with start TS %s was stored here, "+
			"so drainers may have passed it. If the transaction did commit there, another pump delivers it: roll this copy back",
			ErrContradiction, d.CommitTS, timeOf(d.CommitTS), u.Floor, timeOf(u.Floor), d.StartTS)
	case taken:
		return u, fmt.Errorf("%w: another transaction has the commit TS %s. PD gives each TS once: check the commit TS",
			ErrContradiction, d.CommitTS)
	}
	return u, nil
}

// askBefore asks TiKV once more, and refuses the decision if TiKV knows better.
func (s *Store) askBefore(ctx context.Context, d Decision, u Unresolved) (said string, err error) {
	if s.opts.Resolver == nil {
		return "there is no TiKV to ask", nil
	}
	v, at, err := s.question(ctx, u)
	if ctx.Err() != nil {
		return "", fmt.Errorf("ask TiKV about the transaction with start TS %s: %w", d.StartTS, context.Cause(ctx))
	}
	switch {
	case err != nil:
		return err.Error(), nil
	case v == Committed && at != d.CommitTS:
		return "", fmt.Errorf("%w: TiKV has committed the transaction with start TS %s at %s (%s). Leave it to the pump, which asks TiKV again by itself",
			ErrContradiction, d.StartTS, at, timeOf(at))
	case v == Committed:
		return "it has committed the transaction there", nil
	case v == RolledBack && d.CommitTS != 0:
		return "", fmt.Errorf("%w: TiKV has rolled back the transaction with start TS %s. Leave it to the pump, which asks TiKV again by itself",
			ErrContradiction, d.StartTS)
	case v == RolledBack:
		return "it has rolled back the transaction", nil
	case v == Locked:
		return "", fmt.Errorf("%w: TiKV still holds a lock of the transaction with start TS %s, so it is not over. Leave it to the pump, "+
			"which asks TiKV again by itself", ErrContradiction, d.StartTS)
	}
	return "", fmt.Errorf("%w: TiKV knows nothing of the transaction with start TS %s yet, so TiDB may be about to commit it. Leave it to the pump, "+
		"which asks TiKV again by itself", ErrContradiction, d.StartTS)
}

func (s *Store) question(ctx context.Context, u Unresolved) (Verdict, nodes.TSO, error) {
	r := newLogReader(s.opts.FS, s.opts.Dir)
	defer r.close()
	payload, _, err := r.beginning(entry{startTS: u.StartTS, at: u.at, size: u.size}, maxDescribed)
	if err != nil {
		return Unknown, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	s.counts.asked.Add(1)
	// With its age TiKV settles the transaction now if it can: then nothing is left to decide.
	return s.opts.Resolver.Resolve(ctx, Question{StartTS: u.StartTS, Key: binlogpb.ReadOutline(payload).Key, Age: time.Since(u.Since)})
}

// ended is how a transaction ended, as far as the store knows.
type ended struct {
	CommitTS nodes.TSO // 0: it is not committed here
	Sorted   bool      // it is delivered
}

func (e ended) String() string {
	switch {
	case e.CommitTS == 0:
		return "rolled back"
	case e.Sorted:
		return fmt.Sprintf("committed at %s (%s) and delivered to drainers", e.CommitTS, timeOf(e.CommitTS))
	}
	return fmt.Sprintf("committed at %s (%s) and waits to be delivered", e.CommitTS, timeOf(e.CommitTS))
}

// outcomeOf looks a transaction up that is not unresolved.
func (s *Store) outcomeOf(ctx context.Context, startTS nodes.TSO) (ended, error) {
	found, err := s.find(ctx, startTS, byStart, nil)
	if errors.Is(err, ErrNotFound) {
		return ended{}, nil
	}
	return ended{CommitTS: found.CommitTS, Sorted: found.Sorted}, err
}

// timeOf is the time of a TS as a person reads it.
func timeOf(ts nodes.TSO) string { return ts.Time().UTC().Format("2006-01-02 15:04:05.000 UTC") }
