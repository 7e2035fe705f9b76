package storage

import (
	"errors"
	"fmt"
	"path/filepath"
	"sort"
	"sync"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// indexFileEntries is how many entries an index file holds: 32 MiB of them.
const indexFileEntries = 1 << 20

// tailEntries is how many entries gather in memory before they go to a file.
const tailEntries = 4096

// index is the sorted sequence of committed transactions: fixed-size entries in
// files of indexFileEntries each, the newest of them still in memory. Entry n lies in
// file n/indexFileEntries + 1. Nothing is synced but by sync: what a crash takes
// is made again from the log.
//
// Written entries never change: they are read without any lock.
type index struct {
	fs  disk.FS
	dir string

	// Guarded by Store.mu.
	first   uint64      // number of the first entry that is kept
	written uint64      // entries below are in files
	tail    []entry     // the entries from written on
	firsts  []nodes.TSO // commit TS of each file's first entry, from first's file on

	// writing serialises what writes and syncs. It is taken before Store.mu.
	writing sync.Mutex
	files   map[uint32]*indexFile // the one that is written to, and those that are not synced
	last    uint32                // number of the one that is written to; 0: none yet
	buf     []byte
}

// indexFile is an open file of the index. It stays open until it is synced.
type indexFile struct {
	file  disk.File
	dirty bool
}

func indexFileOf(n uint64) uint32 { return uint32(n/indexFileEntries) + 1 }

// openIndex opens an index that holds the entries from first to end, and forgets
// what comes after end.
func openIndex(fsys disk.FS, dir string, first, end uint64) (*index, error) {
	x := &index{fs: fsys, dir: dir, first: first, written: end, files: make(map[uint32]*indexFile)}
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		no := indexNumber(name)
		if no == 0 {
			continue
		}
		if no < indexFileOf(first) || no > indexFileOf(end) || no == indexFileOf(end) && end%indexFileEntries == 0 {
			if err := fsys.Remove(filepath.Join(dir, name)); err != nil {
				return nil, err
			}
		}
	}
	for n := first; n < end; n = (n/indexFileEntries + 1) * indexFileEntries {
		got, err := x.read(nil, n, 1)
		if err != nil {
			return nil, err
		}
		x.firsts = append(x.firsts, got[0].commitTS)
	}
	if end%indexFileEntries != 0 {
		if err := x.openLast(end); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (x *index) openLast(end uint64) error {
	name := x.path(indexFileOf(end))
	f, err := disk.Open(x.fs, name)
	if err != nil {
		return err
	}
	want := int64(end%indexFileEntries) * entrySize
	size, err := f.Size()
	if err == nil && size < want {
		err = &DamageError{File: name, Offset: size, Reason: fmt.Sprintf("%d bytes of index are missing", want-size)}
	}
	if err == nil && size > want {
		err = f.Truncate(want)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	x.last = indexFileOf(end)
	x.files[x.last] = &indexFile{file: f}
	return nil
}

func (x *index) path(file uint32) string { return filepath.Join(x.dir, indexName(file)) }

// end is the number the next entry will get.
func (x *index) end() uint64 { return x.written + uint64(len(x.tail)) }

func (x *index) append(e entry) { x.tail = append(x.tail, e) }

// flushIndex writes the index's entries in memory to their files, without the lock while it
// does. After an error they are still in memory, and it may be called again.
func (s *Store) flushIndex() error {
	x := s.index
	x.writing.Lock()
	defer x.writing.Unlock()
	for {
		s.mu.Lock()
		n := min(len(x.tail), int(indexFileEntries-x.written%indexFileEntries), tailEntries)
		batch, at := x.tail[:n:n], x.written // of the tail, only what wrote removes changes
		s.mu.Unlock()
		if n == 0 {
			return nil
		}
		if err := x.write(at, batch); err != nil {
			return fmt.Errorf("write the index: %w", err)
		}
		s.mu.Lock()
		x.wrote(n)
		s.mu.Unlock()
	}
}

// write puts entries from number n on into their file. The caller holds x.writing.
func (x *index) write(n uint64, entries []entry) error {
	no := indexFileOf(n)
	if x.last != no {
		f, err := disk.Create(x.fs, x.path(no))
		if err != nil {
			return err
		}
		x.last, x.files[no] = no, &indexFile{file: f}
	}
	x.buf = appendEntries(x.buf[:0], entries, n)
	f := x.files[no]
	f.dirty = true
	_, err := f.file.WriteAt(x.buf, int64(n%indexFileEntries)*entrySize)
	return err
}

// wrote takes the first n entries, which are written, out of the tail. The caller holds Store.mu.
func (x *index) wrote(n int) {
	if x.written%indexFileEntries == 0 {
		x.firsts = append(x.firsts, x.tail[0].commitTS)
	}
	x.written += uint64(n)
	x.tail = append(x.tail[:0], x.tail[n:]...)
	if cap(x.tail) > 64*tailEntries && len(x.tail) == 0 {
		x.tail = nil
	}
}

// sync makes what is written durable. After [ErrNoDescriptor] it may be called again; any
// other error says that nobody knows what the files hold.
func (x *index) sync() error {
	x.writing.Lock()
	var dirty []*indexFile
	for _, f := range x.files {
		if f.dirty {
			f.dirty = false
			dirty = append(dirty, f)
		}
	}
	x.writing.Unlock()
	if len(dirty) == 0 {
		return nil
	}
	var err error
	for _, f := range dirty {
		if err == nil {
			err = f.file.Sync()
		}
	}
	if err == nil {
		err = x.fs.SyncDir(x.dir)
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	if err != nil {
		for _, f := range dirty {
			f.dirty = true
		}
		return err
	}
	for no, f := range x.files {
		if no != x.last && !f.dirty {
			err = errors.Join(err, f.file.Close())
			delete(x.files, no)
		}
	}
	return err
}

// read appends the written entries from number n on to dst, at most count and only
// from one file. It needs no lock for entries that were written when it is called.
func (x *index) read(dst []entry, n uint64, count int) ([]entry, error) {
	f, err := x.open(n)
	if err != nil {
		return dst, err
	}
	dst, err = f.read(dst, n, min(count, int(indexFileEntries-n%indexFileEntries)))
	return dst, errors.Join(err, f.close())
}

// open opens the file of entry n.
func (x *index) open(n uint64) (*entryFile, error) {
	return openEntries(x.fs, x.path(indexFileOf(n)), n-n%indexFileEntries)
}

// span is where the first entry with a commit TS larger than some is to be looked for: among
// the entries [lo, hi], which are of one file; lo == hi: it is that one. The caller holds
// Store.mu.
func (x *index) span(ts nodes.TSO) (lo, hi uint64) {
	if i := firstAfter(x.tail, ts); i > 0 || x.first == x.written {
		return x.written + uint64(i), x.written + uint64(i)
	}
	// In which file: the last one that begins at or below ts.
	file := sort.Search(len(x.firsts), func(i int) bool { return x.firsts[i] > ts })
	if file == 0 {
		return x.first, x.first
	}
	base := (uint64(indexFileOf(x.first)-1) + uint64(file-1)) * indexFileEntries
	return max(base, x.first), min(base+indexFileEntries, x.written)
}

// after is the number of the first entry of the index whose commit TS is larger than ts. It
// takes the lock, and reads the disk without it.
func (s *Store) after(ts nodes.TSO) (uint64, error) {
	s.mu.Lock()
	lo, hi := s.index.span(ts)
	s.mu.Unlock()
	if lo == hi {
		return lo, nil
	}
	f, err := s.index.open(lo)
	if err != nil {
		return 0, err
	}
	n, err := f.after(lo, hi, ts)
	return n, errors.Join(err, f.close())
}

// dropBefore forgets the whole files whose entries all have a commit TS of at most
// ts, and returns them for removal. The caller holds Store.mu.
func (x *index) dropBefore(ts nodes.TSO) []uint32 {
	var gone []uint32
	for len(x.firsts) > 1 && x.firsts[1] <= ts+1 {
		gone = append(gone, indexFileOf(x.first))
		x.first = (x.first/indexFileEntries + 1) * indexFileEntries
		x.firsts = x.firsts[1:]
	}
	return gone
}

// bytes is how much disk the files take.
func (x *index) bytes() int64 { return int64(x.written-x.first) * entrySize }

func (x *index) close() error {
	x.writing.Lock()
	defer x.writing.Unlock()
	var errs []error
	for no, f := range x.files {
		errs = append(errs, f.file.Close())
		delete(x.files, no)
	}
	x.last = 0
	return errors.Join(errs...)
}
