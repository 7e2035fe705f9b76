package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"pumphouse/nodes"
)

func write(t *testing.T, text string) File {
	t.Helper()
	f := InDir(t.TempDir())
	if err := os.WriteFile(f.Path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestReadsWhatTheFieldWrites(t *testing.T) {
	for name, text := range map[string]string{
		"ours":            "commitTS = 470642465486929921\nclusterID = \"18446744073709551615\"\n",
		"binlogctl":       "commitTS = 470642465486929921\n# 2026-11-22 18:00:00 +0000 UTC\n# 2026-11-23 02:00:00 +0800 CST\n",
		"old binlogctl":   "commitTS = 470642465486929921\n2026-11-22 18:00:00.123 +0000 UTC\n2026-11-23 02:00:00 +0800 CST\n",
		"zone by offset":  "commitTS = 470642465486929921\n2026-11-22 18:00:00 +0530 +0530\n2026-11-22 18:00:00 +0300 +03\n",
		"with Go's clock": "commitTS = 470642465486929921\n2026-11-22 18:00:00.5 +0000 UTC m=+0.123\n",
		"old drainer": "consistent = false\ncommitTS = 470642465486929921\nschema-version = 12\n\n[ts-map]\n" +
			"  primary-ts = 5\n  secondary-ts = 6\n",
		"no line end": "commitTS = 470642465486929921",
	} {
		p, err := write(t, text).Load(t.Context())
		if err != nil || p.CommitTS != 470642465486929921 {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

func TestDamagedFileNamesItselfAndTheCure(t *testing.T) {
	for name, text := range map[string]string{
		"empty":        "",
		"zeros":        strings.Repeat("\x00", 40),
		"cut short":    "commitT",
		"no number":    "commitTS = \n",
		"text":         `commitTS = "470642465486929921"`,
		"negative":     "commitTS = -1",
		"too large":    "commitTS = 9223372036854775808",
		"another file": "[syncer]\ndb-type = \"mysql\"\n",
		"odd cluster":  "commitTS = 5\nclusterID = \"x\"\n",
		"a line more":  "commitTS = 5\nsomething\n",
	} {
		f := write(t, text)
		_, err := Open(t.Context(), f, 1, 7)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), f.Path) || !strings.Contains(err.Error(), "commitTS = <") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNeverGoesBack(t *testing.T) {
	f := InDir(filepath.Join(t.TempDir(), "not", "yet"))
	c, err := Open(t.Context(), f, 42, 100)
	if err != nil || c.CommitTS() != 100 {
		t.Fatal(c, err)
	}
	if _, err := f.Load(t.Context()); !errors.Is(err, ErrNone) {
		t.Errorf("something was saved by Open: %v", err)
	}
	for _, s := range []struct{ save, want nodes.TSO }{{90, 100}, {100, 100}, {150, 150}, {120, 150}, {150, 150}, {151, 151}} {
		if err := c.Save(t.Context(), Position{CommitTS: s.save}); err != nil {
			t.Fatal(err)
		}
		if c.CommitTS() != s.want {
			t.Errorf("after Save(%d): %d, want %d", s.save, c.CommitTS(), s.want)
		}
		// Where the checkpoint begins is written once it is saved, too.
		if got, err := f.Load(t.Context()); s.save == 100 && (err != nil || got.CommitTS != 100 || !c.Saved()) || s.save == 90 && !errors.Is(err, ErrNone) {
			t.Errorf("after Save(%d) the file has %+v, %v", s.save, got, err)
		}
	}
	again, err := Open(t.Context(), f, 42, 7)
	if err != nil || again.CommitTS() != 151 {
		t.Errorf("read again: %v, %v", again, err)
	}
	entries, err := os.ReadDir(filepath.Dir(f.Path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the file there is more: %v, %v", entries, err)
	}
}

func TestConcurrentSavesKeepTheLargest(t *testing.T) {
	f := InDir(t.TempDir())
	c, err := Open(t.Context(), f, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := c.Save(t.Context(), Position{CommitTS: nodes.TSO(1 + (i*7)%20)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if p, err := f.Load(t.Context()); err != nil || p.CommitTS != 20 || p.ClusterID != 1 {
		t.Errorf("%v, %v", p, err)
	}
}

func TestAnotherClustersCheckpoint(t *testing.T) {
	f := write(t, "commitTS = 5\nclusterID = \"1\"\n")
	_, err := Open(t.Context(), f, 2, 0)
	var other *ClusterError
	if !errors.As(err, &other) || other.Saved != 1 || other.Want != 2 || !strings.Contains(err.Error(), f.Path) {
		t.Errorf("got %v", err)
	}
	// One that does not say is taken, and says so from then on.
	f = write(t, "commitTS = 5\n")
	c, err := Open(t.Context(), f, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Save(t.Context(), Position{CommitTS: 6, Reached: []int64{7, 8}, Exact: true}); err != nil {
		t.Fatal(err)
	}
	if p, _ := f.Load(t.Context()); !reflect.DeepEqual(p, Position{CommitTS: 6, ClusterID: 2, Reached: []int64{7, 8}, Exact: true}) {
		t.Errorf("got %v", p)
	}
}

func TestSaveThatFailsDoesNotMove(t *testing.T) {
	dir := t.TempDir()
	f := File{Path: filepath.Join(dir, "file", FileName)}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil { // no directory
		t.Fatal(err)
	}
	c := &Checkpoint{store: f, last: Position{CommitTS: 5}}
	if err := c.Save(t.Context(), Position{CommitTS: 9}); err == nil || !strings.Contains(err.Error(), f.Path) {
		t.Errorf("Save: %v", err)
	}
	if c.CommitTS() != 5 {
		t.Errorf("it moved to %d", c.CommitTS())
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("commitTS = 5\n2026-11-22 18:00:00 +0000 UTC\n"))
	f.Add([]byte("[ts-map]\na = 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := parse(b); err == nil && p.CommitTS < 0 {
			t.Errorf("a negative position %d", p.CommitTS)
		}
	})
}
