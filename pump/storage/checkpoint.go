package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// checkpointMagic begins a checkpoint; its last byte is the format's version. Version 1, which
// is still read, has no tail and no runs.
var checkpointMagic = [8]byte{'P', 'H', 'C', 'H', 'E', 'C', 'K', 2}

// checkpoint is the state of the store at one place of the log. With it, what lies
// before needs no reading when the store is opened.
type checkpoint struct {
	at              place // the first record it does not cover
	indexFirst      uint64
	indexEnd        uint64
	purged          nodes.TSO
	top, done, last nodes.TSO
	segments        []segment
	unresolved      []prewrite
	waiting         []entry // that are in memory
	tail            []entry // of the index, which no file of it holds
	runs            []run
	note            []byte // of an import
}

// encode lays the checkpoint out as doc.go says.
func (c *checkpoint) encode() []byte {
	le := binary.LittleEndian
	b := append([]byte(nil), checkpointMagic[:]...)
	b = le.AppendUint32(b, c.at.seg)
	b = le.AppendUint32(b, c.at.off)
	b = le.AppendUint64(b, c.indexFirst)
	b = le.AppendUint64(b, c.indexEnd)
	for _, ts := range []nodes.TSO{c.purged, c.top, c.done, c.last} {
		b = le.AppendUint64(b, uint64(ts))
	}
	b = le.AppendUint32(b, uint32(len(c.note)))
	b = le.AppendUint32(b, uint32(len(c.segments)))
	b = le.AppendUint32(b, uint32(len(c.unresolved)))
	b = le.AppendUint32(b, uint32(len(c.waiting)))
	b = le.AppendUint32(b, uint32(len(c.tail)))
	b = le.AppendUint32(b, uint32(len(c.runs)))
	for _, s := range c.segments {
		b = le.AppendUint32(b, s.id)
		b = le.AppendUint32(b, uint32(s.live))
		b = le.AppendUint64(b, uint64(s.end))
		b = le.AppendUint64(b, uint64(s.maxCommit))
	}
	for _, p := range c.unresolved {
		b = le.AppendUint64(b, uint64(p.startTS))
		b = le.AppendUint64(b, uint64(p.floor))
		b = le.AppendUint32(b, p.at.seg)
		b = le.AppendUint32(b, p.at.off)
		b = le.AppendUint32(b, p.size)
	}
	b = appendEntries(b, c.waiting, 0)
	b = appendEntries(b, c.tail, c.indexEnd)
	for _, r := range c.runs {
		b = le.AppendUint32(b, r.file)
		b = le.AppendUint32(b, r.level)
		b = le.AppendUint64(b, r.count)
		b = le.AppendUint64(b, r.next)
	}
	b = append(b, c.note...)
	return le.AppendUint32(b, payloadCRC(b))
}

// decodeCheckpoint reads what encode wrote, now or in version 1; ok is false for anything else.
func decodeCheckpoint(b []byte) (c *checkpoint, ok bool) {
	le := binary.LittleEndian
	const fixed = 8 + 8 + 16 + 32 + 16
	version := checkpointVersion(b)
	if len(b) < fixed+8+4 && (version != 1 || len(b) < fixed+4) || version == 0 || version > checkpointMagic[7] ||
		!intactCheckpoint(b) {
		return nil, false
	}
	u32 := func() uint32 { v := le.Uint32(b); b = b[4:]; return v }
	u64 := func() uint64 { v := le.Uint64(b); b = b[8:]; return v }
	tso := func() nodes.TSO { return nodes.TSO(u64()) }
	b = b[8:]
	c = &checkpoint{at: place{u32(), u32()}, indexFirst: u64(), indexEnd: u64()}
	c.purged, c.top, c.done, c.last = tso(), tso(), tso(), tso()
	note := uint64(u32())
	segments, unresolved, waiting := uint64(u32()), uint64(u32()), uint64(u32())
	tail, runs := uint64(0), uint64(0)
	if version > 1 {
		tail, runs = uint64(u32()), uint64(u32())
	}
	if uint64(len(b)) != segments*24+unresolved*28+(waiting+tail)*entrySize+runs*24+note+4 || segments == 0 {
		return nil, false
	}
	for range segments {
		c.segments = append(c.segments, segment{id: u32(), live: int(u32()), end: int64(u64()), maxCommit: tso()})
	}
	for range unresolved {
		c.unresolved = append(c.unresolved, prewrite{startTS: tso(), floor: tso(), at: place{u32(), u32()}, size: u32()})
	}
	entries := func(n, first uint64) (list []entry) {
		for i := range n {
			e, whole := parseEntry(b, first+i)
			ok = ok && whole
			list = append(list, e)
			b = b[entrySize:]
		}
		return list
	}
	ok = true
	c.waiting, c.tail = entries(waiting, 0), entries(tail, c.indexEnd)
	for range runs {
		r := run{file: u32(), level: u32(), count: u64(), next: u64()}
		ok = ok && r.file > 0 && r.next < r.count
		c.runs = append(c.runs, r)
	}
	if note > 0 {
		c.note = b[:note:note]
	}
	return c, ok
}

// checkpointVersion is the version of a checkpoint's format; 0: it is none.
func checkpointVersion(b []byte) uint8 {
	if len(b) < 8 || !bytes.Equal(b[:7], checkpointMagic[:7]) {
		return 0
	}
	return b[7]
}

// intactCheckpoint reports whether the checksum at the end of a checkpoint, of whichever version, is right.
func intactCheckpoint(b []byte) bool {
	n := len(b) - 4
	return n >= len(checkpointMagic) && binary.LittleEndian.Uint32(b[n:]) == payloadCRC(b[:n])
}

// checkpoint writes the present state to disk, after everything it builds on. The
// caller holds s.checkpointing.
func (s *Store) checkpoint() error {
	if err := s.Failed(); err != nil {
		return err
	}
	grown := s.sinceCheck.Load()
	if err := s.flushIndex(); err != nil {
		if noSpace(err) || errors.Is(err, ErrNoDescriptor) {
			return err
		}
		return s.fail(err)
	}
	s.mu.Lock()
	content := s.snapshotLocked()
	obsolete := s.matcher.waiting.obsolete
	s.matcher.waiting.obsolete = nil
	s.mu.Unlock()
	if err := s.writeCheckpoint(content); err != nil {
		s.mu.Lock()
		s.matcher.waiting.obsolete = append(s.matcher.waiting.obsolete, obsolete...)
		s.mu.Unlock()
		return err
	}
	s.checkpointed = content.at
	s.sinceCheck.Add(-grown)
	for _, no := range obsolete {
		if err := s.opts.FS.Remove(filepath.Join(s.opts.Dir, waitName(no))); err != nil {
			s.opts.Logger.WithError(err).Warnf("cannot remove %s, which is not needed any more; the next start tries again", waitName(no))
		}
	}
	return nil
}

// writeCheckpoint makes everything durable that a checkpoint builds on, and then the checkpoint.
func (s *Store) writeCheckpoint(content *checkpoint) error {
	if err := s.syncLog(); err != nil {
		return s.fail(err)
	}
	if err := s.index.sync(); errors.Is(err, ErrNoDescriptor) {
		return fmt.Errorf("sync the index: %w", err)
	} else if err != nil {
		// What the files hold now is anybody's guess; the checkpoint on disk does
		// not speak of it, so opening the store again makes it anew.
		return s.fail(fmt.Errorf("sync the index: %w", err))
	}
	if err := disk.WriteFile(s.opts.FS, filepath.Join(s.opts.Dir, checkpointName), content.encode(), 0o640); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	return nil
}

func (s *Store) snapshotLocked() *checkpoint {
	m := s.matcher
	active := s.segments[len(s.segments)-1]
	c := &checkpoint{
		at:         place{active.id, uint32(active.end / align)},
		indexFirst: s.index.first,
		indexEnd:   s.index.written,
		purged:     s.purged,
		top:        m.top, done: m.done, last: m.last,
		tail: slices.Clone(s.index.tail),
		runs: m.waiting.files(),
	}
	if s.opts.importing {
		c.note = s.readUpTo
	}
	m.waiting.inMemory(func(e entry) { c.waiting = append(c.waiting, e) })
	for _, seg := range s.segments {
		c.segments = append(c.segments, *seg)
	}
	for p := m.oldest; p != nil; p = p.after {
		c.unresolved = append(c.unresolved, *p)
	}
	return c
}

// loadCheckpoint reads the checkpoint of a store; nil: it has none.
func loadCheckpoint(fsys disk.FS, dir string) (*checkpoint, error) {
	name := filepath.Join(dir, checkpointName)
	f, err := disk.Open(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && size > 0 {
		return nil, err
	}
	if v := checkpointVersion(b); v > checkpointMagic[7] && intactCheckpoint(b) {
		return nil, fmt.Errorf("%s has format version %d, this program reads versions up to %d: start the program that wrote it, or a newer one", name, v, checkpointMagic[7])
	}
	c, ok := decodeCheckpoint(b)
	if !ok {
		return nil, &DamageError{File: name, Reason: "it is not a checkpoint, or its checksum is wrong"}
	}
	return c, nil
}

// restore puts the matcher and the segments into the state of the checkpoint.
func (s *Store) restore(c *checkpoint, now time.Time) error {
	s.purged, s.readUpTo = c.purged, c.note
	m := s.matcher
	for i := range c.segments {
		seg := c.segments[i]
		s.segments = append(s.segments, &seg)
	}
	for _, e := range c.tail {
		s.index.append(e)
	}
	known := make(map[uint32]bool)
	for _, r := range c.runs {
		opened, err := openRun(s.opts.FS, s.opts.Dir, r)
		if err != nil {
			return err
		}
		known[r.file] = true
		m.waiting.runs = append(m.waiting.runs, opened)
		m.waiting.count += int(opened.left())
		m.waiting.nextFile = max(m.waiting.nextFile, r.file+1)
	}
	for _, e := range c.waiting {
		m.waiting.push(e)
	}
	for _, p := range c.unresolved {
		p.since = now
		m.hold(p)
	}
	m.top, m.mark, m.done, m.last = c.top, c.done, c.done, c.last
	m.drain() // what was to be emitted and was not yet
	return removeRuns(s.opts.FS, s.opts.Dir, func(no uint32) bool { return known[no] })
}
