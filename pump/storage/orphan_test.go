package storage_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/form"
)

// orphanTS is the start TS of the prewrite that holds back everything in these tests.
const orphanTS = 5

// afterOrphan stores a prewrite, and n transactions that wait for it, roughly in commit TS
// order. It returns their commit TSs, sorted, and one in the middle that is free.
func afterOrphan(t *testing.T, s *storage.Store, rnd *rand.Rand, n int) (want []nodes.TSO, free nodes.TSO) {
	t.Helper()
	put(t, s, pre(orphanTS, 10))
	ts := nodes.TSO(1000)
	for len(want) < n {
		batch := min(n-len(want), 1+rnd.IntN(30))
		starts, recs := ts, []storage.Record(nil)
		for range batch {
			recs = append(recs, pre(ts, 10))
			ts++
		}
		if free == 0 && len(want) > n/2 {
			free = ts
			ts++
		}
		var commits []storage.Record
		for i := range batch {
			commits = append(commits, com(starts+nodes.TSO(i), ts))
			want = append(want, ts)
			ts++
		}
		rnd.Shuffle(len(commits), func(i, j int) { commits[i], commits[j] = commits[j], commits[i] })
		for _, group := range [][]storage.Record{recs, commits} {
			errs := make([]error, len(group))
			s.AppendAll(group, errs)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
		}
	}
	return want, free
}

// pulled is everything that is delivered after from up to and including the time end, which is
// told to the store as PD's.
func pulled(t *testing.T, s *storage.Store, from, end nodes.TSO) (got []nodes.TSO) {
	t.Helper()
	s.Advance(end)
	p, err := s.Pull(from)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for last := from; last < end; {
		e, err := p.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e.CommitTS <= last {
			t.Fatalf("commit TS %s follows %s", e.CommitTS, last)
		}
		if last = e.CommitTS; !e.Fake() {
			got = append(got, e.CommitTS)
		}
	}
	return got
}

// filesOf is how many files of a disk have a name that begins so.
func filesOf(t *testing.T, disk *faultfs.FS, prefix string) (n int) {
	t.Helper()
	names, err := disk.List("d")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			n++
		}
	}
	return n
}

// TestOrphan: what waits for one prewrite takes neither memory nor space in the checkpoint, is
// found while it waits, survives a crash, and is delivered once and in order when the prewrite
// is resolved, by a commit before all of it or in the middle, or by a rollback.
func TestOrphan(t *testing.T) {
	const inMemory = 16
	for name, resolve := range map[string]func(free, last nodes.TSO) storage.Record{
		"rollback": func(_, _ nodes.TSO) storage.Record { return rol(orphanTS) },
		"first":    func(_, _ nodes.TSO) storage.Record { return com(orphanTS, 6) },
		"middle":   func(free, _ nodes.TSO) storage.Record { return com(orphanTS, free) },
		"last":     func(_, last nodes.TSO) storage.Record { return com(orphanTS, last+1) },
	} {
		t.Run(name, func(t *testing.T) {
			disk := faultfs.New()
			opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, WaitInMemory: inMemory, SegmentBytes: 1 << 16}
			s := open(t, opts)
			const n = 3000
			want, free := afterOrphan(t, s, rand.New(rand.NewPCG(form.Seed(t), 1)), n)
			rec := resolve(free, want[n-1])
			check := func() {
				t.Helper()
				s.Sort()
				memory, runs := s.Waits()
				if st := s.Stats(); st.Waiting != n || memory >= inMemory || runs == 0 || runs > 3*8 {
					t.Errorf("%d transactions wait, %d of them in memory, the others in %d runs", st.Waiting, memory, runs)
				}
				if got := s.MaxCommitTS(); got != 0 {
					t.Errorf("everything up to %s is said to be delivered", got)
				}
				for _, ts := range []nodes.TSO{want[0], want[n/3], want[n-1]} {
					found, err := s.Lookup(t.Context(), ts)
					if err != nil || found.CommitTS != ts || found.Sorted {
						t.Fatalf("commit TS %s: %+v, %v", ts, found, err)
					}
					again, err := s.Lookup(t.Context(), found.StartTS)
					if err != nil || again.CommitTS != ts || string(again.Payload) != string(prewritePayload(found.StartTS, 10)) {
						t.Errorf("start TS %s: %+v, %v", found.StartTS, again, err)
					}
					put(t, s, com(found.StartTS, ts))
					if err := s.Append(t.Context(), com(found.StartTS, ts+100_000)); !errors.Is(err, storage.ErrNoPrewrite) {
						t.Errorf("another commit TS for start TS %s: %v", found.StartTS, err)
					}
				}
			}
			check()
			if err := s.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			if size := len(disk.Read("d/checkpoint")); size > 4096 {
				t.Errorf("with %d waiting the checkpoint has %d bytes", n, size)
			}
			if n := filesOf(t, disk, "wait-"); n > 3*8 {
				t.Errorf("there are %d files of runs", n)
			}
			after := disk.Crash(nil)
			s.Close()
			disk, opts.FS = after, after
			s = open(t, opts)
			check()
			put(t, s, rec)
			if rec.Type == storage.Commit {
				want = append(want, rec.CommitTS)
				slices.Sort(want)
			}
			end := want[len(want)-1] + 1000
			if got := pulled(t, s, 0, end); !slices.Equal(got, want) {
				t.Fatalf("%d delivered, want %d", len(got), len(want))
			}
			if st := s.Stats(); st.Waiting != 0 || st.MaxCommitTS != end || st.Late != 0 {
				t.Errorf("%+v", st)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if n := filesOf(t, disk, "wait-"); n != 0 {
				t.Errorf("%d files of runs are left", n)
			}
			if n := disk.OpenFiles(); n != 0 {
				t.Errorf("%d files were left open", n)
			}
			if got := pulled(t, open(t, opts), 0, end); !slices.Equal(got, want) {
				t.Errorf("after a restart %d delivered, want %d", len(got), len(want))
			}
		})
	}
}

// TestCheckpointWhileDelivering: a checkpoint that is written while what has waited is still being delivered says so:
// the store that opens with it delivers the rest without being told anything new.
func TestCheckpointWhileDelivering(t *testing.T) {
	for _, inMemory := range []int{0, 16} {
		disk := faultfs.New()
		opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, WaitInMemory: inMemory}
		s := open(t, opts)
		want, _ := afterOrphan(t, s, rand.New(rand.NewPCG(form.Seed(t), 1)), 3000)
		s.Sort()
		release := s.HoldSorter()
		put(t, s, rol(orphanTS))
		if err := s.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		if got, end := s.MaxCommitTS(), want[len(want)-1]; got >= end {
			t.Fatalf("everything up to %s of %s is delivered before the checkpoint", got, end)
		}
		after := disk.Crash(nil)
		release()
		opts.FS = after
		s = open(t, opts)
		if got, end := s.MaxCommitTS(), want[len(want)-1]; got != end {
			t.Fatalf("%d in memory: after the restart everything up to %s is delivered, want %s", inMemory, got, end)
		}
		if got := pulled(t, s, 0, want[len(want)-1]); !slices.Equal(got, want) {
			t.Errorf("%d in memory: %d delivered, want %d", inMemory, len(got), len(want))
		}
	}
}

// TestOrphanAnyOrder: commits that come in no order at all wait and are delivered in order, too.
func TestOrphanAnyOrder(t *testing.T) {
	disk := faultfs.New()
	s := open(t, storage.Options{Dir: "d", FS: disk, WaitInMemory: 8})
	rnd := rand.New(rand.NewPCG(form.Seed(t), 3))
	put(t, s, pre(orphanTS, 10))
	const n = 1000
	var want []nodes.TSO
	for i := range nodes.TSO(n) {
		put(t, s, pre(1000+i, 10))
	}
	for _, i := range rnd.Perm(n) {
		put(t, s, com(nodes.TSO(1000+i), nodes.TSO(10_000+i)))
	}
	for i := range nodes.TSO(n) {
		want = append(want, 10_000+i)
	}
	put(t, s, rol(orphanTS))
	if got := pulled(t, s, 0, 20_000); !slices.Equal(got, want) {
		t.Errorf("%d delivered, want %d", len(got), len(want))
	}
}

// TestOrphansInTurn: several orphans, each holding back a part, while transactions go on.
func TestOrphansInTurn(t *testing.T) {
	disk := faultfs.New()
	opts := storage.Options{Dir: "d", FS: disk, WaitInMemory: 8, CheckpointBytes: 5000}
	s := open(t, opts)
	var want []nodes.TSO
	ts := nodes.TSO(10)
	next := func() nodes.TSO { ts++; return ts }
	var orphans []nodes.TSO
	for i := range 2000 {
		if i%100 == 0 {
			orphans = append(orphans, next())
			put(t, s, pre(ts, 10))
		}
		start := next()
		put(t, s, pre(start, 10), com(start, next()))
		want = append(want, ts)
		if i%150 == 149 {
			put(t, s, rol(orphans[0]))
			orphans = orphans[1:]
		}
		if i%700 == 699 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, opts)
		}
	}
	for _, start := range orphans {
		put(t, s, rol(start))
	}
	if got := pulled(t, s, 0, next()); !slices.Equal(got, want) {
		t.Errorf("%d delivered, want %d", len(got), len(want))
	}
}

// TestOrphanCrash cuts the power at changes of the disk while transactions wait, and while
// they are delivered.
func TestOrphanCrash(t *testing.T) {
	seed := form.Seed(t)
	for at := 1; ; at++ {
		disk := faultfs.New()
		rnd := rand.New(rand.NewPCG(seed, uint64(at)))
		ops, off := 0, false
		disk.Inject(func(faultfs.Op) faultfs.Fault {
			if ops++; ops > at {
				off = true
				return faultfs.Fault{Err: errPower, Short: rnd.IntN(5000)}
			}
			return faultfs.Fault{}
		})
		opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, WaitInMemory: 4, SegmentBytes: 3000, CheckpointBytes: 3000}
		var acked []nodes.TSO
		resolved := false
		if s, err := storage.Open(opts); err == nil {
			ctx := context.Background()
			err := s.Append(ctx, pre(orphanTS, 10))
			for ts := nodes.TSO(10); ts < 200 && err == nil; ts += 2 {
				if err = s.Append(ctx, pre(ts, 10)); err == nil {
					err = s.Append(ctx, com(ts, ts+1))
				}
				if err == nil {
					acked = append(acked, ts+1)
				}
			}
			if err == nil {
				resolved = s.Append(ctx, rol(orphanTS)) == nil
				s.Sort()
				_ = s.Checkpoint()
			}
			_ = s.Close()
		}
		disk.Inject(nil)
		opts.FS = disk.Crash(rnd)
		s := open(t, opts)
		if open := s.Unresolved(0); resolved && len(open) > 0 {
			t.Fatalf("power cut at change %d: unresolved are %v", at, open)
		}
		for _, start := range s.Unresolved(0) {
			put(t, s, rol(start))
		}
		got := pulled(t, s, 0, 10_000)
		if len(got) > len(acked)+1 || !slices.Equal(got[:min(len(acked), len(got))], acked) {
			t.Fatalf("power cut at change %d: delivered %v, acknowledged were %v", at, got, acked)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if !off {
			t.Logf("%d changes", ops)
			return
		}
	}
}

// TestOrphanOnAFullDisk: what cannot be written out stays in memory, prewrites are refused, GC
// can remove what is old, and with space again everything goes on.
func TestOrphanOnAFullDisk(t *testing.T) {
	disk := faultfs.New()
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, WaitInMemory: 100, SegmentBytes: 1 << 16, CheckpointBytes: 1 << 30}
	s := open(t, opts)
	for ts := nodes.TSO(10); ts < 2000; ts += 2 { // old, and consumed
		put(t, s, pre(ts, 200), com(ts, ts+1))
	}
	put(t, s, pre(2000, 10))
	var open []nodes.TSO
	for ts := nodes.TSO(3000); ts < 3600; ts++ {
		put(t, s, pre(ts, 10))
		open = append(open, ts)
	}
	available, capacity, _ := disk.Space("d")
	disk.SetCapacity(int64(capacity - available)) // somebody else takes the rest
	for _, ts := range open {
		put(t, s, com(ts, ts+1000))
	}
	s.Sort()
	if st := s.Stats(); st.Waiting != len(open) || !st.Refusing || s.Failed() != nil {
		t.Fatalf("%+v, failure %v", st, s.Failed())
	}
	if err := s.Append(context.Background(), pre(9000, 10)); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("a prewrite: %v", err)
	}
	purge, err := s.GC(2000)
	if err != nil || purge.Segments == 0 {
		t.Fatalf("gc: %+v, %v", purge, err)
	}
	s.Sort()
	if memory, runs := s.Waits(); memory >= 100 || runs == 0 {
		t.Errorf("with space again %d wait in memory, the others in %d runs", memory, runs)
	}
	opts.FS = disk.Crash(nil)
	for range 2 {
		put(t, s, rol(2000))
		got := pulled(t, s, purge.Purged, 10_000)
		if got = got[max(0, len(got)-len(open)):]; len(got) != len(open) || got[0] != 4000 || !slices.IsSorted(got) {
			t.Fatalf("%d delivered of %d", len(got), len(open))
		}
		s.Close()
		disk.SetCapacity(1 << 30)
		if s, err = storage.Open(opts); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
}

// TestDamagedRun: a run that is missing or cut short is damage at open, one that is damaged
// inside stops the store when it is needed, and Repair makes all of it again from the log.
func TestDamagedRun(t *testing.T) {
	disk := faultfs.New()
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, WaitInMemory: 200}
	s := open(t, opts)
	want, _ := afterOrphan(t, s, rand.New(rand.NewPCG(form.Seed(t), 2)), 1000)
	s.Sort()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := disk.List("d")
	if err != nil {
		t.Fatal(err)
	}
	run := "d/" + names[slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, "wait-") })]
	for what, damage := range map[string]func(*faultfs.FS){
		"missing":   func(d *faultfs.FS) { d.Delete(run) },
		"cut short": func(d *faultfs.FS) { d.Corrupt(run, func(b []byte) []byte { return b[:len(b)-32] }) },
		"inside":    func(d *faultfs.FS) { d.Corrupt(run, func(b []byte) []byte { b[50*32+3]++; return b }) },
	} {
		t.Run(what, func(t *testing.T) {
			opts := opts
			after := disk.Crash(nil)
			opts.FS = after
			damage(after)
			s, err := storage.Open(opts)
			if what == "inside" {
				if err != nil {
					t.Fatal(err)
				}
				put(t, s, rol(orphanTS))
				s.Sort()
				if err = s.Failed(); err == nil {
					t.Fatalf("%d are delivered from a damaged run", len(delivered(t, s, 0)))
				}
				s.Close()
			}
			var damaged *storage.DamageError
			if !errors.As(err, &damaged) || damaged.File != run || !strings.Contains(err.Error(), "-repair") {
				t.Fatalf("the error is %v", err)
			}
			if _, err := storage.Repair(opts); err != nil {
				t.Fatal(err)
			}
			s = open(t, opts)
			s.Sort()
			for _, start := range s.Unresolved(0) { // memory stays small when the whole log is read
				if memory, _ := s.Waits(); memory >= 200 {
					t.Errorf("%d wait in memory after the repair", memory)
				}
				put(t, s, rol(start))
			}
			if got := pulled(t, s, 0, 1_000_000); !slices.Equal(got, want) {
				t.Errorf("%d delivered after the repair, want %d", len(got), len(want))
			}
		})
	}
}

// TestCheckpointFindsItsRuns: when the power fails before the directory knows of a new checkpoint, the checkpoint that is found
// has the files that it speaks of.
func TestCheckpointFindsItsRuns(t *testing.T) {
	disk := faultfs.New()
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, WaitInMemory: 4, SegmentBytes: 1 << 16}
	s := open(t, opts)
	put(t, s, pre(1, 10))
	var want []nodes.TSO
	for ts := nodes.TSO(10); ts < 60; ts += 2 {
		put(t, s, pre(ts, 10), com(ts, ts+1))
		want = append(want, ts+1)
	}
	s.Sort()
	if _, runs := s.Waits(); runs == 0 {
		t.Fatal("nothing waits on the disk")
	}
	broken, renamed := errors.New("I/O error"), false
	disk.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == "syncdir" && renamed {
			return faultfs.Fault{Err: broken}
		}
		renamed = renamed || op.Kind == "rename"
		return faultfs.Fault{}
	})
	if err := s.Checkpoint(); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	for seed := range uint64(32) {
		opts.FS = disk.Crash(rand.New(rand.NewPCG(seed, 0)))
		again := open(t, opts)
		put(t, again, rol(1))
		again.Sort()
		if got := delivered(t, again, 0); !equal(got, want...) {
			t.Errorf("after crash %d %v are delivered, want %v", seed, got, want)
		}
	}
}
