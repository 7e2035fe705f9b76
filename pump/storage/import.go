package storage

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// Import fills a store with the log of another program, which stays where it is until all of it is
// here. So nothing is synced but by [Import.Save], which also notes how far the other log
// has been read: after a crash the store begins again at the last Save, whatever it held beyond.
// It is used by one goroutine at a time.
type Import struct{ s *Store }

// OpenImport begins to fill the store in opts.Dir, or goes on with it. note is what was saved last;
// nil: nothing was. What the store decides by itself when it is in use, space, age, TiKV, it leaves alone.
func OpenImport(opts Options) (im *Import, note []byte, err error) {
	opts.SyncLog, opts.StopWriteAtAvailable = false, 0
	opts.Resolver, opts.OrphanTimeout = nil, 0
	opts.importing = true
	s, err := Open(opts)
	if err != nil {
		return nil, nil, err
	}
	return &Import{s}, s.readUpTo, nil
}

// startOver removes what an import has stored after its last Save.
func (s *Store) startOver(c *checkpoint, ids []uint32) ([]uint32, error) {
	fsys, dir := s.opts.FS, s.opts.Dir
	if c == nil {
		names, err := fsys.List(dir)
		for _, name := range names {
			err = errors.Join(err, fsys.Remove(filepath.Join(dir, name)))
		}
		return nil, err
	}
	var kept []uint32
	for _, id := range ids {
		if id <= c.at.seg {
			kept = append(kept, id)
		} else if err := fsys.Remove(filepath.Join(dir, logName(id))); err != nil {
			return nil, err
		}
	}
	f, err := disk.Open(fsys, filepath.Join(dir, logName(c.at.seg)))
	if err != nil {
		return nil, missing(err)
	}
	size, err := f.Size()
	if err == nil && size > c.at.offset() {
		err = errors.Join(f.Truncate(c.at.offset()), f.Sync())
	}
	return kept, errors.Join(err, f.Close())
}

// Append stores records as [Store.AppendAll] does; they are durable after the next Save.
func (im *Import) Append(recs []Record, errs []error) { im.s.AppendAll(recs, errs) }

// Advance is [Store.Advance].
func (im *Import) Advance(ts nodes.TSO) { im.s.Advance(ts) }

// Save makes everything appended durable, together with a note of how far the other log has been
// read, at most 4 GiB.
func (im *Import) Save(note []byte) error {
	s := im.s
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	s.readUpTo = note
	if err := s.checkpoint(); err != nil {
		return fmt.Errorf("save how far the import is: %w", err)
	}
	return nil
}

// Decided rolls back the transactions that another program has known to be rolled back without
// a record of it: those whose prewrite stands before a commit at or below sorted, is older than that by
// more than age, and has no outcome. It gives their start TSs.
func (im *Import) Decided(sorted nodes.TSO, age time.Duration) (starts []nodes.TSO, err error) {
	s := im.s
	s.mu.Lock()
	for p := s.matcher.oldest; p != nil; p = p.after {
		if p.floor < sorted && sorted.Time().Sub(p.startTS.Time()) > age {
			starts = append(starts, p.startTS)
		}
	}
	s.mu.Unlock()
	for _, ts := range starts {
		if err := s.append(Record{Type: Rollback, StartTS: ts}, flagAsked); err != nil {
			return nil, err
		}
	}
	return starts, nil
}

// Purge notes that binlogs up to a commit TS are not all here.
func (im *Import) Purge(upTo nodes.TSO) {
	im.s.mu.Lock()
	defer im.s.mu.Unlock()
	im.s.purged = max(im.s.purged, upTo)
}

// Remember notes that the log is complete up to the largest time in it.
func (im *Import) Remember() error {
	im.s.mu.Lock()
	top := im.s.matcher.top
	im.s.mu.Unlock()
	return im.s.Remember(top)
}

// Stats is [Store.Stats].
func (im *Import) Stats() Stats { return im.s.Stats() }

// Close ends the import. What has been appended since the last Save may be lost.
func (im *Import) Close() error { return im.s.Close() }
