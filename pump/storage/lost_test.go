package storage_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/form"
)

// deliveredPast is what pulls from a position get that go on after every stretch of which something may be
// lost, and those stretches.
func deliveredPast(t *testing.T, s *storage.Store, from nodes.TSO) (list []nodes.TSO, ranges []storage.LostRange) {
	t.Helper()
	for {
		got, err := pulledUntil(s, from)
		list = append(list, got...)
		var lost *storage.LostError
		switch {
		case errors.As(err, &lost):
			ranges = append(ranges, lost.LostRange)
			from = lost.To
		case errors.Is(err, context.Canceled):
			return list, ranges
		default:
			t.Fatal(err)
		}
	}
}

// pulledUntil is what a pull from a position gets without waiting for anything new, and what ended it:
// [context.Canceled] when that is all there is.
func pulledUntil(s *storage.Store, from nodes.TSO) (list []nodes.TSO, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p, err := s.Pull(from)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	for {
		e, err := p.Next(ctx)
		if err != nil {
			return list, err
		}
		if !e.Fake() {
			list = append(list, e.CommitTS)
		}
	}
}

// history is what happened upstream of a store.
type history struct {
	t       *testing.T
	rnd     *rand.Rand
	ts      nodes.TSO
	open    []nodes.TSO             // start TSs of transactions that are not over for the store
	commits map[nodes.TSO]nodes.TSO // commit TS by start TS; 0: rolled back
	sent    []nodes.TSO             // start TSs of those whose commit was stored
}

func (h *history) tick() nodes.TSO { h.ts += 1 + nodes.TSO(h.rnd.IntN(3)); return h.ts }

// step does one thing that TiDB, PD or a pump does.
func (h *history) step(s *storage.Store) {
	h.t.Helper()
	switch n := h.rnd.IntN(20); {
	case n < 8 || len(h.open) == 0:
		start := h.tick()
		put(h.t, s, pre(start, 1+h.rnd.IntN(150)))
		h.open = append(h.open, start)
	case n < 17: // commits are stored in another order than their TSs were drawn
		i := h.rnd.IntN(len(h.open))
		start := h.open[i]
		if _, drawn := h.commits[start]; !drawn {
			h.commits[start] = h.tick()
			if h.rnd.IntN(5) == 0 {
				h.commits[start] = 0
			}
			if h.rnd.IntN(3) == 0 {
				return
			}
		}
		h.open = slices.Delete(h.open, i, i+1)
		put(h.t, s, h.outcome(start))
		if h.commits[start] != 0 {
			h.sent = append(h.sent, start)
		}
	case n == 17 && len(h.sent) > 0:
		put(h.t, s, h.outcome(h.sent[h.rnd.IntN(len(h.sent))])) // TiDB repeats a commit
	case n == 18:
		s.Advance(h.tick())
	default:
		if _, err := s.GC(h.ts / 3); err != nil {
			h.t.Fatal(err)
		}
	}
}

// outcome is the commit or rollback of a transaction.
func (h *history) outcome(start nodes.TSO) storage.Record {
	if at := h.commits[start]; at != 0 {
		return com(start, at)
	}
	return rol(start)
}

// committed are the commit TSs after a position and up to and including another.
func (h *history) committed(after, upTo nodes.TSO) (list []nodes.TSO) {
	for _, ts := range h.commits {
		if ts > after && ts <= upTo {
			list = append(list, ts)
		}
	}
	slices.Sort(list)
	return list
}

// TestNothingIsSkippedAfterRepair damages logs in many ways. After -repair, and when every
// transaction that is unresolved then is resolved, a pull from any position delivers everything,
// or ends with an error before the first transaction that is missing.
func TestNothingIsSkippedAfterRepair(t *testing.T) {
	stopped, whole, restored := 0, 0, 0
	fresh := form.Seed(t)
	for seed := fresh; seed < fresh+150; seed++ {
		h := &history{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), ts: 10, commits: make(map[nodes.TSO]nodes.TSO)}
		disk := faultfs.New()
		opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1500, CheckpointBytes: 2500}
		s := open(t, opts)
		for range 250 {
			h.step(s)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		what := damage(t, disk, h.rnd)
		report, err := storage.Repair(opts)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, what, err)
		}
		if again, err := storage.Repair(opts); err != nil || !slices.Equal(again.Ranges, report.Ranges) {
			t.Fatalf("seed %d: %s: repaired again: %+v, %v; at first %+v", seed, what, again, err, report)
		}
		for _, o := range report.Restored {
			if was, drawn := h.commits[o.StartTS]; !drawn || was != o.CommitTS && (o.CommitTS != 0 || was > report.PurgedTS) {
				t.Fatalf("seed %d: %s: restored %v, which ended at %v (drawn: %t); %+v", seed, what, o, was, drawn, report)
			}
		}
		restored += len(report.Restored)
		s = open(t, opts)
		for _, start := range s.Unresolved(0) {
			put(t, s, h.outcome(start))
		}
		s.Advance(h.tick()) // PD's clock goes on; until then a pull waits before what was lost at the end
		for _, from := range append(h.committed(0, h.ts), 0, h.ts) {
			got, err := pulledUntil(s, from)
			var lost *storage.LostError
			var purged *storage.PurgedError
			upTo := h.ts
			switch {
			case errors.As(err, &lost):
				upTo = max(lost.From, from)
				stopped++
			case errors.As(err, &purged):
				upTo = from
			case errors.Is(err, context.Canceled):
				whole++
			default:
				t.Fatalf("seed %d: %s: pull after %s: %v", seed, what, from, err)
			}
			if want := h.committed(from, upTo); !slices.Equal(got, want) {
				t.Fatalf("seed %d: %s: pull after %s ends with %v, delivered %v, want %v; %+v", seed, what, from, err, got, want, report)
			}
		}
		s.Close()
	}
	if stopped < 50 || whole < 50 || restored == 0 {
		t.Errorf("%d pulls were stopped and %d not, %d outcomes were restored: the test tests nothing", stopped, whole, restored)
	}
}

// damage does something to a store's files, but not to the last write, whose loss is that of a crash.
func damage(t *testing.T, disk *faultfs.FS, rnd *rand.Rand) (what string) {
	t.Helper()
	names, err := disk.List("d")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, "log-") })
	slices.Sort(names)
	i := rnd.IntN(len(names))
	name, last := filepath.Join("d", names[i]), i == len(names)-1
	if rnd.IntN(2) == 0 {
		what = "checkpoint damaged, "
		disk.Corrupt("d/checkpoint", func(b []byte) []byte { b[30]++; return b })
	}
	end := logEnd(disk, name)
	if last {
		end -= 400
	}
	if end < 64 {
		return what + "nothing else"
	}
	at := rnd.IntN(end)
	switch n := rnd.IntN(6); {
	case n == 0 && !last && (i > 0 || what == ""): // without a checkpoint a missing first segment looks like a purged one
		disk.Delete(name)
		return what + "deleted " + name
	case n == 1 && (!last || what == ""): // the checkpoint knows how long the last one was
		disk.Corrupt(name, func(b []byte) []byte { return b[:at] })
		return what + "cut " + name
	case n == 2:
		disk.Corrupt(name, func(b []byte) []byte { clear(b[at:min(at+512, end)]); return b })
		return what + "zeroed a sector of " + name
	case n == 3:
		return what + "nothing else"
	}
	disk.Corrupt(name, func(b []byte) []byte { b[at] ^= 0x40; return b })
	return what + "changed a byte of " + name
}

// TestRepairWithoutLoss: repeated commits and commits of what is purged are no losses, and with a damaged
// checkpoint an intact log stays pullable from where drainers are.
func TestRepairWithoutLoss(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		disk := faultfs.New()
		opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 3000, CheckpointBytes: 2000}
		s := open(t, opts)
		put(t, s, pre(1, 2500), pre(2, 2500), com(1, 5), com(2, 6)) // their commits are in a later segment
		for ts := nodes.TSO(10); ts < 500; ts += 10 {
			put(t, s, pre(ts, 300), com(ts, ts+1))
		}
		put(t, s, com(490, 491), com(300, 301)) // TiDB repeats what it got no answer for
		if _, err := s.GC(250); err != nil {
			t.Fatal(err)
		}
		if s.Stats().PurgedTS < 200 {
			t.Fatalf("nothing is purged: %+v", s.Stats())
		}
		want := delivered(t, s, 250)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if damaged {
			disk.Corrupt("d/checkpoint", func(b []byte) []byte { b[20] ^= 1; return b })
		}
		report, err := storage.Repair(opts)
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Lost) > 0 || len(report.Ranges) > 0 || len(report.Gaps) > 0 || report.PurgedTS > 250 {
			t.Errorf("checkpoint damaged %t: nothing was lost from the log, and the report is %+v", damaged, report)
		}
		s = open(t, opts)
		if got := delivered(t, s, 250); !slices.Equal(got, want) {
			t.Errorf("checkpoint damaged %t: delivered %v, want %v", damaged, got, want)
		}
	}
}

// TestRepairThatLostAnOutcome: how a transaction ended whose commit or rollback is gone is known from the index, if
// something was delivered that had waited for it. Where the index does not prove it, the transaction is unresolved, as
// any other, and nothing is taken for lost.
func TestRepairThatLostAnOutcome(t *testing.T) {
	rolledBack, committed := []storage.Outcome{{StartTS: 30}}, []storage.Outcome{{StartTS: 30, CommitTS: 40}}
	for name, c := range map[string]struct {
		outcome  storage.Record
		later    int // transactions after it
		harm     func(*testing.T, *faultfs.FS)
		restored []storage.Outcome
	}{
		"rollback":                      {rol(30), 500, nil, rolledBack},
		"rollback, and the checkpoint":  {rol(30), 500, harmCheckpoint, rolledBack},
		"commit":                        {com(30, 40), 500, nil, committed},
		"commit, and the checkpoint":    {com(30, 40), 500, harmCheckpoint, committed},
		"the index has many entries":    {rol(30), 10_000, harmCheckpoint, rolledBack},
		"nothing after it":              {rol(30), 0, harmCheckpoint, nil},
		"the index is gone":             {rol(30), 500, func(_ *testing.T, disk *faultfs.FS) { disk.Delete("d/index-0000000001") }, nil},
		"the index is damaged":          {rol(30), 500, harmEntry(0), nil},
		"the index has lost its end":    {rol(30), 500, harmEntry(499), rolledBack},
		"the index is of another store": {rol(30), 500, foreignIndex, nil},
	} {
		t.Run(name, func(t *testing.T) {
			disk := faultfs.New()
			opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 8 << 20}
			s := open(t, opts)
			put(t, s, pre(30, 10))
			at := s.Stats().LogBytes
			put(t, s, c.outcome)
			for ts := nodes.TSO(1000); ts < 1000+2*nodes.TSO(c.later); ts += 2 {
				put(t, s, pre(ts, 10), com(ts, ts+1))
			}
			if c.later == 0 {
				put(t, s, pre(1000, 10))
			}
			want := delivered(t, s, 0)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			disk.Corrupt(firstSegment, func(b []byte) []byte { b[at+16] ^= 1; return b })
			if c.harm != nil {
				c.harm(t, disk)
			}
			report, err := storage.Repair(opts)
			if err != nil || len(report.Gaps) != 1 || len(report.Lost) > 0 || len(report.Ranges) > 0 {
				t.Fatalf("%+v, %v", report, err)
			}
			if !slices.Equal(report.Restored, c.restored) {
				t.Fatalf("restored: %v, want %v", report.Restored, c.restored)
			}
			s = open(t, opts)
			if c.restored == nil {
				if got := s.Unresolved(0); report.Open == 0 || !slices.Contains(got, 30) {
					t.Fatalf("unresolved: %v; %+v", got, report)
				}
				if _, err := s.Decide(t.Context(), 30, c.outcome.CommitTS); err != nil {
					t.Fatal(err)
				}
			}
			if got := delivered(t, s, 0); !slices.Equal(got, want) {
				t.Errorf("%d transactions are delivered, want %d", len(got), len(want))
			}
		})
	}
}

func harmCheckpoint(_ *testing.T, disk *faultfs.FS) {
	disk.Corrupt("d/checkpoint", func(b []byte) []byte { b[20] ^= 1; return b })
}

// harmEntry damages an entry of the index.
func harmEntry(n int) func(*testing.T, *faultfs.FS) {
	return func(_ *testing.T, disk *faultfs.FS) {
		disk.Corrupt("d/index-0000000001", func(b []byte) []byte { b[32*n] ^= 1; return b })
	}
}

// foreignIndex puts the index of another store in the place of this one's.
func foreignIndex(t *testing.T, disk *faultfs.FS) {
	other := faultfs.New()
	s := open(t, storage.Options{Dir: "d", FS: other, SyncLog: true})
	for ts := nodes.TSO(1); ts < 1400; ts += 2 {
		put(t, s, pre(ts, 20), com(ts, ts+1))
	}
	delivered(t, s, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	disk.Corrupt("d/index-0000000001", func([]byte) []byte { return other.Read("d/index-0000000001") })
}

// TestLostFile: a damaged list of what is lost keeps the store from opening, and -repair makes it again from the log.
func TestLostFile(t *testing.T) { synctest.Test(t, lostFile) } // time stands still from one repair to the next

func lostFile(t *testing.T) {
	disk := aLog(t, 20, 1000)
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1000}
	disk.Delete("d/log-0000000002")
	report, err := storage.Repair(opts)
	if err != nil || len(report.Ranges) != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	disk.Corrupt("d/lost", func(b []byte) []byte { b[9] ^= 1; return b })
	var bad *storage.DamageError
	if _, err := storage.Open(opts); !errors.As(err, &bad) || bad.File != "d/lost" {
		t.Errorf("open: %v", err)
	}
	again, err := storage.Repair(opts)
	if err != nil || !slices.Equal(again.Ranges, report.Ranges) {
		t.Fatalf("%+v, %v, at first %+v", again, err, report)
	}
	s := open(t, opts)
	if got := s.Stats().LostRanges; !slices.Equal(got, report.Ranges) {
		t.Errorf("the figures name %v", got)
	}
	_, err = pulledUntil(s, 0)
	var lost *storage.LostError
	if !errors.As(err, &lost) || lost.LostRange != report.Ranges[0] {
		t.Fatalf("pull: %v", err)
	}
	for _, text := range []string{lost.From.String(), lost.To.String(), "-initial-commit-ts"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q is not in: %v", text, err)
		}
	}
}
