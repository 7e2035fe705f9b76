// Package faultfs is a file system in memory for tests. It fails when told to, runs full, and knows
// what a crash may take: everything that was not synced, sector by sector and name by name,
// directories included.
package faultfs

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"pumphouse/internal/disk"
)

// sector is the piece of a write that a disk writes whole or not at all.
const sector = 512

// Op is something that is about to change the file system.
type Op struct {
	Kind string // mkdir, create, write, truncate, preallocate, sync, rename, remove, syncdir
	Name string // of the file; the base name
	Size int    // of a write
}

// Fault is what an operation does instead of succeeding.
type Fault struct {
	Err   error
	Short int // of a write: how many bytes are written all the same
}

// FS implements [disk.FS]. The zero value is not usable: see [New].
type FS struct {
	mu       sync.Mutex
	names    map[string]*inode
	durable  map[string]*inode // the names a crash leaves for sure
	inject   func(Op) Fault
	capacity int64
	open     int
	maxOpen  int // 0: any number
}

type inode struct {
	dir      bool
	modified time.Time
	data     []byte
	durable  []byte
	pending  []change
}

// change is one that is not synced.
type change struct {
	at   int64
	data []byte
	size int64 // when data is nil: the new size
}

var _ disk.FS = (*FS)(nil)

// New makes an empty file system of practically unlimited capacity.
func New() *FS {
	return &FS{names: make(map[string]*inode), durable: make(map[string]*inode), capacity: 1 << 40}
}

// Inject has every following change shown to f first, which may make it fail. nil
// ends that.
func (s *FS) Inject(f func(Op) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inject = f
}

// SetCapacity says how many bytes all files may have together.
func (s *FS) SetCapacity(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capacity = bytes
}

// SetMaxOpen says how many files may be open at a time; 0: any number. More fail with EMFILE.
func (s *FS) SetMaxOpen(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.maxOpen = n
}

// descriptorLocked fails when no more files may be open.
func (s *FS) descriptorLocked(op, name string) error {
	if s.maxOpen > 0 && s.open >= s.maxOpen {
		return &fs.PathError{Op: op, Path: name, Err: unix.EMFILE}
	}
	return nil
}

// OpenFiles is how many files are open.
func (s *FS) OpenFiles() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// Crash returns the file system as a machine may find it after a crash now. What was
// not synced is there or not, as rnd decides; nil: none of it is. Nobody must change s
// any more.
func (s *FS) Crash(rnd *rand.Rand) *FS {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := New()
	after.capacity = s.capacity
	coin := func() bool { return rnd != nil && rnd.IntN(2) == 0 }
	copies := make(map[*inode]*inode)
	survive := func(name string, n *inode) {
		if copies[n] == nil {
			data := n.crash(coin)
			copies[n] = &inode{dir: n.dir, modified: n.modified, data: data, durable: slices.Clone(data)}
		}
		after.names[name], after.durable[name] = copies[n], copies[n]
	}
	for _, name := range names(s.names, s.durable) { // a directory comes before what is in it
		old, now := s.durable[name], s.names[name]
		pick := old
		if old != now && coin() {
			pick = now
		}
		if pick != nil && after.hasDirLocked(name) {
			survive(name, pick)
		}
	}
	return after
}

// hasDirLocked reports whether the directory that a name is in is there.
func (s *FS) hasDirLocked(name string) bool {
	dir := filepath.Dir(name)
	n := s.names[dir]
	return dir == "." || dir == "/" || n != nil && n.dir
}

// names is the sorted union of the names.
func names(a, b map[string]*inode) []string {
	var all []string
	for name := range a {
		all = append(all, name)
	}
	for name := range b {
		if a[name] == nil {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

func (n *inode) crash(coin func() bool) []byte {
	data := slices.Clone(n.durable)
	for _, c := range n.pending {
		if c.data == nil {
			if coin() {
				data = resize(data, c.size)
			}
			continue
		}
		for at := 0; at < len(c.data); {
			// Up to the next sector of the file.
			end := min(len(c.data), at+sector-int((c.at+int64(at))%sector))
			if coin() {
				data = write(data, c.data[at:end], c.at+int64(at))
			}
			at = end
		}
	}
	return data
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		clear(b[size:])
		return b[:size]
	}
	if size <= int64(cap(b)) {
		return b[:size]
	}
	grown := make([]byte, size, size+size/4)
	copy(grown, b)
	return grown
}

func write(b, data []byte, at int64) []byte {
	if end := at + int64(len(data)); end > int64(len(b)) {
		b = resize(b, end)
	}
	copy(b[at:], data)
	return b
}

// Corrupt changes bytes of a file behind everybody's back, durably.
func (s *FS) Corrupt(name string, change func(data []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.names[name]
	n.data = change(slices.Clone(n.data))
	n.durable, n.pending = slices.Clone(n.data), nil
}

// Read is a file's present content; nil: there is none.
func (s *FS) Read(name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.names[name]; n != nil {
		return slices.Clone(n.data)
	}
	return nil
}

// Delete removes a file durably.
func (s *FS) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names, name)
	delete(s.durable, name)
}

func (s *FS) faultLocked(kind, name string, size int) Fault {
	if s.inject == nil {
		return Fault{}
	}
	f := s.inject(Op{Kind: kind, Name: filepath.Base(name), Size: size})
	if f.Err != nil {
		f.Err = &fs.PathError{Op: kind, Path: name, Err: f.Err}
	}
	return f
}

func (s *FS) usedLocked() (used int64) {
	for _, n := range s.names {
		used += int64(len(n.data))
	}
	return used
}

// roomLocked is how many bytes are left when a file has grown to size; a file that
// need not grow always has room.
func (s *FS) roomLocked(n *inode, size int64) int64 {
	if size <= int64(len(n.data)) {
		return 0
	}
	return s.capacity - s.usedLocked() - max(0, size-int64(len(n.data)))
}

// Mkdir implements [disk.FS].
func (s *FS) Mkdir(dir string, _ fs.FileMode) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.names[dir] != nil || dir == "." || dir == "/":
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrExist}
	case !s.hasDirLocked(dir):
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrNotExist}
	}
	if f := s.faultLocked("mkdir", dir, 0); f.Err != nil {
		return f.Err
	}
	s.names[dir] = &inode{dir: true}
	return nil
}

// OpenFile implements [disk.FS].
func (s *FS) OpenFile(name string, flag int, _ fs.FileMode) (disk.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op := "open"
	if flag&os.O_CREATE != 0 {
		op = "create"
	}
	if err := s.descriptorLocked(op, name); err != nil {
		return nil, err
	}
	n := s.names[name]
	switch {
	case n == nil && (op == "open" || !s.hasDirLocked(name)):
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	case n != nil && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrExist}
	case n != nil && n.dir:
		return nil, &fs.PathError{Op: op, Path: name, Err: unix.EISDIR}
	}
	if op == "create" {
		if f := s.faultLocked(op, name, 0); f.Err != nil {
			return nil, f.Err
		}
	}
	if n == nil {
		n = new(inode)
		s.names[name] = n
	}
	if flag&os.O_TRUNC != 0 {
		n.truncate(0)
	}
	s.open++
	return &file{fs: s, n: n, name: name}, nil
}

// ModTime implements [disk.FS]. A file has no time before SetModTime.
func (s *FS) ModTime(name string) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.names[name]; n != nil {
		return n.modified, nil
	}
	return time.Time{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

// SetModTime implements [disk.FS].
func (s *FS) SetModTime(name string, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.names[name]; n != nil {
		n.modified = t
		return nil
	}
	return &fs.PathError{Op: "chtimes", Path: name, Err: fs.ErrNotExist}
}

// Lock implements [disk.FS]. Nobody else has this file system.
func (s *FS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// List implements [disk.FS].
func (s *FS) List(dir string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.descriptorLocked("list", dir); err != nil {
		return nil, err
	}
	if !s.hasDirLocked(filepath.Join(dir, "x")) {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrNotExist}
	}
	var list []string
	for name, n := range s.names {
		if filepath.Dir(name) == filepath.Clean(dir) && !n.dir {
			list = append(list, filepath.Base(name))
		}
	}
	slices.Sort(list)
	return list, nil
}

// Rename implements [disk.FS].
func (s *FS) Rename(from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.faultLocked("rename", to, 0); f.Err != nil {
		return f.Err
	}
	if s.names[from] == nil || !s.hasDirLocked(to) {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	s.names[to] = s.names[from]
	delete(s.names, from)
	return nil
}

// Remove implements [disk.FS].
func (s *FS) Remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.faultLocked("remove", name, 0); f.Err != nil {
		return f.Err
	}
	if s.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(s.names, name)
	return nil
}

// SyncDir implements [disk.FS].
func (s *FS) SyncDir(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.descriptorLocked("syncdir", dir); err != nil {
		return err
	}
	if f := s.faultLocked("syncdir", dir, 0); f.Err != nil {
		return f.Err
	}
	for _, name := range names(s.names, s.durable) {
		if filepath.Dir(name) != filepath.Clean(dir) {
			continue
		}
		if n := s.names[name]; n != nil {
			s.durable[name] = n
		} else {
			delete(s.durable, name)
		}
	}
	return nil
}

// Space implements [disk.FS].
func (s *FS) Space(string) (available, capacity uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(max(0, s.capacity-s.usedLocked())), uint64(s.capacity), nil
}

type file struct {
	fs     *FS
	n      *inode
	name   string
	closed bool
}

func (n *inode) truncate(size int64) {
	if size == int64(len(n.data)) {
		return
	}
	n.data = resize(n.data, size)
	n.pending = append(n.pending, change{size: size})
}

func (f *file) ReadAt(p []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if at >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, at int64) (int, error) {
	s := f.fs
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := s.faultLocked("write", f.name, len(p))
	if fault.Err != nil {
		p = p[:min(fault.Short, len(p))]
	} else if room := s.roomLocked(f.n, at+int64(len(p))); room < 0 {
		fault.Err = &fs.PathError{Op: "write", Path: f.name, Err: unix.ENOSPC}
		p = p[:max(0, int64(len(p))+room)]
	}
	if len(p) > 0 {
		f.n.data = write(f.n.data, p, at)
		f.n.pending = append(f.n.pending, change{at: at, data: slices.Clone(p)})
	}
	return len(p), fault.Err
}

func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return fmt.Errorf("close %s: %w", f.name, fs.ErrClosed)
	}
	f.closed = true
	f.fs.open--
	return nil
}

func (f *file) Name() string { return f.name }

func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.n.data)), nil
}

func (f *file) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if fault := f.fs.faultLocked("truncate", f.name, 0); fault.Err != nil {
		return fault.Err
	}
	f.n.truncate(size)
	return nil
}

func (f *file) Preallocate(size int64) error {
	s := f.fs
	s.mu.Lock()
	defer s.mu.Unlock()
	if fault := s.faultLocked("preallocate", f.name, 0); fault.Err != nil {
		return fault.Err
	}
	if s.roomLocked(f.n, size) < 0 {
		return &fs.PathError{Op: "preallocate", Path: f.name, Err: unix.ENOSPC}
	}
	if size > int64(len(f.n.data)) {
		f.n.truncate(size)
	}
	return nil
}

// Sync makes the file's content durable. One that fails forgets what was to be
// written, as Linux does: the next succeeds and has written nothing.
func (f *file) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n := f.n
	if f.closed {
		return fmt.Errorf("sync %s: %w", f.name, fs.ErrClosed)
	}
	if fault := f.fs.faultLocked("sync", f.name, 0); fault.Err != nil {
		n.pending = nil
		return fault.Err
	}
	for _, c := range n.pending {
		if c.data == nil {
			n.durable = resize(n.durable, c.size)
		} else {
			n.durable = write(n.durable, c.data, c.at)
		}
	}
	n.pending = nil
	return nil
}
