package storage

import (
	"errors"
	"io"
	"sort"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// entryFile is an open file of sorted entries: one of the index, or a run.
type entryFile struct {
	file disk.File
	name string
	base uint64 // number of its first entry
	buf  []byte
}

func openEntries(fsys disk.FS, name string, base uint64) (*entryFile, error) {
	f, err := disk.Open(fsys, name)
	if err != nil {
		return nil, err
	}
	return &entryFile{file: f, name: name, base: base}, nil
}

func (f *entryFile) close() error { return f.file.Close() }

// read appends count entries from number n on to dst.
func (f *entryFile) read(dst []entry, n uint64, count int) ([]entry, error) {
	if cap(f.buf) < count*entrySize {
		f.buf = make([]byte, count*entrySize)
	}
	buf := f.buf[:count*entrySize]
	at := int64(n-f.base) * entrySize
	if _, err := f.file.ReadAt(buf, at); errors.Is(err, io.EOF) {
		return dst, &DamageError{File: f.name, Offset: at, Reason: "the file ends before its last entry"}
	} else if err != nil {
		return dst, err
	}
	for i := range count {
		e, ok := parseEntry(buf[i*entrySize:], n+uint64(i))
		if !ok {
			return dst, &DamageError{File: f.name, Offset: at + int64(i)*entrySize, Reason: "wrong checksum of an entry"}
		}
		dst = append(dst, e)
	}
	return dst, nil
}

// searchBlock is how many entries a search reads at once in the end.
const searchBlock = 128

// after is the number of the first entry in [lo, hi) whose commit TS is larger than ts; hi if
// there is none.
func (f *entryFile) after(lo, hi uint64, ts nodes.TSO) (uint64, error) {
	var block [searchBlock]entry
	for hi-lo > searchBlock {
		mid := lo + (hi-lo)/2
		got, err := f.read(block[:0], mid, 1)
		if err != nil {
			return 0, err
		}
		if got[0].commitTS > ts {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	got, err := f.read(block[:0], lo, int(hi-lo))
	if err != nil {
		return 0, err
	}
	return lo + uint64(firstAfter(got, ts)), nil
}

// firstAfter is the place of the first of sorted entries whose commit TS is larger than ts.
func firstAfter(sorted []entry, ts nodes.TSO) int {
	return sort.Search(len(sorted), func(i int) bool { return sorted[i].commitTS > ts })
}

// appendEntries lays entries out as doc.go says; n is the number of the first.
func appendEntries(b []byte, entries []entry, n uint64) []byte {
	for i := range entries {
		b = append(b, make([]byte, entrySize)...)
		entries[i].put(b[len(b)-entrySize:], n+uint64(i))
	}
	return b
}
