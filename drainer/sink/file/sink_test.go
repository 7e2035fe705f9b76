package file

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/nodes"
)

// directory is the downstream of the contract's tests.
type directory struct{ opts Options }

func (d directory) Open(t testing.TB, from nodes.TSO) sink.Sink {
	t.Helper()
	d.opts.From = from
	s, err := New(d.opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// IDs reads what is in the files; a transaction half written is not there.
func (d directory) IDs(t testing.TB) []int64 {
	t.Helper()
	var ids []int64
	paths, err := binlogfile.Files(d.opts.Dir)
	if err != nil {
		t.Error(err)
	}
	for _, p := range paths {
		err := eachIn(p, func(b *pbfile.Binlog) {
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
		})
		var damage *binlogfile.DamageError
		if err != nil && !errors.Is(err, os.ErrNotExist) && !(errors.As(err, &damage) && damage.Torn) {
			t.Error(err)
		}
	}
	return ids
}

func eachIn(path string, do func(*pbfile.Binlog)) error {
	return binlogfile.Each(path, func(rec binlogfile.Record) error {
		b, err := rec.Decode()
		if err == nil {
			do(b)
		}
		return err
	})
}

func TestContract(t *testing.T) {
	for name, opts := range map[string]Options{
		"one file":   {},
		"many files": {MaxFileBytes: 500},
		"compressed": {MaxFileBytes: 2000, Gzip: true},
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) sinktest.Downstream {
				opts.Dir, opts.SyncInterval = t.TempDir(), time.Millisecond
				return directory{opts}
			})
		})
	}
}

func open(t *testing.T, opts Options) *Sink {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t *testing.T, s *Sink, commits ...nodes.TSO) {
	t.Helper()
	for _, ts := range commits {
		if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(ts)}, Passed: ts}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRotationNamesAndOrder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, MaxFileBytes: 200})
	base := nodes.MakeTSO(time.Date(2026, 11, 22, 18, 30, 0, 0, time.Local), 0)
	for i := range nodes.TSO(12) {
		put(t, s, base+i*(1000<<18)) // a second apart
	}
	s.Close()
	paths, err := binlogfile.Files(dir)
	if err != nil || len(paths) != 6 {
		t.Fatal(paths, err)
	}
	for i, p := range paths {
		want := fmt.Sprintf("binlog-%016d-202611221830%02d", i, 2*i)
		if filepath.Base(p) != want {
			t.Errorf("file %d is called %s, want %s", i, p, want)
		}
	}
	// It goes on with the last one when there is room, and with the number after.
	s = open(t, Options{Dir: dir, MaxFileBytes: 300})
	put(t, s, base+100_000<<18, base+200_000<<18)
	if again, _ := binlogfile.Files(dir); len(again) != 7 || !slices.Equal(again[:6], paths) {
		t.Errorf("after a restart: %v", again)
	}
}

func TestSecondSinkIsLockedOut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	if _, err := New(Options{Dir: dir}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second sink: %v", err)
	}
	s.Close()
	open(t, Options{Dir: dir})
}

// newest writes transactions 10, 20, 30 into one file and gives its path.
func newest(t *testing.T, dir string) (path string, content []byte) {
	t.Helper()
	s := open(t, Options{Dir: dir})
	put(t, s, 10, 20, 30)
	s.Close()
	paths, err := binlogfile.Files(dir)
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	if content, err = os.ReadFile(paths[0]); err != nil {
		t.Fatal(err)
	}
	return paths[0], content
}

// The file is cut, or filled with zeros or nonsense, at every byte after the checkpoint: it
// is repaired, and in the end every transaction is there once.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	path, whole := newest(t, dir)
	third := len(whole) / 3 * 2
	second := len(whole) / 3
	for name, tear := range map[string]func(at int) []byte{
		"cut":      func(at int) []byte { return whole[:at] },
		"zeros":    func(at int) []byte { return append(slices.Clone(whole[:at]), make([]byte, 200)...) },
		"nonsense": func(at int) []byte { return append(slices.Clone(whole[:at]), bytes.Repeat([]byte{0x9b}, 77)...) },
	} {
		for at := second; at <= len(whole); at += 1 + at%7 {
			if err := os.WriteFile(path, tear(at), 0o640); err != nil {
				t.Fatal(err)
			}
			logger, logs := logtest.NewNullLogger()
			s, err := New(Options{Dir: dir, From: 10, Logger: logger})
			if err != nil {
				t.Fatalf("%s at %d: %v", name, at, err)
			}
			want := nodes.TSO(10)
			if at >= third {
				want = 20
			}
			if at == len(whole) {
				want = 30
			}
			if s.Applied() != want {
				t.Errorf("%s at %d: applied %d, want %d", name, at, s.Applied(), want)
			}
			torn := name != "cut" || at != second && at != third && at != len(whole)
			if said := len(logs.AllEntries()) > 0; said != torn {
				t.Errorf("%s at %d: said: %v, torn: %v", name, at, said, torn)
			}
			put(t, s, 20, 30, 40)
			s.Close()
			if ids := (directory{Options{Dir: dir}}).IDs(t); !slices.Equal(ids, []int64{10, 20, 30, 40}) {
				t.Fatalf("%s at %d: %v", name, at, ids)
			}
		}
	}
}

// Pages that were written later may be on disk when earlier ones are not. What the
// checkpoint does not cover may be lost so, and is written again.
func TestHoleBehindTheCheckpoint(t *testing.T) {
	dir := t.TempDir()
	path, whole := newest(t, dir)
	copy(whole[len(whole)/3:], make([]byte, 40)) // in the record of 20
	if err := os.WriteFile(path, whole, 0o640); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Dir: dir, From: 10})
	if s.Applied() != 10 {
		t.Errorf("applied %d", s.Applied())
	}
	put(t, s, 20, 30)
	if ids := (directory{Options{Dir: dir}}).IDs(t); !slices.Equal(ids, []int64{10, 20, 30}) {
		t.Errorf("got %v", ids)
	}
}

// Damage before the checkpoint is never taken for a torn tail.
func TestDamageIsNoTornTail(t *testing.T) {
	for name, damage := range map[string]func(b []byte, second int){
		"payload":  func(b []byte, second int) { b[second+20] ^= 1 },
		"magic":    func(b []byte, second int) { b[second] ^= 1 },
		"size":     func(b []byte, second int) { b[second+4] ^= 1 },
		"checksum": func(b []byte, second int) { b[2*second-1] ^= 1 },
		"too long": func(b []byte, second int) { b[second+9] = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, whole := newest(t, dir)
			second := len(whole) / 3
			damage(whole, second)
			if err := os.WriteFile(path, whole, 0o640); err != nil {
				t.Fatal(err)
			}
			_, err := New(Options{Dir: dir, From: 30})
			var d *binlogfile.DamageError
			if !errors.As(err, &d) || d.File != path || d.Offset != int64(second) || !strings.Contains(err.Error(), "restore the file") {
				t.Errorf("got %v", err)
			}
			if now, _ := os.ReadFile(path); !bytes.Equal(now, whole) {
				t.Error("the damaged file was changed")
			}
			if err := binlogfile.Print(io.Discard, path); !errors.As(err, &d) || d.Offset != int64(second) {
				t.Errorf("print: %v", err)
			}
		})
	}
}

// A newest file without a whole record is a torn one only if its beginning is that of a record, or
// zeros; else it stays as it is, and the error names it.
func TestBeginningOfTheNewestFile(t *testing.T) {
	_, whole := newest(t, t.TempDir())
	whole = whole[:len(whole)/3]
	with := func(at int, b ...byte) []byte {
		changed := slices.Clone(whole)
		copy(changed[at:], b)
		return changed
	}
	for name, c := range map[string]struct {
		content []byte
		torn    bool
	}{
		"empty":                     {nil, true},
		"cut in the magic":          {whole[:3], true},
		"cut in the size":           {whole[:7], true},
		"cut in the payload":        {whole[:20], true},
		"zeros":                     {make([]byte, 5000), true},
		"one zero":                  {make([]byte, 1), true},
		"zeros from the magic on":   {append(slices.Clone(whole[:2]), make([]byte, 600)...), true},
		"zeros from the size on":    {append(slices.Clone(whole[:5]), make([]byte, 600)...), true},
		"zeros from the payload on": {append(slices.Clone(whole[:20]), make([]byte, 600)...), true},
		"zeros, then the rest":      {with(0, make([]byte, 16)...), true},
		"another text":              {[]byte("CREATE TABLE t (id INT);\n"), false},
		"one wrong byte":            {[]byte{0x9b}, false},
		"a wrong bit in the magic":  {with(2, whole[2]^1), false},
		"nonsense for a size":       {with(4, 1, 2, 3, 4, 5, 6, 7, 8), false},
		"zeros and nonsense":        {append(make([]byte, 4), bytes.Repeat([]byte{0x9b}, 600)...), false},
	} {
		t.Run(name, func(t *testing.T) {
			d := directory{Options{Dir: t.TempDir(), MaxFileBytes: 1}}
			s := open(t, d.opts)
			put(t, s, 5, 10)
			s.Close()
			paths, err := binlogfile.Files(d.opts.Dir)
			if err != nil || len(paths) != 2 {
				t.Fatal(paths, err)
			}
			path := paths[1]
			if err := os.WriteFile(path, c.content, 0o640); err != nil {
				t.Fatal(err)
			}
			forgetSynced(t, d.opts.Dir)
			d.opts.From = 5
			s, err = New(d.opts)
			if c.torn {
				if err != nil {
					t.Fatal(err)
				}
				put(t, s, 10, 20)
				s.Close()
				if ids := d.IDs(t); !slices.Equal(ids, []int64{5, 10, 20}) {
					t.Errorf("got %v", ids)
				}
				return
			}
			var damage *binlogfile.DamageError
			if !errors.As(err, &damage) || damage.File != path || damage.Offset != 0 || !strings.Contains(err.Error(), "move it away") {
				t.Errorf("got %v", err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, c.content) {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
}

func TestGzipAndRetention(t *testing.T) {
	dir := t.TempDir()
	logger, _ := logtest.NewNullLogger()
	s := open(t, Options{Dir: dir, MaxFileBytes: 100, Gzip: true, Logger: logger})
	put(t, s, 10, 20, 30, 40)
	var paths []string
	until(t, "three compressed files and one that is not", func() bool {
		paths, _ = binlogfile.Files(dir)
		return len(paths) == 4 && strings.HasSuffix(paths[2], ".gz") && !strings.HasSuffix(paths[3], ".gz")
	})
	s.Close()
	if ids := (directory{Options{Dir: dir}}).IDs(t); !slices.Equal(ids, []int64{10, 20, 30, 40}) {
		t.Errorf("got %v", ids)
	}
	// A crash between making the compressed file and removing the other, and within making one.
	plain, err := os.ReadFile(paths[3])
	if err != nil {
		t.Fatal(err)
	}
	twice := strings.TrimSuffix(paths[0], ".gz")
	if err := errors.Join(os.WriteFile(twice, plain, 0o640), os.WriteFile(paths[3]+".gz.tmp", nil, 0o640)); err != nil {
		t.Fatal(err)
	}
	if again, _ := binlogfile.Files(dir); !slices.Equal(again, paths) {
		t.Errorf("files: %v", again)
	}
	old := time.Now().Add(-2 * time.Hour)
	for _, p := range []string{paths[0], paths[1], paths[3]} {
		if err := os.Chtimes(p, old, old); err != nil {
			t.Fatal(err)
		}
	}
	open(t, Options{Dir: dir, MaxFileBytes: 100, Retention: time.Hour})
	if _, err := os.Stat(twice); err == nil {
		t.Error("the file that is compressed already is still there")
	}
	if _, err := os.Stat(paths[3] + ".gz.tmp"); err == nil {
		t.Error("the half-made file is still there")
	}
	until(t, "the young file and the newest to be left", func() bool {
		left, _ := binlogfile.Files(dir)
		return slices.Equal(left, paths[2:])
	})
}

func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting in vain for %s", what)
		}
	}
}

// A write that fails is the sink's last: nobody knows what is on disk.
func TestFailureStays(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	put(t, s, 10)
	s.cur.File.Close()
	if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(20)}, Passed: 20}); err != nil {
		t.Fatal(err)
	}
	err := s.Flush(t.Context())
	if err == nil {
		t.Fatal("Flush says that it is on disk")
	}
	if again := s.Apply(t.Context(), sink.Batch{Passed: 30}); again == nil || s.Applied() != 10 {
		t.Errorf("it goes on: %v, applied %d", again, s.Applied())
	}
}

func TestReaderOfCompressedDamage(t *testing.T) {
	dir := t.TempDir()
	path, whole := newest(t, dir)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(whole)
	w.Close()
	for name, content := range map[string][]byte{
		"cut":    z.Bytes()[:z.Len()/2],
		"plain":  whole,
		"broken": append(slices.Clone(z.Bytes()[:z.Len()-6]), 1, 2, 3, 4, 5, 6),
	} {
		p := path + ".gz"
		if err := os.WriteFile(p, content, 0o640); err != nil {
			t.Fatal(err)
		}
		var d *binlogfile.DamageError
		if err := eachIn(p, func(*pbfile.Binlog) {}); !errors.As(err, &d) || d.File != p {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEarlyTorn: a crash that takes the rows and leaves the statement they need does not make it
// be written twice, whether the commit TS in front of them is free or not.
func TestEarlyTorn(t *testing.T) {
	for name, before := range map[string]nodes.TSO{"free": 10, "taken": 19} {
		t.Run(name, func(t *testing.T) {
			d := directory{Options{Dir: t.TempDir()}}
			early := sinktest.Insert(20)
			for _, query := range []string{"ALTER 1", "ALTER 2"} {
				early.Early = append(early.Early, sink.Statement{Query: query, DDL: &schema.DDL{Schema: "d", Table: "t"}})
			}
			list := []*sink.Txn{sinktest.Insert(before), early}
			write := func() {
				s := d.Open(t, 5)
				if err := s.Apply(t.Context(), sink.Batch{Txns: list, Passed: 20}); err != nil {
					t.Fatal(err)
				}
				if err := s.Flush(t.Context()); err != nil || s.Applied() != 20 {
					t.Fatal(s.Applied(), err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			write()
			paths, err := binlogfile.Files(d.opts.Dir)
			if err != nil {
				t.Fatal(err)
			}
			whole, err := os.ReadFile(paths[0])
			if err != nil {
				t.Fatal(err)
			}
			for size := len(whole); size > 0; size -= 3 {
				if err := os.Truncate(paths[0], int64(size)); err != nil {
					t.Fatal(err)
				}
				forgetSynced(t, d.opts.Dir)
				write()
				if got, err := os.ReadFile(paths[0]); err != nil || !bytes.Equal(got, whole) {
					t.Fatalf("cut after %d of %d bytes: other records than before, %v", size, len(whole), err)
				}
			}
		})
	}
}
