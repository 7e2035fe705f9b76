package merge

import (
	"context"
	"time"

	"pumphouse/nodes"
)

// Holder is the pump that the merge waits for: nothing comes out before it delivers.
type Holder struct {
	Pump string
	At   nodes.TSO // the pump has delivered everything up to here
	// Since is when the merge began to wait for the pump to get further than At. Every pump
	// holds back the merge for moments; one that tells the time does it for less than its
	// fake-binlog interval.
	Since time.Time
}

// Holder tells whom the merge waits for; false: for nobody, because it is at work, the
// consumer is, or there are no pumps.
func (m *Merger) Holder() (Holder, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hold, m.holding && m.hold.Pump != ""
}

// Stats are counters since the start, and what is held now.
type Stats struct {
	Transactions uint64 // that came out
	Duplicates   uint64 // second copies that were dropped
	Disorders    uint64 // see [DisorderError]
	QueuedBytes  int64  // pushed and not come out
	TakenBytes   int64  // come out and not released
	Passed       nodes.TSO
	Pumps        int // that take part
}

// Stats may be called at any time.
func (m *Merger) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Stats{Transactions: m.emitted.Load(), Duplicates: m.duplicates.Load(), Disorders: m.disorders.Load(),
		QueuedBytes: m.queued.used.Load(), TakenBytes: m.taken.used.Load(), Passed: m.reached, Pumps: len(m.pumps)}
}

// disorder counts.
func (m *Merger) disorder(err *DisorderError) error {
	m.disorders.Add(1)
	return err
}

// rouse wakes Next if it sleeps.
func (m *Merger) rouse() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// sleep waits until the source that holds back the merge has news, or one joins.
func (m *Merger) sleep(ctx context.Context, s *Source) error {
	if s != nil {
		if !s.want() {
			return nil
		}
		defer s.unwant()
		m.alone.Store(true)
		defer m.alone.Store(false)
		if m.queued.used.Load() > 0 {
			m.waits()
		}
	}
	m.slept(s)
	defer m.woke()
	select {
	case <-m.wake:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// waits says once in a sleep that something is queued: what comes is noted there before the sleep is looked for here, and
// the other way round in sleep.
func (m *Merger) waits() {
	if m.alone.Load() && m.alone.CompareAndSwap(true, false) {
		m.opts.Waits()
	}
}

func (m *Merger) slept(s *Source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holding = true
	switch {
	case s == nil:
		m.hold = Holder{}
	case m.hold.Pump != s.pump || m.hold.At != s.passed:
		m.hold = Holder{Pump: s.pump, At: s.passed, Since: m.opts.Now()}
	}
}

func (m *Merger) woke() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holding = false
}
