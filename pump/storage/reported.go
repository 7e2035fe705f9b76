package storage

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// reported is the file that keeps up to where the pump has said that its log goes; see doc.go. It is written in
// place, one of two slots after the other, so that a full disk does not matter and a crash leaves one of them whole.
type reported struct {
	mu    sync.Mutex
	file  disk.File
	ts    nodes.TSO // durable
	found bool      // there is one
	slot  int64
}

const (
	reportedName = "reported"
	reportedSlot = 512 // a sector: it is written whole or not at all
)

var reportedMagic = [8]byte{'P', 'H', 'B', 'R', 'E', 'P', 'T', 1}

// Remember makes durable that the pump has reported its log to be complete up to ts, so that a log which knows
// less is recognised at the next start ([Store.Known]). An error is one of the disk; the caller reports no more
// than what was remembered.
func (s *Store) Remember(ts nodes.TSO) error {
	r := &s.reported
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.found && ts <= r.ts {
		return nil
	}
	if r.file == nil {
		f, err := disk.Create(s.opts.FS, filepath.Join(s.opts.Dir, reportedName))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Preallocate(2*reportedSlot), f.Sync(), s.opts.FS.SyncDir(s.opts.Dir)); err != nil {
			return errors.Join(err, f.Close())
		}
		r.file = f
	}
	b := append([]byte(nil), reportedMagic[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(ts))
	b = binary.LittleEndian.AppendUint32(b, payloadCRC(b))
	if _, err := r.file.WriteAt(b, r.slot*reportedSlot); err != nil {
		return err
	}
	if err := r.file.Sync(); err != nil {
		return err
	}
	r.ts, r.found, r.slot = ts, true, 1-r.slot
	return nil
}

// Reported is what was remembered last, or the commit TS of the last transaction in the log, if that is larger: up
// to there the pump may report its log to be complete.
func (s *Store) Reported() nodes.TSO {
	s.reported.mu.Lock()
	defer s.reported.mu.Unlock()
	return max(s.reported.ts, s.LastCommitTS())
}

// Known is up to where the log that was opened is complete, by what is in it and what was remembered. sure is
// false for a log of an earlier version, which may have been told later times and has not kept them.
func (s *Store) Known() (ts nodes.TSO, sure bool) {
	s.reported.mu.Lock()
	ts, sure = s.reported.ts, s.reported.found
	s.reported.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	empty := s.matcher.top == 0 && len(s.segments) == 1 && s.segments[0].id == 1 && s.segments[0].end == segmentHeaderSize
	return max(ts, s.matcher.top), sure || empty
}

// openReported reads the file, if there is one.
func (s *Store) openReported() error {
	r := &s.reported
	f, err := disk.Open(s.opts.FS, filepath.Join(s.opts.Dir, reportedName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r.file = f
	for slot := range int64(2) {
		b := make([]byte, 20)
		if _, err := f.ReadAt(b, slot*reportedSlot); err != nil {
			if errors.Is(err, io.EOF) { // a crash came before it had its size
				continue
			}
			return err
		}
		ts := nodes.TSO(binary.LittleEndian.Uint64(b[8:]))
		if [8]byte(b[:8]) == reportedMagic && binary.LittleEndian.Uint32(b[16:]) == payloadCRC(b[:16]) && ts >= r.ts {
			r.ts, r.slot, r.found = ts, 1-slot, true
		}
	}
	return nil
}

func (s *Store) closeReported() error {
	s.reported.mu.Lock()
	defer s.reported.mu.Unlock()
	if s.reported.file == nil {
		return nil
	}
	err := s.reported.file.Close()
	s.reported.file = nil
	return err
}
