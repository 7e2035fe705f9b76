package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"pumphouse/internal/disk"
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
	Lost      []nodes.TSO // commit TSs of the transactions whose prewrite is gone, and no others
	Ranges    []LostRange // where transactions may be missing; they include Lost
	Restored  []Outcome   // of transactions whose commit or rollback is gone, as the index knew them
	Open      int         // prewrites that are unresolved now, some perhaps because their commit or rollback is gone
	PurgedTS  nodes.TSO   // binlogs up to here cannot be pulled
	Rewritten []string    // the files that were damaged or missing
}

// Repair makes a store that [Open] refuses usable again: each damaged segment is
// replaced by one with the records that can be read, and the index and the
// checkpoint are set back so that Open makes them anew from the whole log. What is
// lost is in the report, and a pull that comes to it is stopped by a [*LostError]. No other process may have the store open, and who wants to
// keep the damaged files copies them first. Of opts only Dir, FS, SegmentBytes and Logger count.
func Repair(opts Options) (*Report, error) {
	r := &repair{opts: opts.withDefaults(), tally: tally{open: make(map[nodes.TSO]unended), undone: make(map[nodes.TSO]bool)}}
	err := r.run()
	if err == nil {
		err = r.restore()
	}
	if err != nil {
		return nil, fmt.Errorf("repair binlog storage in %s: %w", opts.Dir, err)
	}
	return &r.Report, nil
}

type repair struct {
	Report
	opts  Options
	old   *checkpoint // nil: it is damaged or missing
	tally tally

	marked bool // the log is changed, and a file says that the repair has not ended
	again  bool // an earlier repair changed the log and did not end
}

// logSegment is a segment under repair. A head or file of nil: damaged or missing.
type logSegment struct {
	id   uint32
	name string
	file disk.File
	head *segmentHeader
	seed uint32
	size int64
}

func (r *repair) run() error {
	ids, err := logFiles(r.opts.FS, r.opts.Dir)
	if err != nil {
		return err
	}
	if r.again, err = repairing(r.opts.FS, r.opts.Dir); err != nil {
		return err
	}
	r.marked = r.again
	old, err := loadCheckpoint(r.opts.FS, r.opts.Dir)
	var damage *DamageError
	if err != nil && !errors.As(err, &damage) {
		return err
	}
	if old != nil {
		ids = slices.DeleteFunc(ids, func(id uint32) bool { return id < old.segments[0].id })
		ids = append(ids, old.segments[0].id, old.at.seg) // to be missed if they are not there
		r.PurgedTS, r.tally.top = old.purged, old.purged
	}
	r.old = old
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
		r.opts.Progress(int(id-first)+1, int(last-first)+1)
		next := (*logSegment)(nil)
		if id < last {
			if next, err = r.examine(id + 1); err != nil {
				return errors.Join(err, cur.close())
			}
		}
		prevEnd, err = r.repairSegment(cur, next, prevEnd)
		if err := errors.Join(err, cur.close()); err != nil {
			return err
		}
		if r.Segments++; next == nil {
			break
		}
		cur = next
	}
	if err := r.account(first, last); err != nil {
		return err
	}
	return r.setBack(first)
}

func (p *logSegment) close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// examine opens a segment and reads its head.
func (r *repair) examine(id uint32) (*logSegment, error) {
	p := &logSegment{id: id, name: filepath.Join(r.opts.Dir, logName(id))}
	f, err := disk.Open(r.opts.FS, p.name)
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

// repairSegment reads what it can of a segment, and replaces it when that is not all. It
// returns where the segment's records end now.
func (r *repair) repairSegment(p, next *logSegment, prevEnd int64) (end int64, err error) {
	limit, bounded := p.size, false // bounded: we know where the records ended
	switch {
	case next != nil && next.head != nil:
		limit, bounded = next.head.prevEnd, true
	case r.old != nil && p.id == r.old.at.seg:
		if covered := r.old.at.offset(); covered > p.size {
			limit, bounded = covered, true
		}
	}
	var whole []int64 // where whole records begin
	var holes []lostPlace
	end = segmentHeaderSize
	switch {
	case p.head != nil:
		r.tally.segment(p.head.floor)
		whole, holes, end, err = r.read(p, limit, bounded)
		if err != nil {
			return 0, err
		}
	default:
		if !bounded { // nobody knows how much it held
			limit = max(limit&^(align-1), segmentHeaderSize+smallestTransaction)
		}
		holes, end = r.lose(holes, p, end, limit), limit
	}
	r.Records += len(whole)
	if p.head != nil && p.head.prevEnd == prevEnd && len(holes) == 0 {
		return end, nil
	}
	r.Rewritten = append(r.Rewritten, p.name)
	return end, r.rewrite(p, prevEnd, whole, holes)
}

// smallestPrewrite and smallestTransaction are the least that they take in the log.
var (
	smallestPrewrite    = footprint(1)
	smallestTransaction = smallestPrewrite + footprint(0)
)

// lose notes a hole of a segment.
func (r *repair) lose(holes []lostPlace, p *logSegment, from, to int64) []lostPlace {
	if to <= from {
		return holes
	}
	l := p.place(from, to)
	r.tally.hole(p.id, l)
	r.Gaps = append(r.Gaps, Gap{File: p.name, Offset: from, Bytes: l.bytes})
	return append(holes, l)
}

// place is what a hole can have held, from its size, and from the header of its first record if that
// can be read and only the payload cannot.
func (p *logSegment) place(from, to int64) lostPlace {
	l := lostPlace{offset: from, bytes: to - from}
	l.one = l.bytes < smallestTransaction
	l.outcome = l.bytes < smallestPrewrite
	var b [headerSize]byte
	if p.file == nil || p.head == nil {
		return l
	}
	if _, err := p.file.ReadAt(b[:], from); err != nil {
		return l
	}
	if h, ok := parseHeader(b[:], p.seed, from); ok && from+h.footprint() == to {
		l.one, l.outcome, l.startTS = true, h.typ != Prewrite, h.startTS
	}
	return l
}

// read finds the whole records of a segment and the holes between them.
func (r *repair) read(p *logSegment, limit int64, bounded bool) (whole []int64, holes []lostPlace, end int64, err error) {
	sc := newScanner(p.file, p.seed, min(limit, p.size))
	for at := int64(segmentHeaderSize); ; {
		end, err = sc.run(at, func(at int64, h header) {
			whole = append(whole, at)
			r.tally.record(place{p.id, uint32(at / align)}, h)
		})
		if err != nil || end >= limit {
			return whole, holes, end, err
		}
		at, err = sc.find(end+align, func(int64, header) bool { return true })
		switch {
		case err != nil:
			return whole, holes, end, err
		case at >= 0:
			holes = r.lose(holes, p, end, at)
		case bounded:
			return whole, r.lose(holes, p, end, limit), limit, nil
		case r.old != nil && p.id == r.old.at.seg && end < r.old.at.offset():
			covered := r.old.at.offset()
			return whole, r.lose(holes, p, end, covered), covered, nil
		default: // the end of the last segment; Open cuts off what a crash left there
			return whole, holes, end, nil
		}
	}
}

// mark notes on disk that the log is about to change. Void records hide holes whose losses nobody
// has written down yet, so neither Open nor the next repair may trust them until setBack has.
func (r *repair) mark() error {
	if r.marked {
		return nil
	}
	r.marked = true
	return disk.WriteFile(r.opts.FS, filepath.Join(r.opts.Dir, repairName), nil, 0o640)
}

// unmark notes that what is lost is written down.
func (r *repair) unmark() error {
	if !r.marked {
		return nil
	}
	if err := ignoreNotExist(r.opts.FS.Remove(filepath.Join(r.opts.Dir, repairName))); err != nil {
		return err
	}
	return r.opts.FS.SyncDir(r.opts.Dir)
}

// repairing reports whether a repair has changed the log and did not end.
func repairing(fsys disk.FS, dir string) (bool, error) {
	names, err := fsys.List(dir)
	return slices.Contains(names, repairName), err
}

// rewrite replaces a segment by one that has the whole records where they were and
// void records in the holes.
func (r *repair) rewrite(p *logSegment, prevEnd int64, whole []int64, holes []lostPlace) (err error) {
	if err := r.mark(); err != nil {
		return err
	}
	head := segmentHeader{id: p.id, salt: r.opts.salt(), prevEnd: prevEnd}
	if p.head != nil {
		head.floor = p.head.floor
	}
	b, seed := head.encode()
	f, err := disk.Create(r.opts.FS, p.name+tmpSuffix)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	for _, at := range whole {
		if err == nil {
			err = copyRecord(f, seed, p, at)
		}
	}
	for _, l := range holes {
		if err == nil {
			h := header{typ: void, size: uint32(l.bytes - headerSize)}
			h.put(b, seed, l.offset)
			_, err = f.WriteAt(b[:headerSize], l.offset)
		}
	}
	if n := len(holes); err == nil && n > 0 {
		var size int64
		if size, err = f.Size(); err == nil {
			err = f.Preallocate(max(size, holes[n-1].offset+holes[n-1].bytes))
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
func copyRecord(to disk.File, seed uint32, p *logSegment, at int64) error {
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

// setBack writes down what may be lost, removes the index and writes a checkpoint before the first record of the
// log.
func (r *repair) setBack(first uint32) error {
	fsys, dir := r.opts.FS, r.opts.Dir
	if len(r.tally.holes) > 0 {
		if err := disk.WriteFile(fsys, filepath.Join(dir, lostName), encodeLost(r.Ranges), 0o640); err != nil {
			return err
		}
	} else if err := ignoreNotExist(fsys.Remove(filepath.Join(dir, lostName))); err != nil {
		return err
	}
	if err := r.unmark(); err != nil { // while the old checkpoint still says what was delivered
		return err
	}
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
	return disk.WriteFile(fsys, filepath.Join(dir, checkpointName), c.encode(), 0o640)
}
