package relay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/file"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// replay applies a relay log that nobody writes, as New does before it goes on with one.
func replay(ctx context.Context, dir string, from nodes.TSO, inner sink.Sink) (nodes.TSO, error) {
	found, err := scan(disk.OS{}, dir, from)
	if err != nil {
		return from, err
	}
	return found.replay(ctx, from, inner, nil)
}

// downstream is a file sink behind a relay log.
type downstream struct {
	dir  string // of the file sink
	opts Options
}

func newDownstream(t testing.TB) *downstream {
	return &downstream{t.TempDir(), Options{Dir: t.TempDir()}}
}

func (d *downstream) inner(t testing.TB, from nodes.TSO) sink.Sink {
	t.Helper()
	s, err := file.New(file.Options{Dir: d.dir, From: from, SyncInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (d *downstream) Open(t testing.TB, from nodes.TSO) sink.Sink {
	t.Helper()
	return d.over(t, d.inner(t, from), from)
}

func (d *downstream) over(t testing.TB, inner sink.Sink, from nodes.TSO) *Sink {
	t.Helper()
	opts := d.opts
	opts.From = from
	s, err := New(t.Context(), inner, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (d *downstream) IDs(t testing.TB) []int64 {
	t.Helper()
	var ids []int64
	for _, b := range binlogs(t, d.dir) {
		for _, e := range b.GetDmlData().GetEvents() {
			var c pbfile.Column
			if err := proto.Unmarshal(e.GetRow()[0], &c); err != nil {
				t.Error(err)
			}
			id, err := binlogfile.Value(c.GetValue())
			if err != nil {
				t.Error(err)
			}
			ids = append(ids, id.(int64))
		}
	}
	return ids
}

// binlogs reads a file sink's directory; what is being written is not there.
func binlogs(t testing.TB, dir string) []*pbfile.Binlog {
	t.Helper()
	var list []*pbfile.Binlog
	eachRecord(t, dir, func(r binlogfile.Record) {
		b, err := r.Decode()
		if err != nil {
			t.Error(err)
		}
		list = append(list, b)
	})
	return list
}

func eachRecord(t testing.TB, dir string, do func(binlogfile.Record)) {
	t.Helper()
	paths, err := binlogfile.Files(dir)
	if err != nil {
		t.Error(err)
	}
	for _, p := range paths {
		err := binlogfile.Each(p, func(r binlogfile.Record) error { do(r); return nil })
		var damage *binlogfile.DamageError
		if err != nil && !errors.Is(err, os.ErrNotExist) && !(errors.As(err, &damage) && damage.Torn) {
			t.Error(err)
		}
	}
}

func logged(t testing.TB, dir string) []nodes.TSO {
	var list []nodes.TSO
	eachRecord(t, dir, func(r binlogfile.Record) { list = append(list, r.CommitTS()) })
	return list
}

func TestContract(t *testing.T) {
	for name, size := range map[string]int64{"one file": 0, "many files": 500} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) sinktest.Downstream {
				d := newDownstream(t)
				d.opts.MaxFileBytes = size
				return d
			})
		})
	}
}

func apply(t testing.TB, s sink.Sink, commits ...nodes.TSO) {
	t.Helper()
	for _, ts := range commits {
		if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(ts)}, Passed: ts}); err != nil {
			t.Fatalf("apply %d: %v", ts, err)
		}
	}
}

func flush(t testing.TB, s sink.Sink) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// gate is in front of a downstream that may be gone.
type gate struct {
	sink.Sink
	enter func(sink.Batch) // called before a batch goes through

	mu   sync.Mutex
	open chan struct{}
}

func (g *gate) Apply(ctx context.Context, b sink.Batch) error {
	if g.enter != nil {
		g.enter(b)
	}
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return g.Sink.Apply(ctx, b)
}

// waitFor waits for what other goroutines bring about.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited too long: ", what)
		}
	}
}

// copyDir is what a machine that stops now leaves on disk.
func copyDir(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// The drainer dies while the downstream has got only some of what is in the log, and the upstream
// is gone: opening the log brings the downstream to the log's end.
func TestCrashBeforeTheDownstream(t *testing.T) {
	for name, size := range map[string]int64{"one file": 0, "many files": 400} {
		t.Run(name, func(t *testing.T) {
			d := newDownstream(t)
			d.opts.MaxFileBytes = size
			open := make(chan struct{})
			close(open)
			g := &gate{Sink: d.inner(t, 5), open: open}
			s := d.over(t, g, 5)
			apply(t, s, 10, 20, 30)
			flush(t, s)
			g.mu.Lock()
			g.open = make(chan struct{}) // the downstream takes no more
			g.mu.Unlock()
			apply(t, s, 40, 50, 60, 70)
			waitFor(t, "the log has everything", func() bool { return slices.Contains(logged(t, d.opts.Dir), 70) })
			after := &downstream{copyDir(t, d.dir), Options{Dir: copyDir(t, d.opts.Dir)}}
			s.Close()

			// The checkpoint may be before what is downstream.
			s = after.over(t, after.inner(t, 20), 20)
			if s.Applied() != 70 {
				t.Errorf("Applied: %d, want 70", s.Applied())
			}
			want := []int64{10, 20, 30, 40, 50, 60, 70}
			if got := after.IDs(t); !slices.Equal(got, want) {
				t.Errorf("downstream: %v, want %v", got, want)
			}
			// The upstream is back, and delivers from the checkpoint on.
			apply(t, s, 30, 40, 50, 60, 70, 80)
			flush(t, s)
			if got := after.IDs(t); !slices.Equal(got, append(want, 80)) {
				t.Errorf("downstream: %v, want %v and 80", got, want)
			}
		})
	}
}

// What goes downstream is in the log before.
func TestLogComesFirst(t *testing.T) {
	d := newDownstream(t)
	open := make(chan struct{})
	close(open)
	seen := 0
	g := &gate{Sink: d.inner(t, 0), open: open, enter: func(b sink.Batch) {
		have := logged(t, d.opts.Dir)
		for _, x := range b.Txns {
			seen++
			if !slices.Contains(have, x.CommitTS) {
				t.Errorf("commit TS %d goes downstream and is not in the log", x.CommitTS)
			}
		}
	}}
	s := d.over(t, g, 0)
	for ts := nodes.TSO(1); ts <= 50; ts++ {
		apply(t, s, ts)
	}
	flush(t, s)
	if seen != 50 {
		t.Errorf("%d transactions went downstream, want 50", seen)
	}
}

// Files stay as long as the checkpoint does not cover all that is in them, and go then.
func TestFilesAreRemoved(t *testing.T) {
	d := newDownstream(t)
	d.opts.MaxFileBytes = 300
	g := &gate{Sink: d.inner(t, 0), open: make(chan struct{})}
	s := d.over(t, g, 0)
	var want []nodes.TSO
	for ts := nodes.TSO(1); ts <= 40; ts++ {
		apply(t, s, ts)
		want = append(want, ts)
	}
	waitFor(t, "all is written", func() bool { return slices.Equal(logged(t, d.opts.Dir), want) })
	paths, err := binlogfile.Files(d.opts.Dir)
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	close(g.open)
	flush(t, s)
	all := len(paths)
	if paths, err = binlogfile.Files(d.opts.Dir); err != nil || len(paths) != all {
		t.Errorf("%d of %d files are left before the checkpoint is saved, %v", len(paths), all, err)
	}
	s.Saved(20)
	flush(t, s)
	if now := logged(t, d.opts.Dir); now[0] > 21 || now[0] == 1 {
		t.Errorf("with the checkpoint 20: %v", now)
	}
	s.Saved(40)
	flush(t, s)
	if paths, err = binlogfile.Files(d.opts.Dir); err != nil || len(paths) != 1 {
		t.Errorf("%d files are left, want the one that is written to; %v", len(paths), err)
	}
}

// crashed makes a log with the transactions 10, 20 and 30, none of which is downstream.
func crashed(t testing.TB) (dir, path string) {
	t.Helper()
	d := newDownstream(t)
	g := &gate{Sink: d.inner(t, 0), open: make(chan struct{})}
	s := d.over(t, g, 0)
	apply(t, s, 10, 20, 30)
	waitFor(t, "all is written", func() bool { return len(logged(t, d.opts.Dir)) == 3 })
	dir = copyDir(t, d.opts.Dir)
	s.Close()
	paths, err := binlogfile.Files(dir)
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	return dir, paths[0]
}

func offsets(t testing.TB, path string) (list []int64) {
	t.Helper()
	if err := binlogfile.Each(path, func(r binlogfile.Record) error { list = append(list, r.Offset); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

// Wherever a crash tears the newest file, the whole transactions before that are applied.
func TestTornTail(t *testing.T) {
	dir, path := crashed(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	starts := offsets(t, path)
	for n := starts[1]; n < int64(len(whole)); n += 29 {
		torn := slices.Clone(whole[:n])
		if n%2 == 0 { // file systems may leave zeros, too
			torn = append(torn, make([]byte, 100)...)
		}
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		d := &downstream{t.TempDir(), Options{Dir: copyDir(t, dir)}}
		last, err := replay(t.Context(), dir, 0, d.inner(t, 0))
		want := nodes.TSO(10)
		if n >= starts[2] {
			want = 20
		}
		if err != nil || last != want {
			t.Fatalf("torn at byte %d: replayed up to %d, %v; want %d", n, last, err, want)
		}
		if b, err := os.ReadFile(path); err != nil || len(b) != len(torn) {
			t.Fatalf("replay changed the log: %v", err)
		}
		// The drainer itself goes on there.
		d.dir = t.TempDir()
		s := d.over(t, d.inner(t, 0), 0)
		apply(t, s, 10, 20, 30, 40)
		flush(t, s)
		s.Close()
		if got := d.IDs(t); !slices.Equal(got, []int64{10, 20, 30, 40}) {
			t.Fatalf("torn at byte %d: downstream %v", n, got)
		}
	}
}

// Damage that no crash leaves is an error that names the place, and nothing after it is applied.
func TestDamage(t *testing.T) {
	dir, path := crashed(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := offsets(t, path)[1]
	b[at+20] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	d := &downstream{t.TempDir(), Options{Dir: dir}}
	inner := d.inner(t, 0)
	defer inner.Close()
	for name, open := range map[string]func() error{
		"New":    func() error { _, err := New(t.Context(), inner, d.opts); return err },
		"replay": func() error { _, err := replay(t.Context(), dir, 0, inner); return err },
	} {
		var damage *binlogfile.DamageError
		if err := open(); !errors.As(err, &damage) || damage.Offset != at || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want damage at byte %d", name, err, at)
		}
	}
	if ids := d.IDs(t); len(ids) > 0 {
		t.Errorf("downstream: %v", ids)
	}
}

func TestLocked(t *testing.T) {
	d := newDownstream(t)
	s := d.Open(t, 0)
	other := &downstream{t.TempDir(), d.opts}
	inner := other.inner(t, 0)
	defer inner.Close()
	if _, err := New(t.Context(), inner, other.opts); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), d.opts.Dir) {
		t.Errorf("%v", err)
	}
	s.Close()
	other.over(t, inner, 0)
}

// The inner sink's failure is the relay's, and what is in the log stays.
func TestInnerFails(t *testing.T) {
	d := newDownstream(t)
	inner := d.inner(t, 0)
	s := d.over(t, inner, 0)
	apply(t, s, 10)
	flush(t, s)
	inner.Close() // it fails everything from now on
	apply(t, s, 20)
	if err := s.Flush(t.Context()); !errors.Is(err, sink.ErrClosed) {
		t.Errorf("Flush: %v", err)
	}
	if err := s.Apply(t.Context(), sink.Batch{Passed: 30}); !errors.Is(err, sink.ErrClosed) {
		t.Errorf("Apply: %v", err)
	}
	if s.Applied() != 10 || !slices.Contains(logged(t, d.opts.Dir), 20) {
		t.Errorf("Applied %d, log %v", s.Applied(), logged(t, d.opts.Dir))
	}
}

// A replay gives the inner sink what it would have got: the file sink writes the same bytes.
func TestReplayEquals(t *testing.T) {
	direct := newDownstream(t)
	s := direct.inner(t, 0)
	txns := workload()
	if err := s.Apply(t.Context(), sink.Batch{Txns: txns, Passed: 1000}); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	s.Close()

	d := newDownstream(t)
	d.opts.MaxFileBytes = 2000
	g := &gate{Sink: d.inner(t, 0), open: make(chan struct{})}
	r := d.over(t, g, 0)
	if err := r.Apply(t.Context(), sink.Batch{Txns: txns, Passed: 1000}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "all is written", func() bool { return len(logged(t, d.opts.Dir)) == len(txns) })
	after := &downstream{t.TempDir(), Options{}}
	inner := after.inner(t, 0)
	last, err := replay(t.Context(), copyDir(t, d.opts.Dir), 0, inner)
	if err != nil || last != txns[len(txns)-1].CommitTS {
		t.Fatalf("replayed up to %d, %v", last, err)
	}
	inner.Close()
	want, got := binlogs(t, direct.dir), binlogs(t, after.dir)
	if len(want) != len(got) {
		t.Fatalf("%d transactions, want %d", len(got), len(want))
	}
	for i := range want {
		if !proto.Equal(want[i], got[i]) {
			t.Errorf("transaction %d:\n%v\nwant\n%v", i, got[i], want[i])
		}
	}
}

// workload are transactions of two tables, one of which changes in between.
func workload() []*sink.Txn {
	one := sinktest.Table()
	wide := *one
	wide.Version++
	wide.Columns = append(slices.Clone(one.Columns), sinktest.Column("more", one.Columns[1].Type.GetType(), 0))
	other := *one
	other.ID, other.Name = 101, "other"
	var list []*sink.Txn
	for ts := nodes.TSO(10); ts < 100; ts++ {
		x := sinktest.Insert(ts)
		row := x.Changes[0].New
		if ts > 50 {
			x.Changes[0].Table = &wide
			x.Changes[0].New = append(slices.Clone(row), sinktest.Value(wide.Columns[3], "new"))
		}
		if ts > 60 && ts%2 == 0 {
			x.Changes[0].New[3] = txn.Value{} // not in the binlog
		}
		x.Changes = append(x.Changes,
			&txn.Change{Table: &other, Op: txn.Update, Old: row, New: sinktest.Insert(ts + 1).Changes[0].New},
			&txn.Change{Table: &other, Op: txn.Delete, Old: row})
		if ts == 50 {
			x = &sink.Txn{StartTS: 49, CommitTS: 50, Query: "ALTER TABLE t ADD COLUMN more VARCHAR(64)",
				DDL: &schema.DDL{Schema: "sinktest", Table: "t", Job: &schema.Job{ID: 7, Type: 5}, After: &wide}}
		}
		list = append(list, x)
	}
	return list
}

func TestBadOptions(t *testing.T) {
	d := newDownstream(t)
	inner := d.inner(t, 0)
	defer inner.Close()
	if _, err := New(t.Context(), inner, Options{}); err == nil || !strings.Contains(err.Error(), "log-dir") {
		t.Error(err)
	}
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), inner, Options{Dir: blocked}); err == nil || !strings.Contains(err.Error(), blocked) {
		t.Error(err)
	}
	if last, err := replay(t.Context(), filepath.Join(t.TempDir(), "none"), 7, inner); err != nil || last != 7 {
		t.Errorf("%d, %v", last, err)
	}
}

func BenchmarkRelay(b *testing.B) {
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprintf("batches of %d", batch), func(b *testing.B) {
			d := newDownstream(b)
			s := d.Open(b, 0)
			ts := nodes.TSO(0)
			for b.Loop() {
				var next sink.Batch
				for range batch {
					ts++
					next.Txns = append(next.Txns, sinktest.Insert(ts))
				}
				next.Passed = ts
				if err := s.Apply(b.Context(), next); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(ts)/b.Elapsed().Seconds(), "txns/s")
		})
	}
}
