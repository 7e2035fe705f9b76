package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/sink"
	"pumphouse/nodes"
)

// forgetSynced makes what is in the files something that was never durable, as a crash finds it.
func forgetSynced(t *testing.T, dir string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, syncedName)); err != nil {
		t.Fatal(err)
	}
}

// A bad byte in what the checkpoint covers, wherever it is, refuses the start, also in the newest
// file, also in its last record, also when no transaction has the checkpoint's commit TS.
func TestDamageThatTheCheckpointCovers(t *testing.T) {
	for _, last := range []bool{true, false} {
		dir := t.TempDir()
		s := open(t, Options{Dir: dir})
		put(t, s, 10, 20)
		if err := s.Apply(t.Context(), sink.Batch{Passed: 25}); err != nil {
			t.Fatal(err)
		}
		if !last {
			put(t, s, 30)
		}
		s.Close()
		paths, err := binlogfile.Files(dir)
		if err != nil || len(paths) != 1 {
			t.Fatal(paths, err)
		}
		whole, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		ends := []int64{0}
		if err := binlogfile.Each(paths[0], func(r binlogfile.Record) error { ends = append(ends, r.End()); return nil }); err != nil {
			t.Fatal(err)
		}
		refused := func(what string, at int64) {
			t.Helper()
			now, err := os.ReadFile(paths[0])
			if err != nil {
				t.Fatal(err)
			}
			s, err := New(Options{Dir: dir, From: 25})
			if err == nil {
				s.Close()
			}
			var damage *binlogfile.DamageError
			if !errors.As(err, &damage) || damage.Offset != at || !strings.Contains(err.Error(), "restore the file") || !strings.Contains(err.Error(), "checkpoint 25") {
				t.Errorf("30 is there: %v; %s: %v", !last, what, err)
			}
			if after, err := os.ReadFile(paths[0]); err != nil || string(after) != string(now) {
				t.Errorf("%s: the file was changed: %v", what, err)
			}
		}
		for at := ends[1]; at < ends[2]; at++ { // each byte of the record of 20
			broken := slices.Clone(whole)
			broken[at] ^= 0x40
			if err := os.WriteFile(paths[0], broken, 0o640); err != nil {
				t.Fatal(err)
			}
			refused(fmt.Sprintf("byte %d of the record", at-ends[1]), ends[1])
		}
		for _, size := range []int64{ends[1] + 5, ends[2] - 1} {
			if err := os.WriteFile(paths[0], whole[:size], 0o640); err != nil {
				t.Fatal(err)
			}
			refused(fmt.Sprintf("%d bytes are left", size), ends[1])
		}
		if err := os.WriteFile(paths[0], whole[:ends[1]], 0o640); err != nil {
			t.Fatal(err)
		}
		refused("the record is cut off", ends[1])
		// What the checkpoint does not cover is delivered again.
		d := directory{Options{Dir: dir, From: 10}}
		put(t, d.Open(t, 10).(*Sink), 20, 30)
		if got := d.IDs(t); !slices.Equal(got, []int64{10, 20, 30}) {
			t.Errorf("after a start at 10: %v", got)
		}
	}
}

// Files of which nothing says how far they were durable, of an old drainer for instance, tell it by the
// commit TS in the damaged record, where that is to be seen.
func TestDamageInFilesOfOthers(t *testing.T) {
	dir := t.TempDir()
	path, whole := newest(t, dir)
	second, third := len(whole)/3, len(whole)/3*2
	for _, c := range []struct {
		from    nodes.TSO
		damage  int // this byte
		size    int // of what is left
		refused bool
	}{
		{25, second + 30, third, true},
		{25, second, third, true},
		{25, second + 30, third - 10, true},
		{25, third + 30, len(whole), false},
		{25, third + 30, len(whole) - 10, false},
		{15, second + 30, third, false},
		{30, third + 30, len(whole), true},
	} {
		broken := slices.Clone(whole[:c.size])
		broken[c.damage] ^= 0x40
		if err := os.WriteFile(path, broken, 0o640); err != nil {
			t.Fatal(err)
		}
		forgetSynced(t, dir)
		s, err := New(Options{Dir: dir, From: c.from})
		if err == nil {
			s.Close()
		}
		if (err != nil) != c.refused {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A file that is begun anew under a number that was in use, or goes on after a tail was cut off, is not
// judged by what was there before.
func TestSyncedIsTrueAfterRepairs(t *testing.T) {
	dir := t.TempDir()
	path, whole := newest(t, dir)
	if err := os.WriteFile(path, whole[:len(whole)/3], 0o640); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Dir: dir, From: 10}) // 20 and 30 were not covered
	if err := s.Apply(t.Context(), sink.Batch{Passed: 15}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	// A crash tears what comes then.
	torn := append(slices.Clone(whole[:len(whole)/3]), whole[len(whole)/3:len(whole)/3+20]...)
	if err := os.WriteFile(path, torn, 0o640); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: dir, From: 15})
	put(t, s, 20)
	s.Close()
	if got := (directory{Options{Dir: dir}}).IDs(t); !slices.Equal(got, []int64{10, 20}) {
		t.Errorf("%v", got)
	}
}
