package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"pumphouse/nodes"
)

// checkpointMagic begins a checkpoint; its last byte is the format's version.
var checkpointMagic = [8]byte{'P', 'H', 'C', 'H', 'E', 'C', 'K', 1}

// checkpoint is the state of the store at one place of the log. With it, what lies
// before needs no reading when the store is opened.
type checkpoint struct {
	at              place // the first record it does not cover
	indexFirst      uint64
	indexEnd        uint64
	purged          nodes.TSO
	top, mark, last nodes.TSO
	segments        []segment
	unresolved      []prewrite
	waiting         []entry
}

// encode lays the checkpoint out as doc.go says.
func (c *checkpoint) encode() []byte {
	le := binary.LittleEndian
	b := append([]byte(nil), checkpointMagic[:]...)
	b = le.AppendUint32(b, c.at.seg)
	b = le.AppendUint32(b, c.at.off)
	b = le.AppendUint64(b, c.indexFirst)
	b = le.AppendUint64(b, c.indexEnd)
	for _, ts := range []nodes.TSO{c.purged, c.top, c.mark, c.last} {
		b = le.AppendUint64(b, uint64(ts))
	}
	b = le.AppendUint32(b, 0) // flags: none so far
	b = le.AppendUint32(b, uint32(len(c.segments)))
	b = le.AppendUint32(b, uint32(len(c.unresolved)))
	b = le.AppendUint32(b, uint32(len(c.waiting)))
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
	for i, e := range c.waiting {
		b = append(b, make([]byte, entrySize)...)
		e.put(b[len(b)-entrySize:], uint64(i))
	}
	return le.AppendUint32(b, payloadCRC(b))
}

// decodeCheckpoint reads what encode wrote; ok is false for anything else.
func decodeCheckpoint(b []byte) (c *checkpoint, ok bool) {
	le := binary.LittleEndian
	const fixed = 8 + 8 + 16 + 32 + 16
	if len(b) < fixed+4 || !bytes.Equal(b[:8], checkpointMagic[:]) ||
		le.Uint32(b[len(b)-4:]) != payloadCRC(b[:len(b)-4]) {
		return nil, false
	}
	u32 := func() uint32 { v := le.Uint32(b); b = b[4:]; return v }
	u64 := func() uint64 { v := le.Uint64(b); b = b[8:]; return v }
	tso := func() nodes.TSO { return nodes.TSO(u64()) }
	b = b[8:]
	c = &checkpoint{at: place{u32(), u32()}, indexFirst: u64(), indexEnd: u64()}
	c.purged, c.top, c.mark, c.last = tso(), tso(), tso(), tso()
	if u32() != 0 {
		return nil, false
	}
	segments, unresolved, waiting := uint64(u32()), uint64(u32()), uint64(u32())
	if uint64(len(b)) != segments*24+unresolved*28+waiting*entrySize+4 {
		return nil, false
	}
	for range segments {
		c.segments = append(c.segments, segment{id: u32(), live: int(u32()), end: int64(u64()), maxCommit: tso()})
	}
	for range unresolved {
		c.unresolved = append(c.unresolved, prewrite{startTS: tso(), floor: tso(), at: place{u32(), u32()}, size: u32()})
	}
	for i := range waiting {
		e, ok := parseEntry(b, i)
		if !ok {
			return nil, false
		}
		c.waiting = append(c.waiting, e)
		b = b[entrySize:]
	}
	return c, true
}

// checkpoint writes the present state to disk, after everything it builds on. The
// caller holds s.checkpointing.
func (s *Store) checkpoint() error {
	if err := s.Failed(); err != nil {
		return err
	}
	grown := s.sinceCheck.Load()
	s.mu.Lock()
	if err := s.index.flush(); err != nil {
		s.mu.Unlock()
		return err
	}
	content := s.snapshotLocked()
	dirty := make([]uint32, 0, len(s.index.dirty))
	for no := range s.index.dirty {
		dirty = append(dirty, no)
	}
	clear(s.index.dirty)
	s.mu.Unlock()

	if err := s.syncLog(); err != nil {
		return s.fail(err)
	}
	if err := s.index.sync(dirty); errors.Is(err, ErrNoDescriptor) {
		s.mu.Lock()
		for _, no := range dirty {
			s.index.dirty[no] = true
		}
		s.mu.Unlock()
		return fmt.Errorf("sync the index: %w", err)
	} else if err != nil {
		// What the files hold now is anybody's guess; the checkpoint on disk does
		// not speak of it, so opening the store again makes it anew.
		return s.fail(fmt.Errorf("sync the index: %w", err))
	}
	if err := writeFileAtomic(s.opts.FS, s.opts.Dir, checkpointName, content.encode()); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	s.checkpointed = content.at
	s.sinceCheck.Add(-grown)
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
		top:        m.top, mark: m.mark, last: m.last,
		waiting: append([]entry(nil), m.waiting...),
	}
	for _, seg := range s.segments {
		c.segments = append(c.segments, *seg)
	}
	for p := m.oldest; p != nil; p = p.after {
		c.unresolved = append(c.unresolved, *p)
	}
	return c
}

// loadCheckpoint reads the checkpoint of a store; nil: it has none.
func loadCheckpoint(fsys FS, dir string) (*checkpoint, error) {
	name := filepath.Join(dir, checkpointName)
	f, err := fsys.Open(name)
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
	c, ok := decodeCheckpoint(b)
	if !ok {
		return nil, &DamageError{File: name, Reason: "it is no checkpoint, or its checksum is wrong"}
	}
	return c, nil
}

// restore puts the matcher and the segments into the state of the checkpoint.
func (s *Store) restore(c *checkpoint, now time.Time) {
	s.purged = c.purged
	m := s.matcher
	for i := range c.segments {
		seg := c.segments[i]
		s.segments = append(s.segments, &seg)
	}
	for _, p := range c.unresolved {
		m.prewrite(p.startTS, p.floor, p.at, p.size, now)
	}
	for _, e := range c.waiting {
		m.waiting.push(e)
	}
	m.top, m.mark, m.last = c.top, c.mark, c.last
}
