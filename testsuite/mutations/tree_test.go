package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files are those of a directory, from it.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	tr := &tree{root: dir}
	if err := tr.walk(func(path string) error {
		all = append(all, strings.TrimPrefix(path, dir))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTree: what a test writes beside the code is neither left in the repository nor there for the next mutation.
func TestTree(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"go.mod": "m", "p/a.go": "a", "p/testdata/x": "x", ".git/HEAD": "h", "bin/pump": "b", ".cache/bin/pd": "pd"} {
		name = filepath.Join(from, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	was := files(t, from)
	tr, err := copyTree(from, to)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(to, ".cache/bin/pd")); err != nil || string(b) != "pd" {
		t.Errorf("what was built for the tests: %q, %v", b, err)
	}
	want := []string{"", "/.cache", "/go.mod", "/p", "/p/a.go", "/p/testdata", "/p/testdata/x"}
	if got := files(t, to); !slices.Equal(got, want) {
		t.Fatalf("the copy has %q, want %q", got, want)
	}
	for _, name := range []string{"p/a", "p/data.drainer/lock"} {
		name = filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.clean(); err != nil {
		t.Fatal(err)
	}
	if got := files(t, to); !slices.Equal(got, want) {
		t.Errorf("after cleaning the copy has %q, want %q", got, want)
	}
	if got := files(t, from); !slices.Equal(got, was) {
		t.Errorf("the repository has %q, had %q", got, was)
	}
}

// TestResults: verdicts outlive the run, and a mutation of another text has none.
func TestResults(t *testing.T) {
	name := filepath.Join(t.TempDir(), "results")
	one := mutation{"a.go", "if a {\n\tb\n}", "", []string{"./a", "-run", "X"}}
	other := one
	other.new = "c"
	r, err := openResults(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []verdict{{one, "killed", " by something else: \"x\"\n"}, {other, "stale", ": gone"}} {
		if err := r.add(v, 1.2); err != nil {
			t.Fatal(err)
		}
	}
	if r, err = openResults(name); err != nil {
		t.Fatal(err)
	}
	if got := r.had[one.key()]; got.was != "killed" || got.how != " by something else: \"x\"\n" {
		t.Errorf("%+v", got)
	}
	if len(r.had) != 1 {
		t.Errorf("%+v", r.had)
	}
	if err := os.WriteFile(name, []byte("killed\t3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openResults(name); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a line that was cut off: %v", err)
	}
}
