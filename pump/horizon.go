package pump

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/nodes"
	"pumphouse/nodes/pd"
	"pumphouse/pump/storage"
)

const (
	// clockSlack is how much later than PD's clock a TS may be without PD being asked. PD moves
	// the physical part of its TSOs every 50 ms.
	clockSlack = 50 * time.Millisecond
	// leadWindow is how long a sighting of PD's clock counts at least. Meanwhile two clocks
	// drift apart by a few milliseconds.
	leadWindow = 30 * time.Second
	// askTimeout bounds one question to PD for the time.
	askTimeout = 2 * time.Second
)

// horizon knows how far PD's clock has come. It refuses timestamps that PD cannot have given,
// and notices when PD's clock has gone back.
//
// PD gives every TSO once, each larger than all before, whichever member leads. So a TS that is
// larger than a TSO given now does not come from PD. Most TSs need no question: the pump
// sees a TSO every few seconds or milliseconds, and PD's clock goes on as time does. Only a
// TS later than that is held against a TSO that PD gives after the TS has come; after a
// change of leader PD's clock may be some seconds ahead.
//
// When PD gives a TSO at or below one that the store has been told, what commits next may be at or
// below what drainers have been given, and would be lost. Then new transactions are refused
// until PD's clock has passed all of that; the pump cannot know whether PD was restored or
// somebody brought a TS that PD never gave.
type horizon struct {
	nodeID string
	pd     func(context.Context) (nodes.TSO, error)
	newest func() nodes.TSO // see [storage.Store.NewestTS]
	now    func() time.Time
	log    logrus.FieldLogger

	base time.Time                    // what leads are relative to
	seen atomic.Int64                 // the largest TSO from PD
	lead atomic.Int64                 // nanoseconds: PD's clock since the epoch less the time since base
	back atomic.Pointer[setbackError] // PD's clock has gone back; nil: it has not

	mu        sync.Mutex
	cur, prev int64 // the largest lead in this window and in the one before
	window    time.Time
	next      *question // begins after it was put here
	asking    bool
}

// question is one question to PD, shared by all who wait for it.
type question struct {
	done chan struct{}
	ts   nodes.TSO
	err  error
}

func newHorizon(nodeID string, pd func(context.Context) (nodes.TSO, error), newest func() nodes.TSO, now func() time.Time, log logrus.FieldLogger) *horizon {
	at := now()
	return &horizon{nodeID: nodeID, pd: pd, newest: newest, now: now, log: log, base: at, window: at}
}

// tso asks PD for a timestamp and learns from the answer. All questions of the pump go
// through it.
func (h *horizon) tso(ctx context.Context) (nodes.TSO, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	known := max(h.newest(), nodes.TSO(h.seen.Load())) // before PD is asked: later ones may be larger
	ts, err := h.pd(ctx)
	var backwards *pd.BackwardsError
	switch {
	case errors.As(err, &backwards):
		h.compare(backwards.Gave, known)
	case err == nil:
		h.observe(ts)
		h.compare(ts, known)
	}
	return ts, err
}

// observe notes how far PD's clock was when a TSO came.
func (h *horizon) observe(ts nodes.TSO) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	lead := ts.Physical()*int64(time.Millisecond) - int64(now.Sub(h.base))
	if h.seen.Load() == 0 {
		h.cur, h.prev = lead, lead
	}
	if now.Sub(h.window) >= leadWindow {
		h.prev, h.cur, h.window = h.cur, lead, now
	}
	h.cur = max(h.cur, lead)
	h.lead.Store(max(h.cur, h.prev))
	h.seen.Store(max(h.seen.Load(), int64(ts)))
}

// compare holds a TSO of PD against the largest TS that was known before PD was asked for it.
func (h *horizon) compare(ts, known nodes.TSO) {
	before := h.back.Load()
	switch {
	case before == nil && ts <= known && known.Time().Sub(ts.Time()) > clockSlack:
		found := &setbackError{nodeID: h.nodeID, PD: ts, Known: known}
		if h.back.CompareAndSwap(nil, found) {
			h.log.WithFields(logrus.Fields{"pd_ts": ts, "commit_ts": known}).Error(found.Error())
		}
	case before != nil && ts > known:
		if h.back.CompareAndSwap(before, nil) {
			h.log.WithField("pd_ts", ts).Info("PD's clock has passed every commit TS in the log: the pump takes new transactions again")
		}
	case before != nil && ts > before.PD:
		h.back.CompareAndSwap(before, &setbackError{nodeID: h.nodeID, PD: ts, Known: known})
	}
}

// setback is a [*setbackError] while PD's clock is at or below what the log holds, else nil.
func (h *horizon) setback() error {
	if b := h.back.Load(); b != nil {
		return b
	}
	return nil
}

// setbackError says that PD's clock has not reached what the log already holds.
type setbackError struct {
	nodeID string
	PD     nodes.TSO // what PD gives
	Known  nodes.TSO // the largest commit TS or TSO in the log
}

func (e *setbackError) Error() string {
	return fmt.Sprintf("pump %q takes no new transactions: PD's clock is at %s, but the pump has been told timestamps up to %s, so what commits now could not be delivered in order. "+
		"If PD was restored, raise its clock above %s (PD's POST /pd/api/v1/admin/reset-ts); if PD never gave that TS, replace the pump: "+
		"docs/when-replication-is-blocked.md, \"PD's clock went back\"",
		e.nodeID, dated(e.PD), dated(e.Known), e.Known)
}

// dated is a TS with its time.
func dated(ts nodes.TSO) string { return fmt.Sprintf("%s (%s)", ts, ts.Time().Format(time.RFC3339)) }

// covers reports whether PD can have given ts by the time now, as far as the pump knows without asking.
func (h *horizon) covers(ts nodes.TSO, now time.Time) bool {
	limit := (h.lead.Load() + int64(now.Sub(h.base)+clockSlack)) / int64(time.Millisecond)
	return ts.Physical() <= limit || int64(ts) <= h.seen.Load()
}

// check refuses, by setting their errors, the records whose TSs PD has not given. It asks PD once, and only
// if there is a doubt.
func (h *horizon) check(recs []storage.Record, errs []error, now time.Time) {
	var latest nodes.TSO
	for i := range recs {
		if errs[i] == nil {
			latest = max(latest, recs[i].StartTS, recs[i].CommitTS)
		}
	}
	if latest == 0 || h.covers(latest, now) {
		return
	}
	clock, err := h.fresh()
	for i := range recs {
		rec := &recs[i]
		ts := max(rec.StartTS, rec.CommitTS)
		switch {
		case errs[i] != nil || h.covers(ts, now):
		case err != nil:
			errs[i] = status.Error(codes.Unavailable, fmt.Sprintf("store the %s with start TS %s: the TS %s is later than the pump knows PD's clock to be, and PD cannot be asked: %v",
				rec.Type, rec.StartTS, dated(ts), err))
		case ts > clock:
			errs[i] = &futureError{rec.Type, rec.StartTS, ts, clock}
		}
	}
}

// futureError says that a record brings a TS that PD has not given.
type futureError struct {
	Type    storage.Type
	StartTS nodes.TSO
	TS      nodes.TSO // that PD has not given
	PD      nodes.TSO // what PD gave afterwards
}

func (e *futureError) Error() string {
	return fmt.Sprintf("store the %s with start TS %s: PD has not given the TS %s yet, its clock is at %s. "+
		"Check that the sender and this pump use the same PD cluster; nothing was stored", e.Type, e.StartTS, dated(e.TS), dated(e.PD))
}

// GRPCStatus makes the error InvalidArgument for a sender.
func (e *futureError) GRPCStatus() *status.Status {
	return status.New(codes.InvalidArgument, e.Error())
}

// fresh is a TSO that PD gives after the call has begun. Those who wait at the same time share
// a question.
func (h *horizon) fresh() (nodes.TSO, error) {
	q := h.ask()
	<-q.done
	return q.ts, q.err
}

// ask has a question put to PD that begins now or when the one under way has ended.
func (h *horizon) ask() *question {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next == nil {
		h.next = &question{done: make(chan struct{})}
	}
	if !h.asking {
		h.asking = true
		go h.answer()
	}
	return h.next
}

// answer puts questions to PD as long as somebody waits for the next one.
func (h *horizon) answer() {
	for {
		h.mu.Lock()
		q := h.next
		h.next = nil
		h.asking = q != nil
		h.mu.Unlock()
		if q == nil {
			return
		}
		q.ts, q.err = h.tso(context.Background())
		close(q.done)
	}
}
