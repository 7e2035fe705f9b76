package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A tree is a copy of the repository in which tests run: what a program that is broken on purpose writes where it
// should not, is written there, and is gone before the next mutation.
type tree struct {
	root  string
	files map[string]bool // and directories, from root
}

// copyTree copies a repository without its history and its programs. What `make deps` has built is linked, not copied.
func copyTree(from, to string) (*tree, error) {
	entries, err := os.ReadDir(from)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		switch {
		case slices.Contains([]string{".git", "bin"}, e.Name()):
		case e.Name() == ".cache":
			err = os.Symlink(src, dst)
		case e.IsDir():
			err = os.CopyFS(dst, os.DirFS(src))
		default:
			var text []byte
			if text, err = os.ReadFile(src); err == nil {
				err = os.WriteFile(dst, text, 0o600)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	t := &tree{root: to, files: map[string]bool{}}
	return t, t.walk(func(path string) error { t.files[path] = true; return nil })
}

// clean removes what has been added to the tree.
func (t *tree) clean() error {
	return t.walk(func(path string) error {
		if t.files[path] {
			return nil
		}
		return os.RemoveAll(path)
	})
}

func (t *tree) walk(visit func(path string) error) error {
	return filepath.WalkDir(t.root, func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed just now
		}
		return errors.Join(err, visit(path))
	})
}
