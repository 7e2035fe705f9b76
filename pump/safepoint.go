package pump

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// GCHolder holds back TiKV's garbage collection, which would remove the evidence of how a
// transaction ended.
type GCHolder interface {
	// HoldGC has PD keep garbage collection from going beyond ts for ttl, in the name of a service;
	// ttl 0 ends that. at is where it is held: at ts, or later, with an error, where PD has let
	// garbage collection pass already. 0: there is no TiKV, or nothing is held because of the
	// error, which is [errors.ErrUnsupported] if PD does not know such a call.
	HoldGC(ctx context.Context, service string, ts nodes.TSO, ttl time.Duration) (at nodes.TSO, err error)
}

const (
	// holdInterval is how often the unresolved transactions are looked at.
	holdInterval = 500 * time.Millisecond
	// holdStep is how far the oldest start TS moves on before that is written to PD: under
	// traffic it moves all the time.
	holdStep = 10 * time.Second
	// holdRenew is how often what is held is written to PD again, at least.
	holdRenew = time.Minute
	// holdLinger is how long nothing is unresolved before nothing is held.
	holdLinger = 10 * time.Second
	// holdTimeout bounds one call, and what it adds to a shutdown.
	holdTimeout = 3 * time.Second
	// holdRetry is how long a PD that does not know the call is left alone, and holdPause one
	// that gives no answer.
	holdRetry = time.Hour
	holdPause = 2 * time.Second
)

// SafePoint is what a pump holds in PD, as /status shows it.
type SafePoint struct {
	Service string     `json:"service"`         // its name in PD
	TS      nodes.TSO  `json:"ts"`              // TiKV's garbage collection does not go beyond; 0: nothing is held
	Since   *time.Time `json:"since,omitempty"` // when it was set there
	Problem string     `json:"problem,omitempty"`
}

// safePoint keeps PD's service safe point of this pump just before the oldest unresolved start TS.
// It is there before a crash, so it need not be exact under traffic: it may be up to holdStep older.
type safePoint struct {
	holder  GCHolder
	service string
	ttl     time.Duration
	oldest  func() nodes.TSO // unresolved start TS; 0: none
	now     func() time.Time
	log     logrus.FieldLogger

	// Of the goroutine that keeps it.
	wanted  nodes.TSO // what PD was asked to hold last, with success; 0: nothing
	free    bool      // PD surely holds nothing: it was asked to, and nothing else since
	renewed time.Time // when PD took it last
	idle    time.Time // since when nothing is unresolved
	retry   time.Time // not before

	mu    sync.Mutex
	shown SafePoint

	failures logs.Repeated
}

// prepareSafePoint makes the pump's safe point; the store is open.
func (p *Pump) prepareSafePoint() error {
	if p.opts.GCHolder == nil { // the metric is there all the same, for alerts
		return p.metrics.watchSafePoint(func() SafePoint { return SafePoint{} })
	}
	service := "pumphouse-" + p.ID
	p.safePoint = &safePoint{holder: p.opts.GCHolder, service: service, ttl: p.opts.GCTTL, oldest: p.store.OldestUnresolved,
		now: p.opts.Now, log: p.Log, shown: SafePoint{Service: service}}
	return p.metrics.watchSafePoint(p.safePoint.state)
}

// state is what /status and the metrics show.
func (s *safePoint) state() SafePoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}

// keep looks at what is unresolved until ctx ends.
func (s *safePoint) keep(ctx context.Context) error {
	t := time.NewTicker(holdInterval)
	defer t.Stop()
	for {
		s.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// look writes to PD what has to change there.
func (s *safePoint) look(ctx context.Context) {
	now, oldest := s.now(), s.oldest()
	if oldest > 0 {
		s.idle = time.Time{}
	} else if s.idle.IsZero() {
		s.idle = now
	}
	switch ts := oldest - 1; {
	case now.Before(s.retry):
	case oldest == 0: // at first: what a run before may have left
		if !s.free && (s.renewed.IsZero() || now.Sub(s.idle) >= holdLinger) {
			s.set(ctx, 0)
		}
	case s.wanted == 0, ts < s.wanted, ts.Time().Sub(s.wanted.Time()) >= holdStep, now.Sub(s.renewed) >= min(holdRenew, s.ttl/4):
		s.set(ctx, ts)
	}
}

// leave writes what stays in PD after the pump has stopped: nothing if it is offline or nothing is
// unresolved, else what is true at the end, for a whole ttl.
func (s *safePoint) leave(ctx context.Context, offline bool) {
	oldest := s.oldest()
	switch {
	case !offline && oldest > 0:
		s.set(ctx, oldest-1)
	case !s.free:
		s.set(ctx, 0)
	}
}

// set writes a safe point to PD; 0 removes it.
func (s *safePoint) set(ctx context.Context, ts nodes.TSO) {
	call, cancel := context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	ttl := s.ttl
	if ts == 0 {
		ttl = 0
	}
	s.free = false // PD may do it and its answer get lost
	at, err := s.holder.HoldGC(call, s.service, ts, ttl)
	if err != nil && ctx.Err() != nil {
		return // the pump stops, and then leave has the last word
	}
	now := s.now()
	switch done := err == nil || at > 0; {
	case errors.Is(err, errors.ErrUnsupported):
		s.retry = now.Add(holdRetry)
	case !done:
		s.wanted, s.retry = 0, now.Add(holdPause)
	case at == 0 && ts > 0: // there is no TiKV, so far
		s.retry = now.Add(holdRenew)
	default:
		s.wanted, s.renewed, s.free = ts, now, ts == 0
	}
	s.note(at, err, now)
}

// note keeps what PD answered for those who ask, and logs it when it is new.
func (s *safePoint) note(at nodes.TSO, err error, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.shown
	if (err == nil || at > 0) && at != before.TS {
		s.shown.TS, s.shown.Since = at, &now
		if at == 0 {
			s.shown.Since = nil
		}
	}
	s.shown.Problem = ""
	if err != nil {
		s.shown.Problem = err.Error()
	}
	log := s.log.WithField("service", s.service)
	if err == nil {
		if n := s.failures.Over(); n > 0 {
			log.WithField("ts", at).WithField("times", n).Info("PD takes the pump's GC safe point again")
		}
		return
	}
	n := s.failures.Again()
	log = log.WithField("times", n)
	switch {
	case n == 0:
	case errors.Is(err, errors.ErrUnsupported):
		log.WithError(err).Warn("PD cannot hold back TiKV's garbage collection: the outcome of a transaction that stays unresolved " +
			"for more than 9 minutes may be lost. Use a PD of version 4.0 or newer")
	case at > 0:
		log.WithError(err).Warn("TiKV may have collected the outcome of unresolved transactions. List those that stay: " +
			"binlogctl -cmd unresolved; decide them: binlogctl -cmd resolve")
	default:
		log.WithError(err).Warn("cannot hold back TiKV's garbage collection now; it is retried")
	}
}
