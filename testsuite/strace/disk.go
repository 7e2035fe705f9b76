package strace

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Disk is what a failure of the machine may take at one moment.
type Disk struct {
	root  string
	files map[string]*file
	// names are entries of directories that are made and not synced, and the line where they were made.
	names map[string]int
}

type file struct {
	size     int64 // where a write to the end goes
	unsynced []Write
}

// Write is a write to a file that has not been synced.
type Write struct {
	Path     string
	From, To int64  // bytes of the file
	Data     []byte // the first of them
	line     int    // where it returned; 0: not yet
	call     *Call
}

func (w Write) String() string {
	return fmt.Sprintf("bytes %d to %d of %s (written in line %d of the trace)", w.From, w.To, filepath.Base(w.Path), w.call.entry)
}

// Walk goes through the calls of a process that has ended, in order. look sees each call, and the disk as
// it is when the call begins; at the end it is called once more, without one.
func (tr *Trace) Walk(t testing.TB, pid int, look func(c *Call, d *Disk)) {
	t.Helper()
	tr.walk(tr.read(t, pid), look)
}

func (tr *Trace) walk(list []*Call, look func(c *Call, d *Disk)) {
	d := &Disk{root: tr.root, files: map[string]*file{}, names: map[string]int{}}
	for path, size := range tr.had {
		d.files[path] = &file{size: size}
	}
	type moment struct {
		line int
		call *Call
		over bool
	}
	var moments []moment
	for _, c := range list {
		moments = append(moments, moment{c.entry, c, false})
		if c.exit > 0 {
			moments = append(moments, moment{c.exit, c, true})
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return a.line - b.line })
	for _, m := range moments {
		if m.over {
			d.returned(m.call)
			continue
		}
		look(m.call, d)
		d.entered(m.call)
	}
	look(nil, d)
}

// entered: a write may be in the file, and is not durable, from its beginning on.
func (d *Disk) entered(c *Call) {
	if c.Data == nil || c.Path == "" {
		return
	}
	f := d.file(c.Path)
	if f == nil {
		return
	}
	w := Write{Path: c.Path, From: c.Offset, Data: c.Data, call: c}
	if c.Offset < 0 {
		w.From = f.size
	}
	w.To = w.From + c.Size
	f.size = max(f.size, w.To)
	f.unsynced = append(f.unsynced, w)
}

// returned applies what a call did that is over.
func (d *Disk) returned(c *Call) {
	switch c.Name {
	case "fsync", "fdatasync":
		for name, line := range d.names {
			if filepath.Dir(name) == c.Path && line < c.entry {
				delete(d.names, name)
			}
		}
		if f := d.file(c.Path); f != nil {
			f.unsynced = slices.DeleteFunc(f.unsynced, func(w Write) bool { return w.line > 0 && w.line < c.entry })
		}
	case "openat":
		if strings.Contains(c.Flags, "O_CREAT") && d.inside(c.Path) && d.files[c.Path] == nil {
			d.files[c.Path], d.names[c.Path] = new(file), c.exit
		}
	case "mkdirat":
		if d.inside(c.Path) {
			d.files[c.Path], d.names[c.Path] = new(file), c.exit
		}
	case "unlinkat":
		delete(d.files, c.Path)
		delete(d.names, c.Path)
	case "rename", "renameat", "renameat2":
		if !d.inside(c.To) {
			return
		}
		f := d.files[c.Path]
		if f == nil {
			f = new(file)
		}
		for i := range f.unsynced {
			f.unsynced[i].Path = c.To
		}
		d.files[c.To], d.names[c.To] = f, c.exit
		delete(d.files, c.Path)
		delete(d.names, c.Path)
	default:
		if f := d.file(c.Path); f != nil {
			for i := range f.unsynced {
				if f.unsynced[i].call == c {
					f.unsynced[i].line = c.exit
				}
			}
		}
	}
}

func (d *Disk) inside(path string) bool {
	return path == d.root || strings.HasPrefix(path, d.root+"/")
}

func (d *Disk) file(path string) *file { return d.files[path] }

// Unsynced are the writes to files whose names match a pattern (see [filepath.Match]) that a failure may
// take, in the order of their places.
func (d *Disk) Unsynced(pattern string) (list []Write) {
	for path, f := range d.files {
		if matches(pattern, path) {
			list = append(list, f.unsynced...)
		}
	}
	slices.SortFunc(list, func(a, b Write) int { return a.call.entry - b.call.entry })
	return list
}

// Nameless are the files that match a pattern and that a failure may take as a whole, or whose former
// content may come back: their name, or that of a directory above, is not synced.
func (d *Disk) Nameless(pattern string) (list []string) {
	for path := range d.files {
		if !matches(pattern, path) {
			continue
		}
		for at := path; d.inside(at) && at != d.root; at = filepath.Dir(at) {
			if line, pending := d.names[at]; pending {
				list = append(list, fmt.Sprintf("%s: the name %s (line %d of the trace) is not synced", filepath.Base(path), filepath.Base(at), line))
			}
		}
	}
	slices.Sort(list)
	return list
}

// Lost is what of the files that match a pattern a failure may take, in words; empty: nothing.
func (d *Disk) Lost(pattern string) (list []string) {
	for _, w := range d.Unsynced(pattern) {
		list = append(list, w.String())
	}
	return append(list, d.Nameless(pattern)...)
}

func matches(pattern, path string) bool {
	ok, err := filepath.Match(pattern, filepath.Base(path))
	return err == nil && ok
}

// String names the call for messages of tests.
func (c *Call) String() string {
	if c == nil {
		return "the end of the process"
	}
	return fmt.Sprintf("%s of %s in line %d of the trace", c.Name, filepath.Base(c.Path), c.entry)
}
