package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"pumphouse/nodes"
)

// Gap is a piece of the log that could not be saved.
type Gap struct {
	File   string
	Offset int64
	Bytes  int64
}

// Report says what [Repair] found.
type Report struct {
	Segments  int // in the log now
	Records   int // that are whole
	Gaps      []Gap
	Lost      []nodes.TSO // commit TSs of the transactions whose prewrite is gone
	Open      int         // prewrites that are unresolved now, some perhaps because their end is gone
	PurgedTS  nodes.TSO   // binlogs up to here cannot be pulled
	Rewritten []string    // the files that were damaged or missing
}

// Repair makes a store that [Open] refuses usable again: each damaged segment is
// replaced by one with the records that can be read, and the index and the
// checkpoint are set back so that Open makes them anew from the whole log. What is
// lost is in the report. No other process may have the store open, and who wants to
// keep the damaged files copies them first. Of opts only Dir, FS and Logger count.
func Repair(opts Options) (*Report, error) {
	r := &repair{opts: opts.withDefaults(), open: make(map[nodes.TSO]bool)}
	if err := r.run(); err != nil {
		return nil, fmt.Errorf("repair binlog storage in %s: %w", opts.Dir, err)
	}
	return &r.Report, nil
}

type repair struct {
	Report
	opts Options
	open map[nodes.TSO]bool // unresolved prewrites
}

// patient is a segment under repair. A head or file of nil: damaged or missing.
type patient struct {
	id   uint32
	name string
	file File
	head *segmentHeader
	seed uint32
	size int64
}

func (r *repair) run() error {
	ids, err := logFiles(r.opts.FS, r.opts.Dir)
	if err != nil {
		return err
	}
	old, err := loadCheckpoint(r.opts.FS, r.opts.Dir)
	var damage *DamageError
	if err != nil && !errors.As(err, &damage) {
		return err
	}
	if old != nil {
		ids = slices.DeleteFunc(ids, func(id uint32) bool { return id < old.segments[0].id })
		ids = append(ids, old.segments[0].id, old.at.seg) // to be missed if they are not there
		r.PurgedTS = old.purged
	}
	if len(ids) == 0 {
		return fmt.Errorf("there is no log: %w", fs.ErrNotExist)
	}
	first, last := slices.Min(ids), slices.Max(ids)
	cur, err := r.examine(first)
	if err != nil {
		return err
	}
	if old == nil && first > 1 && cur.head != nil {
		r.PurgedTS = cur.head.floor
	}
	prevEnd := int64(0)
	if cur.head != nil {
		prevEnd = cur.head.prevEnd
	}
	for id := first; ; id++ {
		next := (*patient)(nil)
		if id < last {
			if next, err = r.examine(id + 1); err != nil {
				return errors.Join(err, cur.close())
			}
		}
		prevEnd, err = r.treat(cur, next, prevEnd)
		if err := errors.Join(err, cur.close()); err != nil {
			return err
		}
		if r.Segments++; next == nil {
			break
		}
		cur = next
	}
	if old == nil && first > 1 { // their prewrites were in segments that GC had removed
		for _, ts := range r.Lost {
			r.PurgedTS = max(r.PurgedTS, ts)
		}
	}
	r.Open = len(r.open)
	return r.setBack(first)
}

func (p *patient) close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// examine opens a segment and reads its head.
func (r *repair) examine(id uint32) (*patient, error) {
	p := &patient{id: id, name: filepath.Join(r.opts.Dir, logName(id))}
	f, err := r.opts.FS.Open(p.name)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	p.file = f
	head, seed, err := readSegmentHeader(f, p.name, id)
	var damage *DamageError
	if err == nil {
		p.head, p.seed = &head, seed
	} else if !errors.As(err, &damage) {
		return nil, errors.Join(err, f.Close())
	}
	if p.size, err = f.Size(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

// treat reads what it can of a segment, and replaces it when that is not all. It
// returns where the segment's records end now.
func (r *repair) treat(p, next *patient, prevEnd int64) (end int64, err error) {
	limit, bounded := p.size, false // bounded: we know where the records ended
	if next != nil && next.head != nil {
		limit, bounded = next.head.prevEnd, true
	}
	var whole []int64 // where whole records begin
	var gaps []Gap
	end = segmentHeaderSize
	if p.head == nil {
		if bounded {
			gaps, end = gap(gaps, p.name, end, limit), limit
		} else if p.size > segmentHeaderSize {
			gaps = gap(gaps, p.name, 0, p.size)
		}
	} else {
		whole, gaps, end, err = r.read(p, limit, bounded)
		if err != nil {
			return 0, err
		}
	}
	r.Gaps = append(r.Gaps, gaps...)
	r.Records += len(whole)
	if p.head != nil && p.head.prevEnd == prevEnd && len(gaps) == 0 {
		return end, nil
	}
	r.Rewritten = append(r.Rewritten, p.name)
	return end, r.rewrite(p, prevEnd, whole, gaps)
}

func gap(gaps []Gap, name string, from, to int64) []Gap {
	if to > from {
		gaps = append(gaps, Gap{File: name, Offset: from, Bytes: to - from})
	}
	return gaps
}

// read finds the whole records of a segment and the gaps between them.
func (r *repair) read(p *patient, limit int64, bounded bool) (whole []int64, gaps []Gap, end int64, err error) {
	sc := newScanner(p.file, p.seed, min(limit, p.size))
	for at := int64(segmentHeaderSize); ; {
		end, err = sc.run(at, func(at int64, h header) {
			whole = append(whole, at)
			r.note(h)
		})
		if err != nil || end >= limit {
			return whole, gaps, end, err
		}
		at, err = sc.find(end+align, func(int64, header) bool { return true })
		switch {
		case err != nil:
			return whole, gaps, end, err
		case at >= 0:
			gaps = gap(gaps, p.name, end, at)
		case bounded:
			return whole, gap(gaps, p.name, end, limit), limit, nil
		default: // the end of the last segment; Open cuts off what a crash left there
			return whole, gaps, end, nil
		}
	}
}

// note keeps track of which commits have lost their prewrites.
func (r *repair) note(h header) {
	switch h.typ {
	case Prewrite:
		r.open[h.startTS] = true
	case Rollback:
		delete(r.open, h.startTS)
	case Commit:
		if !r.open[h.startTS] {
			r.Lost = append(r.Lost, h.commitTS)
		}
		delete(r.open, h.startTS)
	}
}

// rewrite replaces a segment by one that has the whole records where they were and
// void records in the gaps.
func (r *repair) rewrite(p *patient, prevEnd int64, whole []int64, gaps []Gap) (err error) {
	head := segmentHeader{id: p.id, salt: r.opts.salt(), prevEnd: prevEnd}
	if p.head != nil {
		head.floor = p.head.floor
	}
	b, seed := head.encode()
	f, err := r.opts.FS.Create(p.name + tmpSuffix)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	for _, at := range whole {
		if err == nil {
			err = copyRecord(f, seed, p, at)
		}
	}
	for _, g := range gaps {
		if err == nil && g.Offset >= segmentHeaderSize && g.Bytes >= headerSize {
			h := header{typ: void, size: uint32(g.Bytes - headerSize)}
			h.put(b, seed, g.Offset)
			_, err = f.WriteAt(b[:headerSize], g.Offset)
		}
	}
	if n := len(gaps); err == nil && n > 0 && gaps[n-1].Offset >= segmentHeaderSize {
		var size int64
		if size, err = f.Size(); err == nil {
			err = f.Preallocate(max(size, gaps[n-1].Offset+gaps[n-1].Bytes))
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := r.opts.FS.Rename(p.name+tmpSuffix, p.name); err != nil {
		return err
	}
	return r.opts.FS.SyncDir(r.opts.Dir)
}

// copyRecord copies a whole record to the same place of another segment.
func copyRecord(to File, seed uint32, p *patient, at int64) error {
	b := make([]byte, headerSize)
	if _, err := p.file.ReadAt(b, at); err != nil {
		return err
	}
	h, _ := parseHeader(b, p.seed, at)
	h.lag = uint64(at - segmentHeaderSize) // the copy proves nothing about what is before it
	rest := h.footprint()
	h.put(b, seed, at)
	if _, err := to.WriteAt(b, at); err != nil {
		return err
	}
	if h.typ == void {
		return nil
	}
	buf := make([]byte, min(rest, scanWindow))
	for done := int64(headerSize); done < rest; {
		n, err := p.file.ReadAt(buf[:min(int64(len(buf)), rest-done)], at+done)
		if n == 0 && err != nil {
			return err
		}
		if _, err := to.WriteAt(buf[:n], at+done); err != nil {
			return err
		}
		done += int64(n)
	}
	return nil
}

// setBack removes the index and writes a checkpoint before the first record of the
// log.
func (r *repair) setBack(first uint32) error {
	fsys, dir := r.opts.FS, r.opts.Dir
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if indexNumber(name) > 0 {
			if err := fsys.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	c := &checkpoint{
		at:       place{first, segmentHeaderSize / align},
		purged:   r.PurgedTS,
		segments: []segment{{id: first, end: segmentHeaderSize}},
	}
	return writeFileAtomic(fsys, dir, checkpointName, c.encode())
}
