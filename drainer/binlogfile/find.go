package binlogfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// BeginsWithGarbage reports whether a file begins with something else than a header, or what there is of one
// when a crash has torn it: zeros stand where the rest was not written. A torn tail may be anything,
// but here nothing says that the file is one of ours, and all of it would be cut off.
func BeginsWithGarbage(f io.ReaderAt) (bool, error) {
	head := make([]byte, headerSize)
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	for i, b := range binary.LittleEndian.AppendUint32(nil, magic) {
		if head[i] != b && head[i] != 0 {
			return true, nil
		}
	}
	return binary.LittleEndian.Uint64(head[4:]) > maxPayload, nil
}

// NextRecord is where a whole record begins after the damage, 0 if there is none.
func (e *DamageError) NextRecord(fsys disk.FS) (at int64, err error) {
	f, err := disk.OpenToRead(fsys, e.File)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	_, at, err = FindRecord(f, e.Offset+1, size)
	return at, err
}

// FindRecord looks for a whole record from byte from on; at is 0 when there is none.
func FindRecord(f io.ReaderAt, from, size int64) (ts nodes.TSO, at int64, err error) {
	want := binary.LittleEndian.AppendUint32(nil, magic)
	buf := make([]byte, 1<<20)
	for from < size {
		n, err := f.ReadAt(buf, from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, err
		}
		for i := 0; ; i++ {
			j := bytes.Index(buf[i:n], want)
			if j < 0 {
				break
			}
			i += j
			if ts, ok := recordAt(f, from+int64(i), size); ok {
				return ts, from + int64(i), nil
			}
		}
		from += max(int64(n)-int64(len(want))+1, 1)
	}
	return 0, 0, nil
}

// recordAt reports whether a whole record begins at byte at.
func recordAt(f io.ReaderAt, at, size int64) (nodes.TSO, bool) {
	head := make([]byte, headerSize)
	if _, err := f.ReadAt(head, at); err != nil {
		return 0, false
	}
	n := binary.LittleEndian.Uint64(head[4:])
	if n == 0 || n > uint64(max(0, size-at-headerSize-trailerSize)) {
		return 0, false
	}
	payload := io.NewSectionReader(f, at+headerSize, int64(n))
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, payload); err != nil {
		return 0, false
	}
	trailer := make([]byte, trailerSize)
	if _, err := f.ReadAt(trailer, at+headerSize+int64(n)); err != nil || binary.LittleEndian.Uint32(trailer) != sum.Sum32() {
		return 0, false
	}
	return CommitTSAt(f, at), true
}

// CommitTSAt is the commit TS in the record that begins at byte at, whole or not; 0 if none is to be
// seen there.
func CommitTSAt(f io.ReaderAt, at int64) nodes.TSO {
	start := make([]byte, 64) // tp and commit_ts come first
	n, err := f.ReadAt(start, at+headerSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	return Record{Payload: start[:n]}.CommitTS()
}
