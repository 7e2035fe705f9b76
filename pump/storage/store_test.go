package storage_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/form"
)

func open(t *testing.T, opts storage.Options) *storage.Store {
	t.Helper()
	s, err := storage.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// put stores records that must be taken.
func put(t *testing.T, s *storage.Store, recs ...storage.Record) {
	t.Helper()
	for _, r := range recs {
		if err := s.Append(context.Background(), r); err != nil {
			t.Fatalf("%s of start TS %s: %v", r.Type, r.StartTS, err)
		}
	}
}

func pre(start nodes.TSO, size int) storage.Record {
	return storage.Record{Type: storage.Prewrite, StartTS: start, Payload: prewritePayload(start, size)}
}

func com(start, commit nodes.TSO) storage.Record {
	return storage.Record{Type: storage.Commit, StartTS: start, CommitTS: commit}
}

func rol(start nodes.TSO) storage.Record {
	return storage.Record{Type: storage.Rollback, StartTS: start}
}

// delivered is what a pull from a position gets without waiting for anything new.
func delivered(t *testing.T, s *storage.Store, from nodes.TSO) (list []nodes.TSO) {
	t.Helper()
	p, err := s.Pull(from)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for {
		// A context that is done ends the wait for more, not what is there.
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		e, err := p.Next(ctx)
		if errors.Is(err, context.Canceled) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if !e.Fake() {
			list = append(list, e.CommitTS)
		}
	}
}

func equal(a []nodes.TSO, b ...nodes.TSO) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestCheckpointHasWhatTheIndexLacks: transactions that come when the index has just been flushed for a checkpoint are
// in the checkpoint. The log before it is not read again.
func TestCheckpointHasWhatTheIndexLacks(t *testing.T) {
	disk := faultfs.New()
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1 << 16}
	s := open(t, opts)
	put(t, s, pre(1, 20), com(1, 2))
	if err := s.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	put(t, s, pre(3, 20), com(3, 4), pre(5, 20), com(5, 6))
	s.Sort()
	if n, err := s.CheckpointUnflushed(); err != nil || n != 2 {
		t.Fatalf("%d transactions are in no file of the index, want 2; %v", n, err)
	}
	opts.FS = disk.Crash(nil)
	if got := delivered(t, open(t, opts), 0); !equal(got, 2, 4, 6) {
		t.Errorf("after a power failure %v are delivered, want 2, 4 and 6", got)
	}
}

// TestNewestTSAfterACrash: a store that was not closed knows what time it has told drainers, as far as the log says so. PD's
// clock is held against that: what it gives at or below would be lost.
func TestNewestTSAfterACrash(t *testing.T) {
	disk := faultfs.New()
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1 << 16}
	s := open(t, opts)
	s.Advance(100)
	put(t, s, pre(101, 20), rol(101))
	opts.FS = disk.Crash(nil)
	if got := open(t, opts).NewestTS(); got != 100 {
		t.Errorf("the newest TS is %s, want 100", got)
	}
}

// TestAdvanceNeverGoesBack: of two who tell the time of PD, who asked first may come last.
func TestAdvanceNeverGoesBack(t *testing.T) {
	s := open(t, storage.Options{Dir: t.TempDir()})
	s.Advance(100)
	s.Advance(50)
	if newest, most := s.NewestTS(), s.MaxCommitTS(); newest != 100 || most != 100 {
		t.Errorf("the newest TS is %s, sorted is what commits up to %s; want 100", newest, most)
	}
}

func TestOrderWaitsForOlderPrewrites(t *testing.T) {
	s := open(t, storage.Options{Dir: t.TempDir()})
	put(t, s, pre(1, 10), pre(2, 10), com(2, 4))
	if got := delivered(t, s, 0); len(got) != 0 {
		t.Fatalf("delivered %v while start TS 1 may still commit before them", got)
	}
	put(t, s, com(1, 3))
	if got := delivered(t, s, 0); !equal(got, 3, 4) {
		t.Fatalf("delivered %v", got)
	}
	put(t, s, pre(5, 10), pre(6, 10), com(6, 7), rol(5))
	if got := delivered(t, s, 3); !equal(got, 4, 7) {
		t.Fatalf("delivered %v after 3", got)
	}
	if s.MaxCommitTS() != 7 || s.LastCommitTS() != 7 {
		t.Errorf("max commit TS %s, last commit TS %s", s.MaxCommitTS(), s.LastCommitTS())
	}
}

// TestOddRecords is what a confused or restarted TiDB may send: only the loss of a
// transaction is an error, and none of it harms the rest.
func TestOddRecords(t *testing.T) {
	dir := t.TempDir()
	logger, hook := logtest.NewNullLogger()
	s := open(t, storage.Options{Dir: dir, Logger: logger})
	put(t, s, pre(1, 10), pre(1, 10), com(1, 2), com(1, 2), rol(1), rol(99))
	err := s.Append(context.Background(), com(98, math.MaxInt64))
	if !errors.Is(err, storage.ErrNoPrewrite) || !strings.Contains(err.Error(), "start TS 98") {
		t.Errorf("a commit without a prewrite: %v", err)
	}
	put(t, s, pre(3, 10), com(3, 4))
	if got := delivered(t, s, 0); !equal(got, 2, 4) {
		t.Fatalf("delivered %v", got)
	}
	st := s.Stats()
	if st.Repeated != 2 || st.Lost != 1 || st.Late != 0 || st.Unresolved != 0 {
		t.Errorf("%+v", st)
	}
	if e := hook.LastEntry(); e == nil || e.Level != logrus.ErrorLevel || e.Data["start_ts"] != nodes.TSO(98) {
		t.Errorf("the lost transaction was not reported: %v", e)
	}
	// The commit waits after an older prewrite, and comes again.
	put(t, s, pre(10, 10), pre(11, 10), com(11, 13), com(11, 13), com(10, 12))
	if st := s.Stats(); st.Repeated != 3 || st.Lost != 1 {
		t.Errorf("%+v", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, storage.Options{Dir: dir})
	if got := delivered(t, s, 0); !equal(got, 2, 4, 12, 13) {
		t.Fatalf("after a restart delivered %v", got)
	}
}

func TestAppendRefusesNonsense(t *testing.T) {
	s := open(t, storage.Options{Dir: t.TempDir()})
	for name, r := range map[string]storage.Record{
		"no type":             {StartTS: 1},
		"unknown type":        {Type: 4, StartTS: 1},
		"no start TS":         pre(0, 1),
		"negative start TS":   rol(-1),
		"commit before start": com(5, 5),
		"no payload":          {Type: storage.Prewrite, StartTS: 1},
	} {
		if err := s.Append(context.Background(), r); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Append(ctx, pre(1, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is done: %v", err)
	}
	if st := s.Stats(); st.Records != 0 {
		t.Errorf("%d records were stored", st.Records)
	}
}

func TestParseRecord(t *testing.T) {
	good := prewritePayload(7, 10)
	r, err := storage.ParseRecord(good)
	if err != nil || r.Type != storage.Prewrite || r.StartTS != 7 || !bytes.Equal(r.Payload, good) {
		t.Errorf("%+v, %v", r, err)
	}
	for name, b := range map[string][]byte{
		"garbage":    []byte("garbage"),
		"no key":     {0x08, 0, 0x10, 7},
		"pre-DDL":    {0x08, 3, 0x10, 7},
		"no commit":  {0x08, 1, 0x10, 7},
		"empty":      {},
		"commit < 0": {0x08, 1, 0x10, 7, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if _, err := storage.ParseRecord(b); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLargePayload(t *testing.T) {
	size := 20 << 20
	if form.Long() {
		size = 100 << 20
	}
	dir := t.TempDir()
	s := open(t, storage.Options{Dir: dir, SyncLog: true, SegmentBytes: 1 << 20})
	put(t, s, pre(1, 10), pre(2, size), pre(3, 300<<10), com(2, 4), com(1, 5), com(3, 6))
	for range 2 {
		p, err := s.Pull(0)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []storage.Record{pre(2, size), pre(1, 10), pre(3, 300<<10)} {
			e, err := p.Next(context.Background())
			if err != nil || e.StartTS != want.StartTS || !bytes.Equal(e.Payload, want.Payload) {
				t.Fatalf("entry %d: start TS %s, %d bytes, %v", i, e.StartTS, len(e.Payload), err)
			}
		}
		p.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, storage.Options{Dir: dir, SyncLog: true, SegmentBytes: 1 << 20})
	}
}

func TestPullWaits(t *testing.T) {
	s := open(t, storage.Options{Dir: t.TempDir()})
	p, err := s.Pull(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	next := func() storage.Entry {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		e, err := p.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	go func() {
		for _, r := range []storage.Record{pre(1, 10), com(1, 2)} {
			if err := s.Append(context.Background(), r); err != nil {
				t.Error(err)
			}
		}
	}()
	if e := next(); e.CommitTS != 2 || e.Fake() {
		t.Fatalf("got %+v", e)
	}
	go s.Advance(9)
	if e := next(); e.CommitTS != 9 || e.StartTS != 9 || !e.Fake() {
		t.Fatalf("the clock came as %+v", e)
	}
	s.Advance(9)
	s.Advance(8)
	put(t, s, pre(10, 10))
	s.Advance(11) // held by start TS 10
	put(t, s, com(10, 12))
	if e := next(); e.CommitTS != 12 || e.Fake() {
		t.Fatalf("got %+v, want the transaction and no time before it", e)
	}
	ended := make(chan error)
	go func() {
		_, err := p.Next(context.Background())
		ended <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, storage.ErrClosed) {
		t.Errorf("a pull ended with %v when the store closed", err)
	}
	if _, err := s.Pull(0); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("pull from a closed store: %v", err)
	}
	if err := s.Append(context.Background(), pre(20, 1)); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("append to a closed store: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

// TestPullAhead: a position may be ahead of what is sorted, as that of a drainer is that starts from a dump while an
// old transaction is unresolved. What then turns out to have been committed up to the position is not delivered.
func TestPullAhead(t *testing.T) {
	s := open(t, storage.Options{Dir: t.TempDir()})
	put(t, s, pre(1, 10), pre(2, 10), pre(3, 10))
	p, err := s.Pull(50)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	put(t, s, com(1, 20), com(2, 50), com(3, 60))
	if e, err := p.Next(t.Context()); err != nil || e.CommitTS != 60 {
		t.Errorf("a pull after 50 got %s, %v, want 60", e.CommitTS, err)
	}
	if got := delivered(t, s, 0); !equal(got, 20, 50, 60) {
		t.Errorf("delivered %v", got)
	}
}

// TestClockSurvivesRestart: what a pull has been told of the time holds after a restart.
func TestClockSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, storage.Options{Dir: dir})
	s.Advance(100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, storage.Options{Dir: dir})
	if s.MaxCommitTS() != 100 || s.LastCommitTS() != 0 {
		t.Errorf("max commit TS %s, last commit TS %s", s.MaxCommitTS(), s.LastCommitTS())
	}
}

// asked is a resolver that tells what it is asked. To the first question it has no answer.
type asked struct {
	answers chan storage.Verdict
	commit  nodes.TSO
	keys    chan string
	calls   atomic.Int64
}

func (a *asked) Resolve(_ context.Context, q storage.Question) (storage.Verdict, nodes.TSO, error) {
	first := a.calls.Add(1) == 1
	select {
	case a.keys <- string(q.Key):
	default:
	}
	if !first {
		select {
		case v := <-a.answers:
			return v, a.commit, nil
		default:
		}
	}
	return storage.Unknown, 0, errors.New("TiKV is down")
}

// TestOrphanIsResolved: a prewrite without an end is asked about by its key until there
// is an answer, ever more rarely, and then no longer holds the others.
func TestOrphanIsResolved(t *testing.T) {
	for _, verdict := range []storage.Verdict{storage.Committed, storage.RolledBack} {
		dir := t.TempDir()
		a := &asked{answers: make(chan storage.Verdict), commit: 5, keys: make(chan string, 1)}
		logger, hook := logtest.NewNullLogger()
		s := open(t, storage.Options{Dir: dir, Resolver: a, ResolveAfter: 2 * time.Millisecond, Logger: logger})
		put(t, s, pre(1, 10), pre(2, 10), com(2, 6))
		if key := <-a.keys; key != "key-1" {
			t.Errorf("asked about %q", key)
		}
		if got := delivered(t, s, 0); len(got) != 0 {
			t.Errorf("delivered %v while start TS 1 is unresolved", got)
		}
		if got := s.Unresolved(0); !equal(got, 1) {
			t.Errorf("unresolved are %v", got)
		}
		a.answers <- storage.Locked
		a.answers <- storage.Locked // the third question: the second answer is kept
		if said, n := s.Said(1); !strings.Contains(said, "holds its lock") || n != 3 {
			t.Errorf("after %d questions %q is kept", n, said)
		}
		a.answers <- verdict
		p, err := s.Pull(0)
		if err != nil {
			t.Fatal(err)
		}
		e, err := p.Next(context.Background())
		want := nodes.TSO(6)
		if verdict == storage.Committed {
			want = 5
		}
		if err != nil || e.CommitTS != want {
			t.Errorf("the first delivered is %s, %v; want %s", e.CommitTS, err, want)
		}
		p.Close()
		warnings := 0
		for _, e := range hook.AllEntries() {
			if e.Level <= logrus.WarnLevel {
				warnings++
			}
		}
		if warnings != 1 {
			t.Errorf("%d warnings about one orphan", warnings)
		}
		// The answer is in the log: nobody is asked again.
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if n := open(t, storage.Options{Dir: dir}).Stats().Unresolved; n != 0 {
			t.Errorf("%d unresolved after a restart", n)
		}
	}
}

// TestOrphanBackOff: a prewrite without an outcome is asked about again when its pause is
// over and not before: every few seconds while a crash of TiDB is fresh, every half minute in the end.
func TestOrphanBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after, look = 4 * time.Second, time.Second // it is looked that often whether one is due
		var ages []time.Duration
		s := open(t, storage.Options{Dir: t.TempDir(), ResolveAfter: after, Resolver: resolver(func(q storage.Question) (storage.Verdict, nodes.TSO, error) {
			ages = append(ages, q.Age)
			return storage.Locked, 0, nil
		})})
		put(t, s, pre(1, 10))
		time.Sleep(10*time.Minute + time.Millisecond)
		synctest.Wait()
		if len(ages) < 20 || ages[0] < after || ages[0] >= after+look {
			t.Fatalf("asked at the ages %v", ages)
		}
		for i, age := range ages[1:] {
			if pause := s.Pause(ages[i]); age-ages[i] < pause || age-ages[i] >= pause+look {
				t.Errorf("asked at the ages %s and %s, want a pause of %s", ages[i], age, pause)
			}
		}
	})
	s := open(t, storage.Options{Dir: t.TempDir(), ResolveAfter: 3 * time.Second})
	for age, want := range map[time.Duration]time.Duration{
		3 * time.Second: 2 * time.Second, 20 * time.Second: 2 * time.Second, time.Minute: 6 * time.Second,
		5 * time.Minute: 30 * time.Second, 24 * time.Hour: 30 * time.Second,
	} {
		if got := s.Pause(age); got != want {
			t.Errorf("at the age of %s the pause is %s, want %s", age, got, want)
		}
	}
}

func TestOrphanTimesOut(t *testing.T) {
	logger, hook := logtest.NewNullLogger()
	s := open(t, storage.Options{Dir: t.TempDir(), OrphanTimeout: time.Millisecond, Logger: logger})
	put(t, s, pre(1, 10))
	p, err := s.Pull(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s.Advance(3)
	if e, err := p.Next(context.Background()); err != nil || e.CommitTS != 3 {
		t.Fatalf("%+v, %v", e, err)
	}
	for len(hook.AllEntries()) < 2 { // the warning follows the deed
		time.Sleep(time.Millisecond)
	}
	if e := hook.LastEntry(); e.Level != logrus.WarnLevel || e.Data["start_ts"] != nodes.TSO(1) || !strings.Contains(e.Message, "rolled back") {
		t.Errorf("said: %s %v %s", e.Level, e.Data, e.Message)
	}
	if got := s.Stats().TimedOut; got != 1 {
		t.Errorf("%d timed out", got)
	}
}

func TestNoSpace(t *testing.T) {
	disk := faultfs.New()
	disk.SetCapacity(100_000)
	logger, hook := logtest.NewNullLogger()
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 20_000, StopWriteAtAvailable: 30_000, Logger: logger}
	s := open(t, opts)
	ctx := context.Background()
	var err error
	last := nodes.TSO(0)
	for i := nodes.TSO(1); err == nil; i += 2 {
		if err = s.Append(ctx, pre(i, 1000)); err == nil {
			put(t, s, com(i, i+1))
			last = i + 1
		}
	}
	if !errors.Is(err, storage.ErrNoSpace) || last < 50 {
		t.Fatalf("after commit TS %s: %v", last, err)
	}
	e := hook.LastEntry()
	for _, want := range []string{"not enough disk space", "prewrites are refused", "free space, lower gc or lower stop-write-at-available-space"} {
		if !strings.Contains(e.Message, want) || e.Level != logrus.ErrorLevel || e.Data["dir"] != "d" || e.Data["threshold_bytes"] != uint64(30_000) {
			t.Errorf("logged %s %v %q, want %q", e.Level, e.Data, e.Message, want)
		}
	}
	if st := s.Stats(); !st.Refusing || st.AvailableBytes >= 30_000 || st.AvailableBytes < 5_000 {
		t.Errorf("refusing %t with %d bytes available", st.Refusing, st.AvailableBytes)
	}
	if got := delivered(t, s, 0); nodes.TSO(len(got)) != last/2 {
		t.Errorf("delivered %d of %d", len(got), last/2)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// It is remembered across a restart, a prewrite taken before can end, and when
	// there is space again, writes are taken.
	s = open(t, opts)
	if err := s.Append(ctx, pre(1000, 10)); !errors.Is(err, storage.ErrNoSpace) {
		t.Fatalf("after a restart: %v", err)
	}
	disk.SetCapacity(1_000_000)
	deadline := time.Now().Add(time.Minute)
	for err = storage.ErrNoSpace; err != nil && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
		err = s.Append(ctx, pre(1000, 10))
	}
	if err != nil {
		t.Fatalf("with space again: %v", err)
	}
}

// TestDiskFull: the disk fills up under the store, without any limit set; writes come
// back as soon as there is space, and nothing accepted is lost.
func TestDiskFull(t *testing.T) {
	for _, preallocated := range []bool{true, false} {
		disk := faultfs.New()
		opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 20_000}
		s := open(t, opts)
		put(t, s, pre(1, 100))
		if !preallocated { // as on a file system that cannot do it
			disk.Corrupt("d/log-0000000001", func(b []byte) []byte { return bytes.TrimRight(b, "\x00") })
		}
		disk.SetCapacity(25_000)
		ctx := context.Background()
		var err error
		i := nodes.TSO(3)
		for ; err == nil; i += 2 {
			err = s.Append(ctx, pre(i, 3000))
		}
		if !errors.Is(err, storage.ErrNoSpace) {
			t.Fatal(err)
		}
		disk.SetCapacity(1 << 30)
		put(t, s, pre(i, 3000), com(1, i+1))
		taken := s.Stats().Unresolved
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, opts)
		if got := s.Stats().Unresolved; got != taken {
			t.Errorf("%d unresolved prewrites after a restart, %d before", got, taken)
		}
		for _, start := range s.Unresolved(0) {
			put(t, s, rol(start))
		}
		if got := delivered(t, s, 0); !equal(got, i+1) {
			t.Errorf("delivered %v", got)
		}
	}
}

// failNext has the next operation of a kind fail with the error, and those after it succeed.
func failNext(disk *faultfs.FS, kind string) (broken error) {
	broken = errors.New("I/O error")
	fail := true
	disk.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == kind && fail {
			fail = false
			return faultfs.Fault{Err: broken}
		}
		return faultfs.Fault{}
	})
	return broken
}

// TestFailedWrite: after a write of the log that failed, nothing more is written: only a disk that is full will have space again.
func TestFailedWrite(t *testing.T) {
	disk := faultfs.New()
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true}
	s := open(t, opts)
	put(t, s, pre(1, 10), com(1, 2))
	broken := failNext(disk, "write")
	for range 2 {
		if err := s.Append(context.Background(), pre(3, 10)); !errors.Is(err, storage.ErrFailed) || !errors.Is(err, broken) || errors.Is(err, storage.ErrNoSpace) {
			t.Errorf("got %v", err)
		}
	}
	if !errors.Is(s.Failed(), broken) {
		t.Errorf("Failed says %v", s.Failed())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := delivered(t, open(t, opts), 0); !equal(got, 2) {
		t.Errorf("delivered %v", got)
	}
}

// TestFailedSync: after a failed sync nothing is acknowledged any more, however well
// the next would go; opened again, the store has what it acknowledged, on the disk.
func TestFailedSync(t *testing.T) {
	disk := faultfs.New()
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true}
	s := open(t, opts)
	put(t, s, pre(1, 10), com(1, 2))
	broken := failNext(disk, "sync")
	ctx := context.Background()
	for range 2 {
		if err := s.Append(ctx, pre(3, 10)); !errors.Is(err, storage.ErrFailed) || !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
	}
	if !errors.Is(s.Failed(), broken) {
		t.Errorf("Failed says %v", s.Failed())
	}
	if got := delivered(t, s, 0); !equal(got, 2) {
		t.Errorf("what was stored before can no longer be pulled: %v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The cache of the operating system shows the record; the disk does not have it. If
	// the store believes in it, it must have put it on the disk.
	s = open(t, opts)
	believed := s.Stats().Unresolved
	after := opts
	after.FS = disk.Crash(nil)
	s2 := open(t, after)
	if got := s2.Stats().Unresolved; got != believed {
		t.Errorf("%d unresolved prewrites after the power failed, %d were reported before", got, believed)
	}
	if got := delivered(t, s2, 0); !equal(got, 2) {
		t.Errorf("delivered %v", got)
	}
}

func TestGC(t *testing.T) {
	dir := t.TempDir()
	opts := storage.Options{Dir: dir, SegmentBytes: 2000}
	s := open(t, opts)
	for i := nodes.TSO(1); i < 100; i += 2 {
		put(t, s, pre(i, 200), com(i, i+1))
	}
	behind, err := s.Pull(10)
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	put(t, s, pre(101, 10)) // unresolved: its segment stays
	for i := nodes.TSO(103); i < 200; i += 2 {
		put(t, s, pre(i, 200), com(i, i+1))
	}
	before := s.Stats()
	purge, err := s.GC(50)
	if err != nil {
		t.Fatal(err)
	}
	if purge.Segments == 0 || purge.Purged > 50 || purge.Purged < 30 {
		t.Fatalf("purged %+v", purge)
	}
	if now := s.Stats(); now.LogBytes != before.LogBytes-purge.Bytes || now.Segments != before.Segments-purge.Segments || now.PurgedTS != purge.Purged {
		t.Errorf("before %+v\npurged %+v\nnow %+v", before, purge, now)
	}
	again, err := s.GC(50)
	if err != nil || again.Segments != 0 || again.Purged != purge.Purged {
		t.Errorf("a second GC: %+v, %v", again, err)
	}
	for range 2 {
		var gone *storage.PurgedError
		if _, err := s.Pull(purge.Purged - 1); !errors.As(err, &gone) || gone.Asked != purge.Purged-1 || gone.Purged != purge.Purged {
			t.Fatalf("pull from a purged position: %v", err)
		}
		if got := delivered(t, s, purge.Purged); len(got) == 0 || got[0] != purge.Purged+2 {
			t.Fatalf("after %s are delivered %v", purge.Purged, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, opts)
	}
	if purge, err = s.GC(10_000); err != nil || purge.Purged >= 101 {
		t.Errorf("GC went beyond an unresolved prewrite: %+v, %v", purge, err)
	}
	if got := s.Unresolved(0); !equal(got, 101) {
		t.Errorf("unresolved: %v", got)
	}
}

// TestGCOvertakesPuller: a puller that is too slow hears of it.
func TestGCOvertakesPuller(t *testing.T) {
	s := open(t, storage.Options{Dir: t.TempDir(), SegmentBytes: 20_000})
	const n = 3000 // more than a puller reads of the index at once
	for i := nodes.TSO(1); i < 2*n; i += 2 {
		put(t, s, pre(i, 20), com(i, i+1))
	}
	p, err := s.Pull(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx := context.Background()
	if e, err := p.Next(ctx); err != nil || e.CommitTS != 2 {
		t.Fatalf("%+v, %v", e, err)
	}
	if _, err := s.GC(2*n - 100); err != nil {
		t.Fatal(err)
	}
	last := nodes.TSO(2)
	for err == nil {
		var e storage.Entry
		if e, err = p.Next(ctx); err == nil && e.CommitTS != last+2 {
			t.Fatalf("%s came after %s", e.CommitTS, last)
		}
		last = e.CommitTS
	}
	if gone := new(storage.PurgedError); !errors.As(err, &gone) {
		t.Fatalf("the puller ended with %v", err)
	}
}

func TestLookup(t *testing.T) {
	s := open(t, storage.Options{Dir: t.TempDir()})
	put(t, s, pre(1, 10), com(1, 2), pre(3, 10), pre(4, 10), com(4, 6), pre(7, 10), rol(7))
	for _, c := range []storage.Found{
		{StartTS: 1, CommitTS: 2, Sorted: true},
		{StartTS: 3},
		{StartTS: 4, CommitTS: 6},
	} {
		got, err := s.Lookup(context.Background(), c.StartTS)
		if err != nil || got.CommitTS != c.CommitTS || got.Sorted != c.Sorted || !bytes.Equal(got.Payload, prewritePayload(c.StartTS, 10)) {
			t.Errorf("start TS %s: %+v, %v", c.StartTS, got, err)
		}
	}
	for start, commit := range map[nodes.TSO]nodes.TSO{1: 2, 4: 6} {
		got, err := s.Lookup(context.Background(), commit)
		if err != nil || got.StartTS != start || got.CommitTS != commit || !bytes.Equal(got.Payload, prewritePayload(start, 10)) {
			t.Errorf("commit TS %s: %+v, %v", commit, got, err)
		}
	}
	for _, ts := range []nodes.TSO{5, 7, 99} {
		if got, err := s.Lookup(context.Background(), ts); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("start TS %s: %+v, %v", ts, got, err)
		}
	}
}
