package main

import (
	"os"
	"path/filepath"
	"testing"
)

// formed has functions of every kind that forms are made of.
const formed = `package formed

import "strings"

type list struct{ texts []string }

func (l *list) add(more ...string) {
	l.texts = append(l.texts, more...)
}

func (list) join(a, b string, _ int) (s string, ok bool) {
	s = strings.Join([]string{a, b}, "-")
	return s, a != b
}

func same[T comparable](a, b T) bool { return a == b }

var started = first()

func first() int { return 1 }
`

const formedTest = `package formed

import "testing"

func TestAdd(t *testing.T) {
	var l list
	if l.add("a", "b"); len(l.texts) != 2 {
		t.Error(l.texts)
	}
}

func TestJoin(t *testing.T) {
	if s, ok := (list{}).join("a", "b", 0); s != "a-b" || !ok || !same(1, 1) || started != 1 {
		t.Error(s, ok)
	}
}
`

// TestBundle: one program has every mutation, each runs alone, and what is in no function is left.
func TestBundle(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module formed\n\ngo 1.24\n", "p/formed.go": formed, "p/formed_test.go": formedTest} {
		if err := os.MkdirAll(filepath.Join(root, "p"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOFLAGS", "")
	all := []string{"./p"}
	list := []mutation{
		{"p/formed.go", "l.texts = append(l.texts, more...)", "l.texts = more[:1]", all},
		{"p/formed.go", `"-"`, `"+"`, all},
		{"p/formed.go", "a != b", "a == b", all},
		{"p/formed.go", "a != b", "a != b || false", all},
		{"p/formed.go", "return a == b }", "return a != b }", all},
		{"p/formed.go", "return 1", "return 2", all},
		{"p/formed.go", "texts []string }", "texts []string; more int }", all},
	}
	b, err := newBundle(root, "./p", list, []int{0, 1, 2, 3, 4, 5, 6})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if err := b.sound(all); err != nil {
		t.Fatal(err)
	}
	if err := b.sound([]string{"./p", "-run", "TestNothing"}); err == nil {
		t.Error("tests that do not exist are taken for sound")
	}
	for n, want := range map[int]string{0: "TestAdd", 1: "TestJoin", 2: "TestJoin", 3: "", 5: "TestJoin"} {
		out, err := b.run(n, all)
		was, how := judge(out, err)
		if want == "" && was != "survived" || want != "" && how != " by "+want {
			t.Errorf("%s: %s%s, want %q", list[n], was, how, want)
		}
	}
	if out, err := b.run(1, []string{"./p", "-run", "TestAdd"}); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for _, quick := range [][]string{{"^(TestAdd)$"}, {"^(TestJoin)$"}, {"^(TestAdd)$", "^(TestAdd|TestJoin)$"}} { // all run, whichever come first, but those that are skipped
		b.quick["./p"], b.quick["./p -skip TestJoin"] = quick, quick
		for n, want := range map[int]string{0: "TestAdd", 1: "TestJoin", 3: ""} {
			if out, err := b.run(n, all); (err != nil) != (want != "") || err != nil && killer(out) != want {
				t.Errorf("%s, %s first: %v: %s", list[n], quick, err, out)
			}
		}
		if out, err := b.run(1, []string{"./p", "-skip", "TestJoin"}); err != nil {
			t.Errorf("%s first: %v: %s", quick, err, out)
		}
	}
	if len(b.left) != 2 || b.left[0] != 4 || b.left[1] != 6 {
		t.Errorf("left are %v, want the generic function and the type", b.left)
	}
}

// The quick tests are those that together take a tenth of the time.
func TestQuickest(t *testing.T) {
	for out, want := range map[string]string{
		"--- PASS: TestA (9.00s)\n    --- PASS: TestA/b (0.00s)\n--- PASS: TestB (0.60s)\n--- PASS: TestC (0.10s)\n--- PASS: TestD (0.50s)\nPASS\n": "^(TestC|TestD)$",
		"--- PASS: TestA (1.00s)\n--- SKIP: TestB (0.00s)\n": "",
	} {
		if got := quickest([]byte(out), 10); got != want {
			t.Errorf("%q, want %q of %s", got, want, out)
		}
	}
}
