package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// segmentHeaderSize is where a segment's first record begins.
const segmentHeaderSize = 64

// segmentMagic begins every segment; its last byte is the format's version.
var segmentMagic = [8]byte{'P', 'H', 'B', 'I', 'N', 'L', 'G', 1}

// segmentHeader is the head of a segment as doc.go draws it.
type segmentHeader struct {
	id      uint32
	salt    uint64    // makes checksums differ from those of other segments
	prevEnd int64     // where the records of the segment before this one end
	floor   nodes.TSO // the largest commit TS known when the segment was made
}

// encode returns the header's bytes and the seed of the checksums of the records
// that follow.
func (h segmentHeader) encode() (b []byte, seed uint32) {
	b = make([]byte, segmentHeaderSize)
	copy(b, segmentMagic[:])
	binary.LittleEndian.PutUint32(b[8:], h.id)
	binary.LittleEndian.PutUint64(b[16:], h.salt)
	binary.LittleEndian.PutUint64(b[24:], uint64(h.prevEnd))
	binary.LittleEndian.PutUint64(b[32:], uint64(h.floor))
	seed = crc32.Checksum(b[:60], castagnoli)
	binary.LittleEndian.PutUint32(b[60:], seed)
	return b, seed
}

// readSegmentHeader reads and checks the head of segment id.
func readSegmentHeader(f io.ReaderAt, name string, id uint32) (segmentHeader, uint32, error) {
	b := make([]byte, segmentHeaderSize)
	if _, err := f.ReadAt(b, 0); err != nil {
		if errors.Is(err, io.EOF) {
			return segmentHeader{}, 0, &DamageError{File: name, Reason: "it is shorter than a segment's header"}
		}
		return segmentHeader{}, 0, err
	}
	seed := crc32.Checksum(b[:60], castagnoli)
	switch {
	case !bytes.Equal(b[:7], segmentMagic[:7]):
		return segmentHeader{}, 0, &DamageError{File: name, Reason: "it does not begin like a binlog segment"}
	case seed != binary.LittleEndian.Uint32(b[60:]):
		return segmentHeader{}, 0, &DamageError{File: name, Reason: "wrong checksum of the segment's header"}
	case b[7] != segmentMagic[7]:
		return segmentHeader{}, 0, fmt.Errorf("%s has format version %d, this program reads version %d: start the program that wrote it, or a newer one", name, b[7], segmentMagic[7])
	}
	h := segmentHeader{
		id:      binary.LittleEndian.Uint32(b[8:]),
		salt:    binary.LittleEndian.Uint64(b[16:]),
		prevEnd: int64(binary.LittleEndian.Uint64(b[24:])),
		floor:   nodes.TSO(binary.LittleEndian.Uint64(b[32:])),
	}
	if h.id != id {
		return h, 0, &DamageError{File: name, Offset: 8, Reason: fmt.Sprintf("it says that it is segment %d", h.id)}
	}
	return h, seed, nil
}

// createSegment makes a segment that is durable, name and all, before the first
// record goes into it.
func createSegment(fsys disk.FS, dir string, h segmentHeader, size int64) (_ disk.File, seed uint32, err error) {
	name := filepath.Join(dir, logName(h.id))
	f, err := disk.Create(fsys, name+tmpSuffix)
	if err != nil {
		return nil, 0, fmt.Errorf("create segment: %w", err)
	}
	head, seed := h.encode()
	err = f.Preallocate(size)
	if err == nil {
		_, err = f.WriteAt(head, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fsys.Rename(name+tmpSuffix, name)
	}
	if err != nil {
		err = errors.Join(err, f.Close(), ignoreNotExist(fsys.Remove(name+tmpSuffix)))
		return nil, 0, fmt.Errorf("create segment: %w", err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		// The name may or may not be there after a crash; nothing was acknowledged
		// that relies on it, but nobody may go on as if it were not there: not even a full
		// disk is an excuse here, so the cause is not wrapped.
		//nolint:errorlint // see above
		return nil, 0, errors.Join(fmt.Errorf("create segment: %v", err), f.Close(), ignoreNotExist(fsys.Remove(name)))
	}
	return f, seed, nil
}

// segment is what is kept in memory of each segment of the log.
type segment struct {
	id        uint32
	end       int64     // where its records end; of the active one: as far as applied
	live      int       // prewrites in it that are unresolved or not yet emitted
	maxCommit nodes.TSO // the largest commit TS emitted of its prewrites
}
