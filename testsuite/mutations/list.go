package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

//go:embed *.toml
var lists embed.FS

// mutation is one change of one file.
type mutation struct {
	path     string // of the file, from the repository's root
	old, new string
	tests    []string // arguments of go test
}

func (m mutation) String() string {
	short := func(s string) string {
		s = strings.Join(strings.Fields(s), " ")
		if len(s) > 60 {
			s = s[:57] + "..."
		}
		return s
	}
	return fmt.Sprintf("%s: %q becomes %q", m.path, short(m.old), short(m.new))
}

// load reads the lists.
func load() (all []mutation, err error) {
	names, err := fs.Glob(lists, "*.toml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		var list struct {
			File []struct {
				Path    string
				Tests   []string
				Changes [][]string
			}
		}
		meta, err := toml.DecodeFS(lists, name, &list)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if unknown := meta.Undecoded(); len(unknown) > 0 {
			return nil, fmt.Errorf("%s: unknown key %s", name, unknown[0])
		}
		for _, f := range list.File {
			if f.Path == "" || len(f.Tests) == 0 || len(f.Changes) == 0 {
				return nil, fmt.Errorf("%s: an entry for %q has no path, no tests or no changes", name, f.Path)
			}
			for _, c := range f.Changes {
				if len(c) != 2 || strings.TrimSpace(c[0]) == strings.TrimSpace(c[1]) {
					return nil, fmt.Errorf("%s: a change of %s is not two different texts: %q", name, f.Path, c)
				}
				all = append(all, mutation{f.Path, strings.TrimSpace(c[0]), strings.TrimSpace(c[1]), f.Tests})
			}
		}
	}
	return all, nil
}

var lineBreak = regexp.MustCompile(`\s*\n\s*`)

// apply gives the file's text after the change.
func (m mutation) apply(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, m.path))
	if err != nil {
		return nil, err
	}
	at, err := m.find(text)
	if err != nil {
		return nil, err
	}
	return append(append(text[:at[0]:at[0]], m.new...), text[at[1]:]...), nil
}

// find is where in the file's text the change is made.
func (m mutation) find(text []byte) (at []int, err error) {
	var parts []string
	for _, line := range lineBreak.Split(m.old, -1) {
		parts = append(parts, regexp.QuoteMeta(line))
	}
	found := regexp.MustCompile(strings.Join(parts, `\s*\n\s*`)).FindAllIndex(text, -1)
	if len(found) != 1 {
		return nil, fmt.Errorf("the text occurs %d times in the file, not once", len(found))
	}
	return found[0], nil
}
