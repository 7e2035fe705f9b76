package tikv

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	pd "github.com/tikv/pd/client"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// world is PD, the TiKV of one primary key, and TiDB's garbage collection, with a clock of the
// test's. It knows one transaction: what became of it, and what TiKV still has of it.
type world struct {
	clock time.Time
	start nodes.TSO
	crash time.Time // of the TiDB that ran the transaction

	commitTS   nodes.TSO // 0: not committed
	overwrite  bool      // the row was changed a minute later: the commit record can be collected
	rolledBack bool      // TiKV has a rollback record
	lock       *kvrpcpb.MvccLock
	touched    time.Time // when a writer takes away an expired pessimistic lock; zero: never

	run      time.Time // when garbage collection runs next
	worker   nodes.TSO // its own service safe point
	out      nodes.TSO // what PD allowed it, which becomes safe 100 s after the run
	safe     nodes.TSO // PD's GC safe point
	held     nodes.TSO // the pump's service safe point
	till     time.Time
	noHolder bool // this PD has no service safe points
}

var epoch = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

const (
	gcInterval = 10 * time.Minute
	gcLife     = 10 * time.Minute
	gcDelay    = 100 * time.Second
)

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	for end := w.clock.Add(d); w.clock.Before(end); {
		next := w.run
		if pending := w.run.Add(gcDelay - gcInterval); w.clock.Before(pending) {
			next = pending
		}
		if next.After(end) {
			w.clock = end
			break
		}
		w.clock = next
		if next.Equal(w.run) {
			w.collect()
		} else {
			w.safe = max(w.safe, w.out)
		}
	}
	if w.lock != nil && !w.touched.IsZero() && w.clock.After(w.touched) && w.expired(tso(w.clock)) {
		w.lock = nil // a pessimistic lock that is in the way vanishes without a record
	}
}

// collect is a run of garbage collection: it leaves what is young, what a live TiDB runs and what
// services hold, and resolves the locks before.
func (w *world) collect() {
	w.run = w.run.Add(gcInterval)
	w.worker = max(w.worker, tso(w.clock.Add(-gcLife)))
	if w.clock.Before(w.crash) {
		w.worker = min(w.worker, w.start-1)
	}
	w.out = w.least()
	if w.lock != nil && w.start <= w.out {
		w.rolledBack = w.lock.Type != kvrpcpb.Op_PessimisticLock
		w.lock = nil
	}
}

// least is PD's smallest service safe point.
func (w *world) least() nodes.TSO {
	if w.held > 0 && w.clock.Before(w.till) {
		return min(w.held, w.worker)
	}
	return w.worker
}

func (w *world) expired(now nodes.TSO) bool {
	return w.start.Physical()+int64(w.lock.Ttl) < now.Physical()
}

func (w *world) info() *kvrpcpb.MvccInfo {
	info := &kvrpcpb.MvccInfo{Lock: w.lock}
	if w.commitTS > 0 && !(w.overwrite && w.safe >= w.commitTS+nodes.TSO(time.Minute.Milliseconds()<<18)) {
		info.Writes = append(info.Writes, &kvrpcpb.MvccWrite{Type: kvrpcpb.Op_Put, StartTs: uint64(w.start), CommitTs: uint64(w.commitTS)})
	}
	if w.rolledBack {
		info.Writes = append(info.Writes, &kvrpcpb.MvccWrite{Type: kvrpcpb.Op_Rollback, StartTs: uint64(w.start), CommitTs: uint64(w.start)})
	}
	return info
}

func (w *world) mvccGetByKey(context.Context, string, *kvrpcpb.MvccGetByKeyRequest) (*kvrpcpb.MvccGetByKeyResponse, error) {
	return &kvrpcpb.MvccGetByKeyResponse{Info: w.info()}, nil
}

func (w *world) checkTxnStatus(_ context.Context, _ string, r *kvrpcpb.CheckTxnStatusRequest) (*kvrpcpb.CheckTxnStatusResponse, error) {
	v, commitTS, err := outcomeOf(w.info(), r.LockTs)
	resp := &kvrpcpb.CheckTxnStatusResponse{CommitVersion: uint64(commitTS)}
	switch {
	case err != nil:
		return nil, err
	case v == storage.Locked && !w.expired(nodes.TSO(r.CurrentTs)):
		resp.LockTtl = w.lock.Ttl
	case v == storage.Locked:
		w.lock, w.rolledBack, resp.Action = nil, true, kvrpcpb.Action_TTLExpireRollback
	case v == storage.Unknown && r.RollbackIfNotExist:
		w.rolledBack, resp.Action = true, kvrpcpb.Action_LockNotExistRollback
	case v == storage.Unknown:
		resp.Error = &kvrpcpb.KeyError{TxnNotFound: &kvrpcpb.TxnNotFound{}}
	}
	return resp, nil
}

func (w *world) holdGC(_ context.Context, _ string, ts uint64, ttl time.Duration) (uint64, error) {
	if w.noHolder {
		return 0, errors.ErrUnsupported
	}
	if nodes.TSO(ts) >= w.least() {
		w.held, w.till = nodes.TSO(ts), w.clock.Add(ttl)
	}
	return uint64(w.least()), nil
}

func (w *world) stores(context.Context) ([]*metapb.Store, error) {
	return []*metapb.Store{{Id: 1}}, nil
}
func (w *world) store(context.Context, uint64) (*metapb.Store, error) {
	return &metapb.Store{Id: 1, Address: "tikv:1"}, nil
}
func (w *world) region(context.Context, []byte) (*pd.Region, error) {
	return &pd.Region{Meta: &metapb.Region{Id: 1}, Leader: &metapb.Peer{StoreId: 1}}, nil
}
func (w *world) safePoint(context.Context) (uint64, error) { return uint64(w.safe), nil }
func (w *world) now(context.Context) (uint64, error)       { return uint64(tso(w.clock)), nil }
func (w *world) close()                                    {}

func tso(t time.Time) nodes.TSO { return nodes.MakeTSO(t, 1) }

// left is what a TiDB that is killed in COMMIT leaves in TiKV.
type left struct {
	name string
	set  func(w *world, prewrite time.Time)
}

var leavings = []left{
	{"nothing", func(w *world, prewrite time.Time) {}},
	{"a pessimistic lock", func(w *world, prewrite time.Time) {
		w.lock = &kvrpcpb.MvccLock{Type: kvrpcpb.Op_PessimisticLock, StartTs: uint64(w.start),
			Ttl: uint64(tso(prewrite).Physical()-w.start.Physical()) + 20_000}
	}},
	{"a pessimistic lock that is in somebody's way", func(w *world, prewrite time.Time) {
		w.lock = &kvrpcpb.MvccLock{Type: kvrpcpb.Op_PessimisticLock, StartTs: uint64(w.start),
			Ttl: uint64(tso(prewrite).Physical()-w.start.Physical()) + 3_000}
		w.touched = prewrite.Add(10 * time.Second)
	}},
	{"a lock", func(w *world, prewrite time.Time) {
		w.lock = &kvrpcpb.MvccLock{StartTs: uint64(w.start), Ttl: uint64(tso(prewrite).Physical()-w.start.Physical()) + 3_000}
	}},
	{"a commit", func(w *world, prewrite time.Time) { w.commitTS = tso(prewrite.Add(100 * time.Millisecond)) }},
	{"a commit of a row that is changed later", func(w *world, prewrite time.Time) {
		w.commitTS, w.overwrite = tso(prewrite.Add(100*time.Millisecond)), true
	}},
}

// run lets a TiDB die right after a prewrite, in a phase of garbage collection, by a transaction of that
// age. The pump holds its safe point a second later and stops for a time. It gives how long the outcome
// took then, by the storage's questions, and the outcome; an error if there was none in 2 minutes.
func (l left) run(t *testing.T, phase, age, down, ttl time.Duration, noHolder bool) (took time.Duration, v storage.Verdict, w *world, err error) {
	t.Helper()
	prewrite := epoch.Add(2 * time.Hour)
	w = &world{clock: epoch, start: tso(prewrite.Add(-age)), crash: prewrite.Add(200 * time.Millisecond),
		run: epoch.Add(phase), noHolder: noHolder}
	l.set(w, prewrite)
	r, err := New(Options{Endpoints: []string{"nowhere"}, Now: func() time.Time { return w.clock }})
	if err != nil {
		t.Fatal(err)
	}
	r.session = &session{pd: w, tikv: w}
	hold := func() { _, _ = r.HoldGC(t.Context(), "pumphouse-p", w.start-1, ttl) }
	w.pass(prewrite.Sub(epoch) + time.Second)
	hold()
	begun := prewrite
	if down > 0 {
		w.pass(down)
		begun = w.clock
		hold()
	}
	for next := 3 * time.Second; next <= 2*time.Minute; next += 2 * time.Second {
		w.pass(begun.Add(next).Sub(w.clock))
		v, _, err = r.Resolve(t.Context(), storage.Question{StartTS: w.start, Key: primary, Age: next})
		if v == storage.Committed || v == storage.RolledBack {
			return next, v, w, err
		}
	}
	return 0, v, w, fmt.Errorf("no outcome: %w", err)
}

// right reports whether that is what happened to the transaction.
func (w *world) right(v storage.Verdict) bool {
	return v == storage.RolledBack && w.commitTS == 0 || v == storage.Committed && w.commitTS > 0
}

// TestEveryTransactionEnds: whatever a TiDB leaves that dies in COMMIT, however old the transaction was
// and wherever garbage collection is, the outcome is known within 30 s of the crash, or of the start of a pump
// that was away meanwhile.
func TestEveryTransactionEnds(t *testing.T) {
	for _, l := range leavings {
		t.Run(l.name, func(t *testing.T) {
			slowest, cases := time.Duration(0), 0
			for _, age := range []time.Duration{0, 30 * time.Second, 2 * time.Minute, 5 * time.Minute, 11 * time.Minute, 59 * time.Minute} {
				for _, down := range []time.Duration{0, 20 * time.Minute, 23 * time.Hour} {
					for phase := time.Duration(0); phase < gcInterval; phase += 10 * time.Second {
						took, v, w, err := l.run(t, phase, age, down, 24*time.Hour, false)
						if err != nil || !w.right(v) {
							t.Fatalf("age %s, away for %s, phase %s: %d, %v", age, down, phase, v, err)
						}
						slowest = max(slowest, took)
						cases++
					}
				}
			}
			if slowest > 30*time.Second {
				t.Errorf("the outcome took up to %s", slowest)
			}
			t.Logf("%d cases, the slowest took %s", cases, slowest)
		})
	}
}

// TestOutcomeIsNotGuessed: where garbage collection is not held back, because PD does not know how or
// the pump was away for longer than its TTL, an outcome is right or there is none.
func TestOutcomeIsNotGuessed(t *testing.T) {
	for _, l := range leavings {
		t.Run(l.name, func(t *testing.T) {
			cases, none := 0, 0
			for _, age := range []time.Duration{0, 5 * time.Minute, 11 * time.Minute, 59 * time.Minute} {
				for _, down := range []time.Duration{0, 5 * time.Minute, 20 * time.Minute, 3 * time.Hour} {
					for phase := time.Duration(0); phase < gcInterval; phase += 10 * time.Second {
						for _, noHolder := range []bool{true, false} {
							_, v, w, err := l.run(t, phase, age, down, time.Minute, noHolder)
							switch {
							case v == storage.Unknown && err != nil && (age > 0 || down > 0):
								none++
							case err != nil || !w.right(v):
								t.Fatalf("age %s, away for %s, phase %s, no service safe points %v: %d, %v", age, down, phase, noHolder, v, err)
							}
							cases++
						}
					}
				}
			}
			t.Logf("no outcome in %d of %d cases", none, cases)
		})
	}
}
