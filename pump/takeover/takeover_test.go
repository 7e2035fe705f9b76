package takeover_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/pump/oldlog"
	"pumphouse/pump/storage"
	"pumphouse/pump/takeover"
	"pumphouse/testsuite/upstream"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// begin is when the workloads begin: some days ago.
var begin = int64(nodes.MakeTSO(time.Now().Add(-72*time.Hour), 0))

func options(dir string) takeover.Options {
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	return takeover.Options{DataDir: dir, Store: storage.Options{Dir: filepath.Join(dir, "binlog"), SegmentBytes: 1 << 20, WaitInMemory: 100}, Logger: quiet}
}

// valueLog makes the directories of an upstream pump.
func valueLog(t *testing.T, dir string) *upstream.ValueLog {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(dir, "kv"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "kv", "CURRENT"), []byte("MANIFEST-000000\n"), 0o600))
	must(t, os.MkdirAll(filepath.Join(dir, "value"), 0o700))
	return &upstream.ValueLog{Dir: filepath.Join(dir, "value"), FileBytes: 1 << 20}
}

func openStore(t *testing.T, dir string) *storage.Store {
	t.Helper()
	o := options(dir).Store
	s, err := storage.Open(o)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// pull gives what is delivered after a position, up to the time that the store has reached.
func pull(t *testing.T, s *storage.Store, from int64) (got []upstream.Txn) {
	t.Helper()
	p, err := s.Pull(nodes.TSO(from))
	must(t, err)
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for st := s.Stats(); st.Unresolved == 0 && st.Waiting > 0; st = s.Stats() { // the sorter is at work
		must(t, ctx.Err())
		time.Sleep(time.Millisecond)
	}
	for last := s.LastCommitTS(); nodes.TSO(from) < last; {
		e, err := p.Next(ctx)
		must(t, err)
		from = int64(e.CommitTS)
		if !e.Fake() {
			got = append(got, upstream.Txn{Start: int64(e.StartTS), Commit: int64(e.CommitTS), Payload: bytes.Clone(e.Payload)})
		}
	}
	return got
}

// deliverable are the transactions that nothing unresolved holds back: with a commit TS up to the largest that was placed
// before the oldest unresolved prewrite.
func deliverable(w *upstream.Workload, held int64) []upstream.Txn {
	if len(w.Open) == 0 {
		return w.Committed
	}
	return slices.DeleteFunc(slices.Clone(w.Committed), func(x upstream.Txn) bool { return x.Commit > held })
}

// same compares what is delivered; the payload comes with the commit TS filled in by the pump, not by the store.
func same(t *testing.T, got, want []upstream.Txn) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i].Start != want[i].Start || got[i].Commit != want[i].Commit || !bytes.Equal(got[i].Payload, want[i].Payload) {
			t.Fatalf("transaction %d: start TS %d, commit TS %d, %d bytes; want %d, %d, %d", i,
				got[i].Start, got[i].Commit, len(got[i].Payload), want[i].Start, want[i].Commit, len(want[i].Payload))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d transactions, want %d", len(got), len(want))
	}
}

// taken checks the directories after a takeover.
func taken(t *testing.T, dir string) {
	t.Helper()
	for name, want := range map[string]bool{"value": false, "kv": false, "binlog.importing": false, "binlog": true, "old/value": true, "old/kv/CURRENT": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
}

// TestGolden: everything that upstream's pump had, whole and in order, from every position.
func TestGolden(t *testing.T) {
	for stopped, n := range map[bool]int{false: 72, true: 73} {
		dir := t.TempDir()
		upstream.PumpDir(t, dir, stopped)
		want := golden(t, filepath.Join(dir, "value"))
		must(t, takeover.Run(t.Context(), options(dir)))
		taken(t, dir)
		s := openStore(t, dir)
		st := s.Stats()
		if len(want) != n || st.Unresolved != 0 || st.PurgedTS != 0 || st.Waiting != 0 {
			t.Errorf("%d transactions, %+v", len(want), st)
		}
		same(t, pull(t, s, 0), want)
		for i := range want {
			same(t, pull(t, s, want[i].Commit-1), want[i:])
			same(t, pull(t, s, want[i].Commit), want[i+1:])
		}
	}
}

// golden are the committed transactions of a log without damage.
func golden(t *testing.T, dir string) (list []upstream.Txn) {
	t.Helper()
	l, err := oldlog.Open(dir)
	must(t, err)
	r, err := l.Read(oldlog.Position{})
	must(t, err)
	defer r.Close()
	prewrites := map[int64][]byte{}
	for {
		recs, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		for _, rec := range recs {
			switch h, err := binlogpb.Peek(rec.Payload); {
			case err != nil:
				t.Fatal(err)
			case h.Type == binlogpb.BinlogType_Prewrite:
				prewrites[h.StartTS] = bytes.Clone(rec.Payload)
			case h.Type == binlogpb.BinlogType_Commit:
				list = append(list, upstream.Txn{Start: h.StartTS, Commit: h.CommitTS, Payload: prewrites[h.StartTS]})
			}
		}
	}
	slices.SortFunc(list, func(a, b upstream.Txn) int { return int(min(max(a.Commit-b.Commit, -1), 1)) })
	return list
}

// TestWorkload: many transactions at once, in several files, with repeated commits, rollbacks, large ones and what
// is to be skipped. What is unresolved stays so, holds back what it must, and is delivered when its commit comes.
func TestWorkload(t *testing.T) {
	for seed := range uint64(4) {
		dir := t.TempDir()
		l, w := valueLog(t, dir), upstream.NewWorkload(seed, begin)
		w.Write(t, l, 20_000)
		w.End(t, l, 0)
		held := w.Clock()
		w.Write(t, l, 2000)
		w.End(t, l, 3*int(seed%2))
		must(t, l.Stop())
		must(t, takeover.Run(t.Context(), options(dir)))
		taken(t, dir)
		s := openStore(t, dir)
		if st := s.Stats(); st.Unresolved != len(w.Open) || st.PurgedTS != 0 || st.MaxCommitTS < nodes.TSO(held) {
			t.Errorf("seed %d: %+v, want %d unresolved", seed, st, len(w.Open))
		}
		for i, want := 0, w.Committed; i < len(want) && want[i].Commit <= held; i += 997 {
			got := pull(t, s, want[i].Commit)
			same(t, got[:min(len(got), 50)], want[i+1:min(i+1+len(got), i+51)])
		}
		got := pull(t, s, 0)
		if len(w.Open) == 0 {
			same(t, got, w.Committed)
			continue
		}
		same(t, got, w.Committed[:len(got)])
		if n := len(deliverable(w, held)); len(got) < n {
			t.Errorf("seed %d: %d delivered before the unresolved ones, at least %d can be", seed, len(got), n)
		}
		for _, start := range w.Open {
			c := upstream.Txn{Start: start, Commit: w.Clock() + start%1000 + 1<<20}
			must(t, s.Append(t.Context(), storage.Record{Type: storage.Commit, StartTS: nodes.TSO(c.Start), CommitTS: nodes.TSO(c.Commit)}))
			w.Committed = append(w.Committed, c)
		}
		if got := pull(t, s, 0); len(got) != len(w.Committed) {
			t.Errorf("seed %d: %d transactions when all are resolved, want %d", seed, len(got), len(w.Committed))
		}
	}
}

// TestDecidedBefore: a prewrite that upstream's pump has passed, which its record shows, is rolled back; one that it may
// still have waited for is left to TiKV.
func TestDecidedBefore(t *testing.T) {
	at := func(minutes int64) int64 { return begin + minutes*60_000<<18 }
	dir := t.TempDir()
	l := valueLog(t, dir)
	for _, p := range [][]byte{
		upstream.Prewrite(at(0), 10), // TiKV said that it was rolled back
		upstream.Prewrite(at(1), 10), upstream.Commit(at(1), at(2)),
		upstream.Rollback(at(15), at(15)),
		upstream.Prewrite(at(16), 10), // too young
		upstream.Rollback(at(20), at(20)),
		upstream.Prewrite(at(8), 10), // old, but after the last that was sorted
	} {
		_, err := l.Append(p)
		must(t, err)
	}
	must(t, l.Stop())
	o := options(dir)
	o.Sorted = nodes.TSO(at(20))
	must(t, takeover.Run(t.Context(), o))
	s := openStore(t, dir)
	list, _ := s.ListUnresolved(10, 0)
	var starts []int64
	for _, u := range list {
		starts = append(starts, int64(u.StartTS))
	}
	if !slices.Equal(starts, []int64{at(16), at(8)}) {
		t.Errorf("unresolved: %d", starts)
	}
	if got := pull(t, s, 0); len(got) != 1 || got[0].Commit != at(2) {
		t.Errorf("%v", got)
	}
}

// TestPurged: what upstream's garbage collection has removed is an error for whoever asks for it, and for nobody else.
func TestPurged(t *testing.T) {
	dir := t.TempDir()
	l, w := valueLog(t, dir), upstream.NewWorkload(7, begin)
	w.Write(t, l, 30_000)
	w.End(t, l, 0)
	must(t, l.Finish())
	for _, name := range []string{"000000.vlog", "000001.vlog"} {
		must(t, os.Remove(filepath.Join(dir, "value", name)))
	}
	left := golden(t, filepath.Join(dir, "value"))
	var orphan int64 // the largest commit TS without a prewrite
	for _, x := range left {
		if x.Payload == nil {
			orphan = max(orphan, x.Commit)
		}
	}
	must(t, takeover.Run(t.Context(), options(dir)))
	s := openStore(t, dir)
	if got := s.Stats().PurgedTS; orphan == 0 || int64(got) != orphan {
		t.Fatalf("purged up to %d, want %d", got, orphan)
	}
	var purged *storage.PurgedError
	for _, from := range []int64{0, orphan - 1} {
		if _, err := s.Pull(nodes.TSO(from)); !errors.As(err, &purged) {
			t.Errorf("a pull from %d: %v", from, err)
		}
	}
	i, _ := slices.BinarySearchFunc(w.Committed, orphan, func(x upstream.Txn, ts int64) int { return int(min(max(x.Commit-ts, -1), 1)) })
	same(t, pull(t, s, orphan), w.Committed[i+1:])

	// Cut between two transactions, so that no commit is left alone; and nothing but fake binlogs.
	at := func(n int64) int64 { return begin + n<<18 }
	for want, payloads := range map[int64][][]byte{
		at(2) - 1: {upstream.Prewrite(at(1), 1), upstream.Commit(at(1), at(2)), upstream.Prewrite(at(3), 1), upstream.Commit(at(3), at(4))},
		at(5):     {upstream.Rollback(at(4), at(4)), upstream.Rollback(at(5), at(5)), upstream.Rollback(at(6), at(6))},
		at(9):     {upstream.Prewrite(at(9), 1)},
	} {
		dir := t.TempDir()
		l := valueLog(t, dir)
		l.No = 5
		for _, p := range payloads {
			_, err := l.Append(p)
			must(t, err)
		}
		must(t, l.Stop())
		must(t, takeover.Run(t.Context(), options(dir)))
		if got := openStore(t, dir).Stats().PurgedTS; int64(got) != want {
			t.Errorf("purged up to %d, want %d", got-nodes.TSO(begin), want-begin)
		}
	}
}

// TestRefused: what cannot be imported is named, with a cure, and nothing is changed; when it is put right, the import goes on.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	l, w := valueLog(t, dir), upstream.NewWorkload(8, begin)
	w.Write(t, l, 20_000)
	w.End(t, l, 0)
	must(t, l.Finish())
	path := filepath.Join(dir, "value", "000002.vlog")
	b, err := os.ReadFile(path)
	must(t, err)
	bad := bytes.Clone(b)
	bad[len(bad)/2] ^= 1
	must(t, os.WriteFile(path, bad, 0o600))
	for range 2 {
		err = takeover.Run(t.Context(), options(dir))
		var d *oldlog.DamageError
		if !errors.As(err, &d) || d.File != path || d.Offset == 0 || !strings.Contains(err.Error(), "Restore the file") {
			t.Fatal(err)
		}
	}
	must(t, os.WriteFile(path, b, 0o600))

	// A binlog that nobody could deliver.
	later := &upstream.ValueLog{Dir: l.Dir, No: l.No}
	_, err = later.Append([]byte("this is not a binlog"))
	must(t, err)
	must(t, later.Stop())
	if err := takeover.Run(t.Context(), options(dir)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("byte 0 of file %06d.vlog", l.No)) {
		t.Fatal(err)
	}
	must(t, os.Remove(later.Path()))

	o := options(dir)
	o.KeepFree = 1 << 62
	var space *takeover.SpaceError
	if err := takeover.Run(t.Context(), o); !errors.As(err, &space) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o = options(dir)
	o.Begin = func(p *takeover.Progress) func() {
		cancel() // as a signal does
		return func() {}
	}
	if err := takeover.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	must(t, takeover.Run(t.Context(), options(dir)))
	taken(t, dir)
	same(t, pull(t, openStore(t, dir), 0), w.Committed)
}

// TestBesideAStore: an old log beside a store in use is a question for a person.
func TestBesideAStore(t *testing.T) {
	dir := t.TempDir()
	valueLog(t, dir)
	must(t, openStore(t, dir).Close())
	if err := takeover.Run(t.Context(), options(dir)); err == nil || !strings.Contains(err.Error(), "move") {
		t.Error(err)
	}
}

// TestEmptyLog: a pump that never stored anything.
func TestEmptyLog(t *testing.T) {
	dir := t.TempDir()
	valueLog(t, dir)
	must(t, takeover.Run(t.Context(), options(dir)))
	taken(t, dir)
	if st := openStore(t, dir).Stats(); st.LastCommitTS != 0 || st.PurgedTS != 0 {
		t.Errorf("%+v", st)
	}
	must(t, takeover.Run(t.Context(), options(dir))) // nothing to do
	if err := takeover.Run(t.Context(), options(t.TempDir())); err != nil {
		t.Error(err)
	}
}

// TestInterruptedSwap: wherever a crash leaves the directories, the next start completes the takeover.
func TestInterruptedSwap(t *testing.T) {
	for moves := range 4 {
		dir := t.TempDir()
		upstream.PumpDir(t, dir, true)
		want := golden(t, filepath.Join(dir, "value"))
		must(t, takeover.Run(t.Context(), options(dir)))
		// Undo the renames, the last first.
		for i, r := range [][2]string{{"binlog", "binlog.importing"}, {"old/kv", "kv"}, {"old/value", "value"}} {
			if i < moves {
				must(t, os.Rename(filepath.Join(dir, r[0]), filepath.Join(dir, r[1])))
			}
		}
		must(t, takeover.Run(t.Context(), options(dir)))
		taken(t, dir)
		same(t, pull(t, openStore(t, dir), 0), want)
	}
}

// TestForget: the old files go after their time.
func TestForget(t *testing.T) {
	dir := t.TempDir()
	upstream.PumpDir(t, dir, true)
	must(t, takeover.Run(t.Context(), options(dir)))
	if gone, err := takeover.ForgetOlder(dir, time.Hour, time.Now().Add(59*time.Minute)); gone || err != nil {
		t.Error(gone, err)
	}
	if path, _, err := takeover.Kept(dir); path == "" || err != nil {
		t.Error(path, err)
	}
	if gone, err := takeover.ForgetOlder(dir, time.Hour, time.Now().Add(61*time.Minute)); !gone || err != nil {
		t.Error(gone, err)
	}
	if path, _, err := takeover.Kept(dir); path != "" || err != nil {
		t.Error(path, err)
	}
}
