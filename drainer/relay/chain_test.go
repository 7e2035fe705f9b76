package relay

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/message"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// few makes a log of a file a transaction, up to 100 in tens, with a checkpoint in the middle that has
// been saved.
func few(t *testing.T) *downstream {
	t.Helper()
	d := newDownstream(t)
	d.opts.MaxFileBytes = 1
	s := d.over(t, d.inner(t, 5), 5)
	for ts := nodes.TSO(10); ts <= 100; ts += 10 {
		apply(t, s, ts)
	}
	flush(t, s)
	s.Saved(50)
	flush(t, s)
	s.Close()
	if got := logged(t, d.opts.Dir); !slices.Equal(got, []nodes.TSO{60, 70, 80, 90, 100}) {
		t.Fatalf("the log has %v", got)
	}
	return d
}

// aside are the commit TSs in what was moved out of a log.
func aside(t *testing.T, dir string) (list []nodes.TSO) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(dir, "not-connected-to-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		list = append(list, logged(t, d)...)
	}
	return list
}

// The downstream comes back as it was at some time. Whatever the log has, nothing is missing there
// in the end, and what the log alone can give comes from the log.
func TestRestoredDownstream(t *testing.T) {
	for _, c := range []struct {
		from    nodes.TSO
		replays nodes.TSO // where the downstream is before the pumps deliver anything
		gap     bool
	}{
		{5, 5, true}, {40, 40, true}, {49, 49, true},
		{50, 100, false}, {55, 100, false}, {60, 100, false}, {99, 100, false}, {100, 100, false}, {500, 500, false},
	} {
		d := few(t)
		d.dir = t.TempDir()
		logger, logs := logtest.NewNullLogger()
		d.opts.Logger = logger
		before := d.inner(t, 0) // what was restored
		for ts := nodes.TSO(10); ts <= min(c.from, 100); ts += 10 {
			apply(t, before, ts)
		}
		flush(t, before)
		before.Close()

		s := d.over(t, d.inner(t, c.from), c.from)
		if s.Applied() != c.replays {
			t.Errorf("checkpoint %d: applied %d from the log, want %d", c.from, s.Applied(), c.replays)
		}
		said := slices.ContainsFunc(logs.AllEntries(), func(e *logrus.Entry) bool {
			return strings.Contains(e.Message, "not continuous") && strings.Contains(e.Message, "up to 50") && strings.Contains(e.Message, "after "+c.from.String())
		})
		if moved := aside(t, d.opts.Dir); (len(moved) > 0) != c.gap || said != c.gap {
			t.Errorf("checkpoint %d: moved away %v, said: %v", c.from, moved, said)
		}
		for ts := nodes.TSO(10); ts <= 600; ts += 10 {
			if ts > c.from {
				apply(t, s, ts)
			}
		}
		flush(t, s)
		s.Close()
		var want []int64
		for ts := int64(10); ts <= 600; ts += 10 {
			if ts <= 100 || ts > int64(c.from) {
				want = append(want, ts)
			}
		}
		if got := d.IDs(t); !slices.Equal(got, want) {
			t.Errorf("checkpoint %d: downstream %v", c.from, got)
		}
	}
}

// A file that is missing in the middle, by hand or by accident: the log gives what is before it.
func TestGapInTheMiddle(t *testing.T) {
	d := few(t)
	paths, err := binlogfile.Files(d.opts.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(paths[2]); err != nil { // 80
		t.Fatal(err)
	}
	d.dir = t.TempDir()
	if last, err := replay(t.Context(), d.opts.Dir, 55, d.inner(t, 55)); err != nil || last != 70 {
		t.Errorf("replay: %d, %v", last, err)
	}
	d.dir = t.TempDir()
	s := d.over(t, d.inner(t, 55), 55)
	if got := d.IDs(t); !slices.Equal(got, []int64{60, 70}) || s.Applied() != 70 {
		t.Errorf("from the log: %v, applied %d", got, s.Applied())
	}
	if moved := aside(t, d.opts.Dir); !slices.Equal(moved, []nodes.TSO{90, 100}) {
		t.Errorf("moved away: %v", moved)
	}
	apply(t, s, 60, 70, 80, 90, 100, 110)
	flush(t, s)
	s.Close()
	// What came again is in the log, and is continuous.
	d.dir = t.TempDir()
	d.over(t, d.inner(t, 60), 60)
	if got := d.IDs(t); !slices.Equal(got, []int64{70, 80, 90, 100, 110}) {
		t.Errorf("after another start: %v", got)
	}
}

// olds makes a log as an old drainer leaves it: no record says what it follows, and there is no
// addition to the messages.
func olds(t *testing.T, number uint64, list ...nodes.TSO) (dir string) {
	t.Helper()
	dir = t.TempDir()
	l := openLog(disk.OS{}, dir, 1<<20, time.UTC, &contents{next: number}, 0)
	if err := l.create(list[0]); err != nil {
		t.Fatal(err)
	}
	enc := message.NewEncoder(time.UTC)
	for _, ts := range list {
		payload, err := enc.Encode(sinktest.Insert(ts))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.write(payload); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.finish(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// An old drainer's log is applied where it is sure that none is missing.
func TestOldDrainersLog(t *testing.T) {
	for _, c := range []struct {
		number uint64
		from   nodes.TSO
		want   []int64
	}{
		{0, 5, []int64{10, 20, 30}}, // nothing was ever removed
		{0, 10, []int64{20, 30}},
		{3, 10, []int64{20, 30}},
		{3, 25, []int64{30}},
		{3, 5, nil}, // transactions between 5 and 10 may have been in files that were removed
		{3, 30, nil},
	} {
		d := &downstream{t.TempDir(), Options{Dir: olds(t, c.number, 10, 20, 30)}}
		d.over(t, d.inner(t, c.from), c.from)
		if got := d.IDs(t); !slices.Equal(got, c.want) {
			t.Errorf("file %d, checkpoint %d: %v, want %v", c.number, c.from, got, c.want)
		}
		if moved := aside(t, d.opts.Dir); (len(moved) > 0) != (c.from == 5 && c.number > 0) {
			t.Errorf("file %d, checkpoint %d: moved away %v", c.number, c.from, moved)
		}
	}
}

// What the configuration leaves out now is left out of what the log has, too, and does not come
// again from the pumps.
func TestKeep(t *testing.T) {
	d := few(t)
	d.dir = t.TempDir()
	d.opts.Keep = func(x *sink.Txn) *sink.Txn {
		if x.CommitTS == 70 || x.CommitTS == 100 {
			return nil
		}
		return x
	}
	s := d.over(t, d.inner(t, 50), 50)
	if s.Applied() != 100 {
		t.Errorf("applied %d", s.Applied())
	}
	apply(t, s, 60, 70, 80, 90, 100, 110)
	flush(t, s)
	if got := d.IDs(t); !slices.Equal(got, []int64{60, 80, 90, 110}) {
		t.Errorf("downstream: %v", got)
	}
}

func TestLast(t *testing.T) {
	if last, err := Last(few(t).opts.Dir); err != nil || last != 100 {
		t.Errorf("%d, %v", last, err)
	}
	if last, err := Last(filepath.Join(t.TempDir(), "none")); err != nil || last != 0 {
		t.Errorf("none: %d, %v", last, err)
	}
	dir, path := crashed(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[offsets(t, path)[0]+20] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *binlogfile.DamageError
	if _, err := Last(dir); !errors.As(err, &damage) {
		t.Errorf("damaged: %v", err)
	}
}
