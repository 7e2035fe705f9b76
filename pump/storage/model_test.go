package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/internal/disk"
	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/form"
)

// upstream plays PD, TiKV and the memory of the test: it draws timestamps and knows
// how each transaction ended.
type upstream struct {
	mu    sync.Mutex
	clock nodes.TSO
	txns  map[nodes.TSO]*txn
}

type txn struct {
	start, commit nodes.TSO // commit 0: not drawn
	payload       []byte
	rolledBack    bool
	acked         []int // pumps that acknowledged the prewrite before the commit TS was drawn
}

func newUpstream() *upstream { return &upstream{txns: make(map[nodes.TSO]*txn)} }

func (u *upstream) tso() nodes.TSO {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clock++
	return u.clock
}

func (u *upstream) begin(size int) *txn {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clock++
	t := &txn{start: u.clock, payload: prewritePayload(u.clock, size)}
	u.txns[t.start] = t
	return t
}

func (u *upstream) acknowledged(t *txn, pump int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	t.acked = append(t.acked, pump)
}

func (u *upstream) commit(t *txn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clock++
	t.commit = u.clock
}

func (u *upstream) rollback(t *txn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	t.rolledBack = true
}

// rollbackRest ends every transaction that is still going on, as TiKV does when the
// locks have expired.
func (u *upstream) rollbackRest() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, t := range u.txns {
		t.rolledBack = t.rolledBack || t.commit == 0
	}
}

// Resolve implements storage.Resolver.
func (u *upstream) Resolve(_ context.Context, q storage.Question) (storage.Verdict, nodes.TSO, error) {
	start, key := q.StartTS, q.Key
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.txns[start]
	switch {
	case t == nil || string(key) != fmt.Sprintf("key-%d", start):
		return storage.Unknown, 0, fmt.Errorf("no transaction %s with key %q", start, key)
	case t.commit > 0:
		return storage.Committed, t.commit, nil
	case t.rolledBack:
		return storage.RolledBack, 0, nil
	}
	return storage.Locked, 0, nil
}

// committed is what a pump must deliver: the transactions it acknowledged in time.
func (u *upstream) committed(pump int) map[nodes.TSO]*txn {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make(map[nodes.TSO]*txn)
	for _, t := range u.txns {
		for _, p := range t.acked {
			if p == pump && t.commit > 0 {
				all[t.commit] = t
			}
		}
	}
	return all
}

// check holds what a pump delivered after from against what it must deliver.
func (u *upstream) check(t *testing.T, pump int, from nodes.TSO, got []storage.Entry) {
	t.Helper()
	want := u.committed(pump)
	last := from
	for _, e := range got {
		if e.CommitTS <= last {
			t.Fatalf("pump %d: commit TS %s came after %s", pump, e.CommitTS, last)
		}
		last = e.CommitTS
		u.mu.Lock()
		known := u.txns[e.StartTS]
		if known == nil || known.commit != e.CommitTS || !bytes.Equal(known.payload, e.Payload) {
			t.Fatalf("pump %d delivered start TS %s commit TS %s with %d bytes, but the transaction is %+v",
				pump, e.StartTS, e.CommitTS, len(e.Payload), known)
		}
		u.mu.Unlock()
		delete(want, e.CommitTS)
	}
	for ts, tx := range want {
		if ts > from {
			t.Fatalf("pump %d did not deliver start TS %s commit TS %s (of %d delivered after %s)", pump, tx.start, ts, len(got), from)
		}
	}
}

func prewritePayload(start nodes.TSO, size int) []byte {
	ts := int64(start)
	b, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{
		StartTs: &ts, PrewriteKey: fmt.Appendf(nil, "key-%d", start), PrewriteValue: bytes.Repeat([]byte{byte(start)}, size),
	})
	if err != nil {
		panic(err)
	}
	return b
}

func prewrite(t *txn) storage.Record {
	return storage.Record{Type: storage.Prewrite, StartTS: t.start, Payload: t.payload}
}

func commit(t *txn) storage.Record {
	return storage.Record{Type: storage.Commit, StartTS: t.start, CommitTS: t.commit}
}

func rollback(t *txn) storage.Record {
	return storage.Record{Type: storage.Rollback, StartTS: t.start}
}

// small makes segments and checkpoints come often.
func small(fs disk.FS, u *upstream) storage.Options {
	return storage.Options{
		Dir: "data", FS: fs, SyncLog: true, SegmentBytes: 3000, CheckpointBytes: 2000, WaitInMemory: 4,
		Resolver: u, ResolveAfter: time.Millisecond,
	}
}

// pullAll waits until nothing is unresolved and returns all the transactions after a
// position.
func pullAll(t *testing.T, u *upstream, s *storage.Store, from nodes.TSO) []storage.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	end := u.tso()
	s.Advance(end)
	p, err := s.Pull(from)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var got []storage.Entry
	for {
		e, err := p.Next(ctx)
		if err != nil {
			t.Fatalf("pull after %s: %v (%+v)", from, err, s.Stats())
		}
		if !e.Fake() {
			e.Payload = bytes.Clone(e.Payload)
			got = append(got, e)
		}
		if e.CommitTS >= end {
			return got
		}
	}
}

var errPower = errors.New("the power is off")

// TestCrashAtEveryWrite cuts the power at each change of the file system in turn, and
// checks that the store opens and has everything it acknowledged, once and in order.
func TestCrashAtEveryWrite(t *testing.T) {
	for _, seed := range []uint64{0, 1, form.Seed(t)} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			at := 0
			for crashAt(t, seed, at) {
				at++
			}
			t.Logf("%d changes", at)
		})
	}
}

// crashAt reports whether the power was cut before the work was done.
func crashAt(t *testing.T, seed uint64, at int) bool {
	rnd := rand.New(rand.NewPCG(seed, uint64(at)))
	u, disk := newUpstream(), faultfs.New()
	ops, off := 0, false
	disk.Inject(func(faultfs.Op) faultfs.Fault {
		if ops++; ops > at {
			off = true
			return faultfs.Fault{Err: errPower, Short: rnd.IntN(5000)}
		}
		return faultfs.Fault{}
	})
	purged := nodes.TSO(0)
	if s, err := storage.Open(small(disk, u)); err == nil {
		purged = work(u, s, rand.New(rand.NewPCG(seed, 0)))
		_ = s.Close() // fails when the power is off
	}
	disk.Inject(nil)
	if n := disk.OpenFiles(); n != 0 {
		t.Fatalf("%d files were left open", n)
	}
	u.rollbackRest()
	after := disk.Crash(rnd)
	for range 2 {
		s, err := storage.Open(small(after, u))
		if err != nil {
			t.Fatalf("seed %d, power cut at change %d: %v", seed, at, err)
		}
		if p := s.Stats().PurgedTS; p > purged {
			t.Fatalf("purged up to %s, GC was allowed to go to %s", p, purged)
		}
		u.check(t, 0, purged, pullAll(t, u, s, purged))
		purged = max(purged, work(u, s, nil))
		u.rollbackRest()
		u.check(t, 0, purged, pullAll(t, u, s, purged))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return off
}

// work runs transactions one step after the other, until an error comes, and returns
// up to where GC was allowed to go. Without rnd it is a short piece of work.
func work(u *upstream, s *storage.Store, rnd *rand.Rand) (purged nodes.TSO) {
	ctx := context.Background()
	steps := 120
	if rnd == nil {
		steps, rnd = 10, rand.New(rand.NewPCG(1, 1))
	}
	var open []*txn
	for range steps {
		switch what := rnd.IntN(20); {
		case what < 9:
			tx := u.begin(rnd.IntN(900))
			if s.Append(ctx, prewrite(tx)) != nil {
				return purged
			}
			u.acknowledged(tx, 0)
			open = append(open, tx)
		case what == 19:
			purged = s.MaxCommitTS() / 2
			if _, err := s.GC(purged); err != nil {
				return purged
			}
		case len(open) > 0:
			i := rnd.IntN(len(open))
			tx := open[i]
			open = append(open[:i], open[i+1:]...)
			rec := rollback(tx)
			if what < 17 {
				u.commit(tx)
				rec = commit(tx)
			} else {
				u.rollback(tx)
			}
			if s.Append(ctx, rec) != nil {
				return purged
			}
		}
	}
	return purged
}

// node is a pump of the random schedules: a store that is closed, crashes, and comes
// back under the hands of those who use it.
type node struct {
	id    int
	u     *upstream
	mu    sync.RWMutex // held for writing while the store is replaced
	disk  *faultfs.FS
	store *storage.Store
}

func (n *node) get() *storage.Store {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.store
}

// restart brings the store down, by Close or by a crash, and opens what is left.
func (n *node) restart(t *testing.T, crash *rand.Rand) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if crash != nil {
		n.disk.Inject(func(faultfs.Op) faultfs.Fault { return faultfs.Fault{Err: errPower} })
		next := n.disk.Crash(crash)
		_ = n.store.Close() // in vain
		n.disk = next
	} else if err := n.store.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	n.disk.Inject(nil)
	var err error
	if n.store, err = storage.Open(small(n.disk, n.u)); err != nil {
		panic(fmt.Sprintf("pump %d: %v", n.id, err)) // an end of this goroutine alone would leave the others without a store
	}
}

// put appends until the store takes the record.
func (n *node) put(ctx context.Context, rec storage.Record) error {
	for ctx.Err() == nil {
		if n.get().Append(ctx, rec) == nil {
			return nil
		}
		time.Sleep(100 * time.Microsecond) // the store is on its way up again
	}
	return ctx.Err()
}

// TestRandomSchedules runs several writers against three pumps that crash, fail and
// restart, with orphans, repetitions and pulls going on, and checks what each pump
// delivers.
func TestRandomSchedules(t *testing.T) {
	rounds := uint64(2)
	if form.Long() {
		rounds = 30
	}
	fresh := form.Seed(t)
	for seed := fresh; seed < fresh+rounds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomSchedule(t, seed, 1500*time.Millisecond) })
	}
}

func randomSchedule(t *testing.T, seed uint64, length time.Duration) {
	u := newUpstream()
	pumps := make([]*node, 3)
	for i := range pumps {
		pumps[i] = &node{id: i, u: u, disk: faultfs.New()}
		var err error
		if pumps[i].store, err = storage.Open(small(pumps[i].disk, u)); err != nil {
			t.Fatal(err)
		}
	}
	stop, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var writers, others sync.WaitGroup
	for w := range 12 {
		writers.Go(func() { writeRandomly(stop, u, pumps, rand.New(rand.NewPCG(seed, uint64(w)))) })
	}
	followed := make([][]storage.Entry, len(pumps))
	finish, follow := context.WithCancel(context.Background())
	for i, n := range pumps {
		others.Go(func() { followed[i] = n.follow(t, finish) })
		writers.Go(func() { n.injectFaults(t, stop, rand.New(rand.NewPCG(seed, uint64(100+i)))) })
	}
	writers.Wait()
	u.rollbackRest()
	for i, n := range pumps {
		got := pullAll(t, u, n.get(), 0)
		u.check(t, i, 0, got)
		for range 3 {
			from := nodes.TSO(rand.Int64N(int64(u.tso())))
			u.check(t, i, from, pullAll(t, u, n.get(), from))
		}
		t.Logf("pump %d: %d transactions, %+v", i, len(got), n.get().Stats())
	}
	follow()
	others.Wait()
	for i, n := range pumps {
		u.check(t, i, 0, followed[i])
		if err := n.store.Close(); err != nil {
			t.Error(err)
		}
		if open := n.disk.OpenFiles(); open != 0 {
			t.Errorf("pump %d left %d files open", i, open)
		}
	}
}

// writeRandomly runs transactions as TiDB does, on good days and bad.
func writeRandomly(ctx context.Context, u *upstream, pumps []*node, rnd *rand.Rand) {
	for ctx.Err() == nil {
		tx := u.begin(rnd.IntN(600))
		n := pumps[rnd.IntN(len(pumps))]
		if rnd.IntN(8) == 0 { // it timed out on another pump before, and was stored there or not
			_ = pumps[rnd.IntN(len(pumps))].get().Append(ctx, prewrite(tx))
		}
		if n.put(context.Background(), prewrite(tx)) != nil {
			return
		}
		u.acknowledged(tx, n.id)
		if rnd.IntN(4) == 0 {
			time.Sleep(time.Duration(rnd.IntN(1000)) * time.Microsecond) // TiKV takes its time
		}
		if rnd.IntN(6) == 0 {
			u.rollback(tx)
			if rnd.IntN(3) > 0 {
				_ = n.put(ctx, rollback(tx))
			}
			continue
		}
		u.commit(tx)
		if rnd.IntN(10) == 0 {
			continue // TiDB died: the pump is never told
		}
		_ = n.put(ctx, commit(tx))
		if rnd.IntN(10) == 0 {
			_ = n.get().Append(ctx, commit(tx))
		}
	}
}

// injectFaults forwards the clock, injects faults, and restarts the pump.
func (n *node) injectFaults(t *testing.T, ctx context.Context, rnd *rand.Rand) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(rnd.IntN(10)) * time.Millisecond)
		ts := n.u.tso()
		s := n.get()
		s.Advance(ts)
		switch what := rnd.IntN(12); {
		case what == 0:
			n.restart(t, rnd)
		case what == 1:
			n.restart(t, nil)
		case what < 4:
			n.disk.Inject(randomFault(rand.New(rand.NewPCG(rnd.Uint64(), 0)), 1+rnd.IntN(30)))
		case what == 4:
			n.disk.SetCapacity(20_000)
		case what == 5:
			n.disk.SetCapacity(1 << 30)
		}
		if s.Failed() != nil {
			if rnd.IntN(2) == 0 {
				n.restart(t, rnd)
			} else {
				n.restart(t, nil)
			}
		}
	}
	n.disk.SetCapacity(1 << 30)
	n.restart(t, nil)
}

// randomFault fails one of the next operations.
func randomFault(rnd *rand.Rand, after int) func(faultfs.Op) faultfs.Fault {
	return func(op faultfs.Op) faultfs.Fault {
		if after--; after != 0 {
			return faultfs.Fault{}
		}
		return faultfs.Fault{Err: errors.New("the disk does not want to"), Short: rnd.IntN(op.Size + 1)}
	}
}

// follow pulls without end, across restarts, until ctx is done and it has everything.
func (n *node) follow(t *testing.T, ctx context.Context) (got []storage.Entry) {
	last := nodes.TSO(0)
	for {
		p, err := n.get().Pull(last)
		for err == nil {
			var e storage.Entry
			if e, err = p.Next(ctx); err != nil {
				break
			}
			if e.CommitTS <= last {
				t.Errorf("pump %d: %s came after %s", n.id, e.CommitTS, last)
			}
			last = e.CommitTS
			if !e.Fake() {
				e.Payload = bytes.Clone(e.Payload)
				got = append(got, e)
			}
		}
		if p != nil {
			p.Close()
		}
		if ctx.Err() != nil {
			return got
		}
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("pump %d: pull after %s: %v", n.id, last, err)
			return got
		}
		time.Sleep(100 * time.Microsecond) // until the pump is up again
	}
}
