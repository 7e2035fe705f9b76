package storage

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sort"

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
// It is guarded by Store.mu, except that written entries never change: read may
// go on in their files without the lock.
type index struct {
	fs  FS
	dir string

	first   uint64      // number of the first entry that is kept
	written uint64      // entries below are in files
	tail    []entry     // the entries from written on
	firsts  []nodes.TSO // commit TS of each file's first entry, from first's file on
	dirty   map[uint32]bool
	file    File // the file that is written to; nil: none yet
	fileNo  uint32
	buf     []byte
}

func indexFileOf(n uint64) uint32 { return uint32(n/indexFileEntries) + 1 }

// openIndex opens an index that holds the entries from first to end, and forgets
// what lies behind end.
func openIndex(fsys FS, dir string, first, end uint64) (*index, error) {
	x := &index{fs: fsys, dir: dir, first: first, written: end, dirty: make(map[uint32]bool)}
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
	f, err := x.fs.Open(name)
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
	x.file, x.fileNo = f, indexFileOf(end)
	return nil
}

func (x *index) path(file uint32) string { return filepath.Join(x.dir, indexName(file)) }

// end is the number the next entry will get.
func (x *index) end() uint64 { return x.written + uint64(len(x.tail)) }

func (x *index) append(e entry) { x.tail = append(x.tail, e) }

// flush writes the entries in memory to their file. After an error they are still
// in memory, and it may be tried again.
func (x *index) flush() error {
	for len(x.tail) > 0 {
		if err := x.openFor(x.written); err != nil {
			return err
		}
		n := min(len(x.tail), int(indexFileEntries-x.written%indexFileEntries), tailEntries)
		x.buf = x.buf[:0]
		for i, e := range x.tail[:n] {
			x.buf = append(x.buf, make([]byte, entrySize)...)
			e.put(x.buf[i*entrySize:], x.written+uint64(i))
		}
		if _, err := x.file.WriteAt(x.buf, int64(x.written%indexFileEntries)*entrySize); err != nil {
			return fmt.Errorf("write index: %w", err)
		}
		if x.written%indexFileEntries == 0 {
			x.firsts = append(x.firsts, x.tail[0].commitTS)
		}
		x.dirty[x.fileNo] = true
		x.written += uint64(n)
		x.tail = append(x.tail[:0], x.tail[n:]...)
		if cap(x.tail) > 64*tailEntries && len(x.tail) == 0 {
			x.tail = nil
		}
	}
	return nil
}

// openFor opens the file that entry n goes to.
func (x *index) openFor(n uint64) error {
	no := indexFileOf(n)
	if x.file != nil && x.fileNo == no {
		return nil
	}
	f, err := x.fs.Create(x.path(no))
	if err != nil {
		return fmt.Errorf("create index: %w", err)
	}
	if x.file != nil {
		err = x.file.Close()
	}
	x.file, x.fileNo = f, no
	return err
}

// sync makes the given files durable.
func (x *index) sync(files []uint32) error {
	for _, no := range files {
		f, err := x.fs.Open(x.path(no))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	if len(files) > 0 {
		return x.fs.SyncDir(x.dir)
	}
	return nil
}

// read appends the written entries from number n on to dst, at most count and only
// from one file. It needs no lock for entries that were written when it is called.
func (x *index) read(dst []entry, n uint64, count int) ([]entry, error) {
	count = min(count, int(indexFileEntries-n%indexFileEntries))
	name := x.path(indexFileOf(n))
	f, err := x.fs.Open(name)
	if err != nil {
		return dst, err
	}
	buf := make([]byte, count*entrySize)
	at := int64(n%indexFileEntries) * entrySize
	_, err = f.ReadAt(buf, at)
	if errors.Is(err, io.EOF) {
		err = &DamageError{File: name, Offset: at, Reason: "the index ends too early"}
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return dst, err
	}
	for i := range count {
		e, ok := parseEntry(buf[i*entrySize:], n+uint64(i))
		if !ok {
			return dst, &DamageError{File: name, Offset: at + int64(i)*entrySize, Reason: "wrong checksum of an index entry"}
		}
		dst = append(dst, e)
	}
	return dst, nil
}

// behind is the number of the first entry whose commit TS is larger than ts.
func (x *index) behind(ts nodes.TSO) (uint64, error) {
	if i := sort.Search(len(x.tail), func(i int) bool { return x.tail[i].commitTS > ts }); i > 0 || x.first == x.written {
		return x.written + uint64(i), nil
	}
	// In which file: the last one that begins at or below ts.
	file := sort.Search(len(x.firsts), func(i int) bool { return x.firsts[i] > ts })
	if file == 0 {
		return x.first, nil
	}
	base := (uint64(indexFileOf(x.first)-1) + uint64(file-1)) * indexFileEntries
	lo, hi := max(base, x.first), min(base+indexFileEntries, x.written)
	for lo < hi {
		mid := lo + (hi-lo)/2
		got, err := x.read(nil, mid, 1)
		if err != nil {
			return 0, err
		}
		if got[0].commitTS > ts {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo, nil
}

// dropBefore forgets the whole files whose entries all have a commit TS of at most
// ts, and returns them for removal.
func (x *index) dropBefore(ts nodes.TSO) []uint32 {
	var gone []uint32
	for len(x.firsts) > 1 && x.firsts[1] <= ts+1 {
		gone = append(gone, indexFileOf(x.first))
		delete(x.dirty, indexFileOf(x.first))
		x.first = (x.first/indexFileEntries + 1) * indexFileEntries
		x.firsts = x.firsts[1:]
	}
	return gone
}

// bytes is how much disk the files take.
func (x *index) bytes() int64 { return int64(x.written-x.first) * entrySize }

func (x *index) close() error {
	if x.file == nil {
		return nil
	}
	err := x.file.Close()
	x.file = nil
	return err
}
