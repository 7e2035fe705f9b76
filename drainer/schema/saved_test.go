package schema_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"pumphouse/drainer/schema"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/tidbtest/golden"
)

// counted is a directory of jobs that counts which are read.
type counted struct {
	schema.Dir
	read []int64
}

func (c *counted) History(ctx context.Context, after int64, each func(*schema.Job) error) error {
	return c.Dir.History(ctx, after, func(job *schema.Job) error {
		c.read = append(c.read, job.ID)
		return each(job)
	})
}

// open opens the history at a position with a file of definitions, or without for nil.
func openSaved(t *testing.T, source schema.Source, at nodes.TSO, saved *schema.Saved) *schema.History {
	t.Helper()
	h, err := schema.Open(t.Context(), source, schema.Position{CommitTS: at, Exact: true}, schema.Options{JobTimeout: time.Nanosecond, Saved: saved})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestSaved: what a start makes of saved definitions and the jobs after them is what it makes of all jobs, at whatever positions
// the two are, with what real TiDBs have left.
func TestSaved(t *testing.T) {
	r := rand.New(rand.NewPCG(form.Seed(t), 18))
	for _, year := range golden.Years() {
		data, err := golden.Load(year)
		if err != nil {
			t.Fatal(err)
		}
		source := &counted{Dir: data.History(t)}
		var ends []nodes.TSO
		ids, err := source.JobIDs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			job, err := source.Job(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, job.Result.FinishedTS)
		}
		slices.Sort(ends)
		for range 20 {
			saved := &schema.Saved{Path: filepath.Join(t.TempDir(), "definitions"), Cluster: 7, After: 1}
			first := r.IntN(len(ends))
			then := first + r.IntN(len(ends)-first)
			at, later := ends[first]+nodes.TSO(r.IntN(2)), ends[then]+nodes.TSO(r.IntN(2))
			later = max(at, later)
			openSaved(t, source, at, saved)
			source.read = nil
			got := openSaved(t, source, later, saved)
			fresh := len(source.read)
			want := openSaved(t, source.Dir, later, nil)
			if got.Everything() != want.Everything() {
				t.Fatalf("year %d, saved at %d of %d jobs, opened at %d: %s", year, first, len(ends), then, firstDifference(got.Everything(), want.Everything()))
			}
			if first > 0 && fresh >= len(ids) {
				t.Errorf("year %d: of %d jobs %d were read, although those until the %dth were saved", year, len(ids), fresh, first)
			}
			// What the second start has saved is as good.
			if again := openSaved(t, source, later, saved); again.Everything() != want.Everything() {
				t.Fatalf("year %d, saved twice: %s", year, firstDifference(again.Everything(), want.Everything()))
			}
		}
	}
}

func firstDifference(a, b string) string {
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(la), len(lb)) {
		if la[i] != lb[i] {
			return fmt.Sprintf("line %d:\n%.1500s\nwant\n%.1500s", i, la[i], lb[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(la), len(lb))
}

// TestSavedIsChecked: whatever is wrong with saved definitions is said, and the whole history is read.
func TestSavedIsChecked(t *testing.T) {
	const at = 1000
	for _, c := range []struct {
		name string
		do   func(*history, *schema.Saved)
		at   nodes.TSO
		says string // "": they are used
	}{
		{"nothing", func(*history, *schema.Saved) {}, at, ""},
		{"a job more", func(h *history, _ *schema.Saved) { h.create(50, "later", "x:1", "") }, at + 1000, ""},
		{"another cluster", func(_ *history, s *schema.Saved) { s.Cluster++ }, at, "cluster"},
		{"an older checkpoint", func(*history, *schema.Saved) {}, at - 600, "later than the checkpoint"},
		{"a job is gone", func(h *history, _ *schema.Saved) { h.remove(2) }, at, "not in the history any more"},
		{"another last job", func(h *history, _ *schema.Saved) {
			h.write(h.n, strings.Replace(h.text(h.n), `"FinishedTS":`, `"FinishedTS":1`, 1))
		}, at + 100_000, "ended at"},
		{"cut off", func(h *history, s *schema.Saved) { h.change(s.Path, func(b []byte) []byte { return b[:len(b)-1] }) }, at, "checksum"},
		{"empty", func(h *history, s *schema.Saved) { h.change(s.Path, func(b []byte) []byte { return nil }) }, at, "another version"},
		{"another version", func(h *history, s *schema.Saved) {
			h.change(s.Path, func(b []byte) []byte { b[17]++; return b })
		}, at, "another version"},
		{"a changed bit", func(h *history, s *schema.Saved) {
			h.change(s.Path, func(b []byte) []byte { b[len(b)/2] ^= 4; return b })
		}, at, "checksum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHistory(t)
			for i := range 5 {
				h.create(10+i, fmt.Sprintf("t%d", i), "a:1 b:2", "")
			}
			logger, logs := logtest.NewNullLogger()
			saved := &schema.Saved{Path: filepath.Join(t.TempDir(), "definitions"), Cluster: 7, After: 3, Logger: logger}
			openSaved(t, schema.Dir(h.dir), at, saved)
			if _, err := os.Stat(saved.Path); err != nil {
				t.Fatal(err)
			}
			c.do(h, saved)
			logs.Reset()
			source := &counted{Dir: schema.Dir(h.dir)}
			got, want := openSaved(t, source, c.at, saved), openSaved(t, source.Dir, c.at, nil)
			if got.Everything() != want.Everything() {
				t.Error(firstDifference(got.Everything(), want.Everything()))
			}
			ids, err := source.JobIDs(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, e := range logs.AllEntries() {
				text += e.Message + fmt.Sprint(e.Data) + "\n"
			}
			if used := len(source.read) < len(ids); used != (c.says == "") || !strings.Contains(text, c.says) {
				t.Errorf("%d of %d jobs were read, and the log says %q; want %q", len(source.read), len(ids), text, c.says)
			}
		})
	}
}

// A job that took long has a smaller ID than others that were saved before it ended.
func TestSavedBeforeALongJobEnded(t *testing.T) {
	h := newHistory(t)
	for i := range 5 {
		h.create(10+i, fmt.Sprintf("t%d", i), "a:1 b:2", "")
	}
	long := h.text(4)
	h.remove(4) // still running
	saved := &schema.Saved{Path: filepath.Join(t.TempDir(), "definitions"), Cluster: 7, After: 1}
	openSaved(t, schema.Dir(h.dir), 1000, saved)
	h.write(4, strings.Replace(long, `"FinishedTS":450`, `"FinishedTS":1500`, 1))
	source := &counted{Dir: schema.Dir(h.dir)}
	for _, at := range []nodes.TSO{1200, 2000} {
		source.read = nil
		got, want := openSaved(t, source, at, saved), openSaved(t, source.Dir, at, nil)
		if got.Everything() != want.Everything() {
			t.Errorf("at %d: %s", at, firstDifference(got.Everything(), want.Everything()))
		}
		if !slices.Contains(source.read, 4) || len(source.read) != 3 {
			t.Errorf("at %d the jobs %v were read, want 4 and what has larger IDs", at, source.read)
		}
	}
}

func (h *history) text(id int) string {
	h.t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, fmt.Sprintf("%d.json", id)))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}

func (h *history) remove(id int) {
	h.t.Helper()
	if err := os.Remove(filepath.Join(h.dir, fmt.Sprintf("%d.json", id))); err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) change(name string, do func([]byte) []byte) {
	h.t.Helper()
	b, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, do(b), 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}
