package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// LostRange is a stretch of the sorted sequence from which [Repair] may have lost
// transactions: those with a commit TS larger than From and up to and including To.
type LostRange struct {
	From, To nodes.TSO
}

// lostName is the file that keeps the ranges.
const lostName = "lost"

// lostMagic begins it; its last byte is the format's version.
var lostMagic = [8]byte{'P', 'H', 'B', 'L', 'O', 'S', 'T', 1}

// encodeLost lays the ranges out as doc.go says.
func encodeLost(ranges []LostRange) []byte {
	le := binary.LittleEndian
	b := append([]byte(nil), lostMagic[:]...)
	for _, r := range ranges {
		b = le.AppendUint64(b, uint64(r.From))
		b = le.AppendUint64(b, uint64(r.To))
	}
	return le.AppendUint32(b, payloadCRC(b))
}

// decodeLost reads what encodeLost wrote; ok is false for anything else.
func decodeLost(b []byte) (ranges []LostRange, ok bool) {
	le := binary.LittleEndian
	if len(b) < 12 || (len(b)-12)%16 != 0 || !bytes.Equal(b[:8], lostMagic[:]) ||
		le.Uint32(b[len(b)-4:]) != payloadCRC(b[:len(b)-4]) {
		return nil, false
	}
	for b = b[8:]; len(b) > 4; b = b[16:] {
		r := LostRange{nodes.TSO(le.Uint64(b)), nodes.TSO(le.Uint64(b[8:]))}
		if r.From < 0 || r.To <= r.From || len(ranges) > 0 && r.From < ranges[len(ranges)-1].To {
			return nil, false
		}
		ranges = append(ranges, r)
	}
	return ranges, true
}

// loadLost reads the ranges of a store; known reports whether there is a file with them.
func loadLost(fsys disk.FS, dir string) (ranges []LostRange, known bool, err error) {
	name := filepath.Join(dir, lostName)
	f, err := disk.Open(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, false, err
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && size > 0 {
		return nil, false, err
	}
	ranges, known = decodeLost(b)
	if !known {
		return nil, false, &DamageError{File: name, Reason: "it is malformed, or its checksum is wrong"}
	}
	return ranges, true, nil
}

// mergeRanges sorts ranges and joins those that overlap or touch.
func mergeRanges(ranges []LostRange) (merged []LostRange) {
	slices.SortFunc(ranges, func(a, b LostRange) int { return int(min(max(a.From-b.From, -1), 1)) })
	for _, r := range ranges {
		if n := len(merged); n > 0 && r.From <= merged[n-1].To {
			merged[n-1].To = max(merged[n-1].To, r.To)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// lostAfter is the first range with something after the position ts; nil: there is none.
func (s *Store) lostAfter(ts nodes.TSO) *LostRange {
	for i := range s.lost {
		if ts < s.lost[i].To {
			return &s.lost[i]
		}
	}
	return nil
}

// lostAt is an error if a pull cannot go on from the position ts: part of what comes next may be
// lost.
func (s *Store) lostAt(ts nodes.TSO) error {
	if r := s.lostAfter(ts); r != nil && r.From <= ts {
		return &LostError{Asked: ts, LostRange: *r}
	}
	return nil
}

// LostError says that a pull has come to where binlogs were lost by damage.
type LostError struct {
	Asked nodes.TSO // the position: the last commit TS the drainer has
	LostRange
}

func (e *LostError) Error() string {
	return fmt.Sprintf("pull after commit TS %s (%s): the log was damaged, and binlogs after commit TS %s (%s) up to %s (%s) may be lost. "+
		"Restore a dump of the upstream taken at or after %s and start the drainer with -initial-commit-ts of the dump, "+
		"or copy the rows that are missing downstream by hand and start it with -initial-commit-ts %s",
		e.Asked, timeOf(e.Asked), e.From, timeOf(e.From), e.To, timeOf(e.To), e.To, e.To)
}
