package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// TestMutationsApply: every mutation still finds its place, and what comes of it compiles. Whether tests notice
// is for `make mutate`.
func TestMutationsApply(t *testing.T) {
	list, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 150 {
		t.Errorf("there are %d mutations", len(list))
	}
	c := newChecker(t, list)
	for _, m := range list {
		text, err := m.apply(root)
		if err == nil {
			err = c.compiles(m.path, text)
		}
		if err != nil {
			t.Errorf("%s: %v", m, err)
		}
	}
}

// checker compiles changed files together with the rest of their package, as far as types go.
type checker struct {
	fset     *token.FileSet
	packages map[string][]string // directory: files
	paths    map[string]string   // directory: import path
	imports  types.Importer
}

func newChecker(t *testing.T, list []mutation) *checker {
	t.Helper()
	c := &checker{fset: token.NewFileSet(), packages: map[string][]string{}, paths: map[string]string{}}
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Export"}
	for _, m := range list {
		args = append(args, "./"+filepath.Dir(m.path))
	}
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir, Export string
			GoFiles                 []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if strings.HasPrefix(p.ImportPath, "pumphouse/") {
			dir := strings.TrimPrefix(p.ImportPath, "pumphouse/")
			c.packages[dir], c.paths[dir] = p.GoFiles, p.ImportPath
		}
	}
	c.imports = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	})
	return c
}

func (c *checker) compiles(path string, text []byte) error {
	dir := filepath.Dir(path)
	var files []*ast.File
	for _, name := range c.packages[dir] {
		var src any
		if name == filepath.Base(path) {
			src = text
		}
		f, err := parser.ParseFile(c.fset, filepath.Join(root, dir, name), src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	conf := types.Config{Importer: c.imports}
	_, err := conf.Check(c.paths[dir], c.fset, files, nil)
	return err
}

func TestApplyWantsOnePlace(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("if a {\n\t\treturn b\n\t}\nx\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for old, want := range map[string]string{
		"if a {\n  return b\n}": "NEW\nx\nx\n",
		"x":                     "",
		"y":                     "",
	} {
		got, err := mutation{path: "a.go", old: old, new: "NEW"}.apply(dir)
		if (err == nil) != (want != "") || string(got) != want {
			t.Errorf("%q: %q, %v", old, got, err)
		}
	}
}

// A run has its score, and a stale mutation fails it whatever the score.
func TestScore(t *testing.T) {
	of := func(killed, survived, stale int) (list []verdict) {
		for was, n := range map[string]int{"killed": killed, "survived": survived, "stale": stale} {
			for range n {
				list = append(list, verdict{was: was})
			}
		}
		return list
	}
	for _, c := range []struct {
		list []verdict
		good bool
	}{{of(95, 5, 0), true}, {of(94, 6, 0), false}, {of(100, 0, 1), false}} {
		if err := score(io.Discard, c.list); (err == nil) != c.good {
			t.Errorf("%v", err)
		}
	}
	for slice, want := range map[string]int{"1/2": 2, "2/2": 1, "1/1": 3, "0/1": -1, "x": -1} {
		part, err := chosen(make([]mutation, 3), "", slice)
		if err != nil && want >= 0 || err == nil && len(part) != want {
			t.Errorf("slice %s: %d, %v", slice, len(part), err)
		}
	}
}
