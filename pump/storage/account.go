package storage

import (
	"errors"
	"path/filepath"
	"slices"
	"time"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// account works out what is lost, when the whole log has been read.
func (r *repair) account(first, last uint32) error {
	t := &r.tally
	e := evidence{old: r.old, headless: r.old == nil && first > 1, now: nodes.MakeTSO(time.Now(), 0)}
	if r.old != nil {
		e.delivered = r.old.last
	}
	number, indexed, err := lastIndexed(r.opts.FS, r.opts.Dir)
	if err != nil {
		return err
	}
	e.delivered = max(e.delivered, indexed.commitTS)
	var damage *DamageError
	e.ranges, e.repaired, err = loadLost(r.opts.FS, r.opts.Dir)
	if err != nil && !errors.As(err, &damage) {
		return err
	}
	e.repaired = e.repaired && !r.again
	t.finish(e)
	if err := r.dropRepetitions(first, last); err != nil {
		return err
	}
	for _, s := range t.strays {
		if r.old == nil && first > 1 && s.holes == 0 { // its prewrite was in a segment that GC had removed
			r.PurgedTS = max(r.PurgedTS, s.commitTS)
		}
	}
	t.strays = slices.DeleteFunc(t.strays, func(s stray) bool { return s.commitTS <= r.PurgedTS })
	r.Ranges, r.Lost = t.ranges(e, r.PurgedTS)
	r.Restored, err = r.fromIndex(number, indexed)
	r.Open = len(t.open) - len(r.Restored)
	return err
}

// dropRepetitions takes those commits out of the strays whose prewrite is in the log: TiDB repeats a
// commit whose answer it did not get. The prewrites are looked for in the log, because memory does not
// hold them all.
func (r *repair) dropRepetitions(first, last uint32) error {
	wanted := make(map[nodes.TSO]bool)
	for _, s := range r.tally.strays {
		wanted[s.startTS] = true
	}
	for id := first; id <= last && len(wanted) > 0; id++ {
		p, err := r.examine(id)
		if err != nil {
			return err
		}
		if p.head != nil {
			_, err = newScanner(p.file, p.seed, p.size).run(segmentHeaderSize, func(_ int64, h header) {
				if h.typ == Prewrite && wanted[h.startTS] {
					delete(wanted, h.startTS)
				}
			})
		}
		if err := errors.Join(err, p.close()); err != nil {
			return err
		}
	}
	known := make(map[stray]bool)
	r.tally.strays = slices.DeleteFunc(r.tally.strays, func(s stray) bool {
		first := stray{startTS: s.startTS, commitTS: s.commitTS}
		again := known[first]
		known[first] = true
		return again || !wanted[s.startTS]
	})
	return nil
}

// lastIndexed is the last whole entry of the index, and its number; its commit TS is 0 if there is none that can be
// read.
func lastIndexed(fsys disk.FS, dir string) (n uint64, last entry, err error) {
	names, err := fsys.List(dir)
	if err != nil {
		return 0, last, err
	}
	slices.SortFunc(names, func(a, b string) int { return int(indexNumber(b)) - int(indexNumber(a)) })
	for _, name := range names {
		no := indexNumber(name)
		if no == 0 {
			break
		}
		n, last, err := lastEntry(fsys, filepath.Join(dir, name), uint64(no-1)*indexFileEntries)
		if err != nil || last.commitTS != 0 {
			return n, last, err
		}
	}
	return 0, last, nil
}

// lastEntry is the last whole entry of an index file, and its number; base is the number of its first.
func lastEntry(fsys disk.FS, name string, base uint64) (n uint64, last entry, err error) {
	f, err := disk.Open(fsys, name)
	if err != nil {
		return 0, last, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, last, err
	}
	var b [entrySize]byte
	for i := size/entrySize - 1; i >= 0; i-- {
		if _, err := f.ReadAt(b[:], i*entrySize); err != nil {
			return 0, last, err
		}
		if e, ok := parseEntry(b[:], base+uint64(i)); ok {
			return base + uint64(i), e, nil
		}
	}
	return 0, last, nil
}
