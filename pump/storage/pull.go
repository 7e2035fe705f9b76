package storage

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"runtime/debug"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// Entry is what a pull delivers: a committed transaction, or only the news that
// nothing up to CommitTS is still to come.
type Entry struct {
	CommitTS nodes.TSO
	StartTS  nodes.TSO
	Payload  []byte // the prewrite as it was stored; nil: a fake entry
}

// Fake reports whether e only tells the time.
func (e Entry) Fake() bool { return e.Payload == nil }

// Puller delivers the binlogs after a position in commit TS order. It is used by one
// goroutine at a time, and holds about 2 MiB of memory while it catches up.
type Puller struct {
	s    *Store
	last nodes.TSO // the commit TS delivered last, or the start position
	next uint64    // number of the index entry to come

	batch []entry   // entries read ahead
	i     int       // of which these are delivered
	limit place     // the end of the log when batch was read
	read  time.Time // when batch was read
	log   *logReader
}

// restAfter is how long a puller that has got everything keeps what it has read ahead. It looks at that when the store has
// news, as a pump's clock has every few seconds at least.
const restAfter = time.Second

// pullBatch is how many index entries a puller reads at once.
const pullBatch = 1024

// Pull begins to deliver what is committed after from, the last commit TS the caller
// has. The error is a [*PurgedError] when some of that is gone, a [*LostError] when damage may have
// taken what comes next.
func (s *Store) Pull(from nodes.TSO) (*Puller, error) {
	next, err := s.after(from)
	s.mu.Lock()
	closed, purged := s.closed, s.purged
	s.mu.Unlock()
	switch {
	case closed:
		return nil, ErrClosed
	case from < purged: // perhaps while the index was read
		return nil, &PurgedError{Asked: from, Purged: purged}
	case err != nil:
		return nil, fmt.Errorf("look for commit TS %s: %w", from, err)
	}
	if err := s.lostAt(from); err != nil {
		return nil, err
	}
	return &Puller{s: s, last: from, next: next, log: newLogReader(s.opts.FS, s.opts.Dir)}, nil
}

// Next waits for the next entry. Its payload is valid until the following call; one of [binlogpb.Giant] bytes or more
// is the caller's own. The
// error is ctx's, [ErrClosed] when the store closes, a [*PurgedError] when GC has
// overtaken the puller, a [*LostError] when it has come to where damage took something, or what reading the disk came to. Commit TSs strictly increase.
func (p *Puller) Next(ctx context.Context) (Entry, error) {
	for p.i == len(p.batch) {
		fake, wait, err := p.refill()
		switch {
		case err != nil:
			return Entry{}, err
		case fake > 0:
			p.last = fake
			return Entry{CommitTS: fake, StartTS: fake}, nil
		case wait != nil:
			if time.Since(p.read) >= restAfter {
				p.log.rest()
			}
			select {
			case <-wait:
			case <-ctx.Done():
				return Entry{}, ctx.Err()
			}
		}
	}
	e := p.batch[p.i]
	limit := int64(-1)
	if e.at.seg == p.limit.seg {
		limit = p.limit.offset()
	}
	payload, err := p.log.record(e, limit)
	if err != nil {
		return Entry{}, p.readError(e, err)
	}
	p.i++
	p.last = e.commitTS
	return Entry{CommitTS: e.commitTS, StartTS: e.startTS, Payload: payload}, nil
}

// Ready reports whether Next has the next entry without waiting for one to be committed.
func (p *Puller) Ready() bool { return p.i < len(p.batch) }

// readError says why an entry could not be read.
func (p *Puller) readError(e entry, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		p.s.mu.Lock()
		purged := p.s.purged
		p.s.mu.Unlock()
		if p.last < purged {
			return &PurgedError{Asked: p.last, Purged: purged}
		}
	}
	return fmt.Errorf("read the binlog with commit TS %s: %w", e.commitTS, err)
}

// refill reads more of the index. When there is no more, it returns the time to pass
// on, or else a channel that is closed at the next news.
func (p *Puller) refill() (fake nodes.TSO, wait <-chan struct{}, err error) {
	s := p.s
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return 0, nil, ErrClosed
	}
	if p.last < s.purged {
		s.mu.Unlock()
		return 0, nil, &PurgedError{Asked: p.last, Purged: s.purged}
	}
	if err := s.lostAt(p.last); err != nil {
		s.mu.Unlock()
		return 0, nil, err
	}
	stop := nodes.TSO(math.MaxInt64) // the last commit TS before something is lost
	if r := s.lostAfter(p.last); r != nil {
		stop = r.From
	}
	end := s.index.end()
	if p.next >= end {
		defer s.mu.Unlock()
		if told := min(s.matcher.done, stop); told > p.last {
			return told, nil, nil
		}
		return 0, s.waitLocked(), nil
	}
	active := s.segments[len(s.segments)-1]
	p.limit = place{active.id, uint32(active.end / align)}
	written := s.index.written
	p.batch, p.i = p.batch[:0], 0
	if p.next >= written { // still in memory
		p.batch = append(p.batch, s.index.tail[p.next-written:min(end-written, p.next-written+pullBatch)]...)
		s.mu.Unlock()
	} else {
		s.mu.Unlock()
		count := int(min(pullBatch, written-p.next))
		if p.batch, err = s.index.read(p.batch, p.next, count); err != nil {
			p.batch = p.batch[:0]
			return 0, nil, p.readError(entry{commitTS: p.last + 1}, err)
		}
	}
	if n := firstAfter(p.batch, stop); n < len(p.batch) {
		p.batch = p.batch[:n]
		if n == 0 {
			return stop, nil, nil // and then it ends
		}
	}
	p.next += uint64(len(p.batch))
	p.read = time.Now()
	p.i = firstAfter(p.batch, p.last) // what committed before the position and was sorted after the pull began
	return 0, nil, nil
}

// Close lets go of the puller's files. It may be called again.
func (p *Puller) Close() error { return p.log.close() }

const (
	readAhead    = 1 << 20  // bytes a block of a logReader has at most
	readAheadMin = 16 << 10 // and at least
	keepAtRest   = 64 << 10 // what of it is kept while nothing is read
)

// logReader reads records from the log by place. It is made for places that mostly
// ascend: it reads ahead, ever further while they do.
type logReader struct {
	fs     disk.FS
	dir    string
	files  [2]openLog // those read last
	turn   int        // the file to be replaced next
	blocks [2]block
	old    int    // the block to be replaced next
	ahead  int    // how much to read next time
	single []byte // a record that fits no block
}

type openLog struct {
	id   uint32
	file disk.File
	seed uint32
}

// block is a piece of a segment in memory.
type block struct {
	seg  uint32
	from int64
	data []byte
}

func newLogReader(fsys disk.FS, dir string) *logReader {
	return &logReader{fs: fsys, dir: dir, ahead: readAheadMin}
}

// record is the payload of a prewrite. limit is how far its segment may be read;
// negative: to the end.
func (r *logReader) record(e entry, limit int64) ([]byte, error) {
	need := headerSize + int(e.size)
	at := e.at.offset()
	if cap(r.single) > 4*readAhead && need <= readAhead {
		r.single = nil // a giant is past; do not keep its memory
	}
	b, seed, err := r.bytes(e.at.seg, at, need, limit)
	if err != nil {
		return nil, err
	}
	h, ok := parseHeader(b, seed, at)
	if !ok || h.typ != Prewrite || h.startTS != e.startTS || h.size != e.size {
		return nil, &DamageError{File: r.path(e.at.seg), Offset: at, Reason: "there is no prewrite of start TS " + e.startTS.String()}
	}
	payload := b[headerSize:need]
	if crc32.Checksum(payload, castagnoli) != h.payloadCRC {
		return nil, &DamageError{File: r.path(e.at.seg), Offset: at, Reason: "wrong checksum of the prewrite of start TS " + e.startTS.String()}
	}
	return payload, nil
}

func (r *logReader) bytes(seg uint32, at int64, need int, limit int64) ([]byte, uint32, error) {
	f, err := r.open(seg)
	if err != nil {
		return nil, 0, err
	}
	for i := range r.blocks {
		b := &r.blocks[i]
		if b.seg == seg && at >= b.from && at+int64(need) <= b.from+int64(len(b.data)) {
			return b.data[at-b.from:], f.seed, nil
		}
	}
	newest := &r.blocks[1-r.old]
	end := newest.from + int64(len(newest.data))
	switch {
	case need > readAhead || newest.seg == seg && at < newest.from:
		// Too large for a block, or a step back, which is no reason to give one up.
		if need >= binlogpb.Giant {
			debug.FreeOSMemory() // its prewrite, or the one before, may have been as large
			b := make([]byte, need)
			return b, f.seed, r.readFull(f, b, at)
		}
		if cap(r.single) < need {
			r.single = make([]byte, need)
		}
		b := r.single[:need]
		return b, f.seed, r.readFull(f, b, at)
	case newest.seg == seg && at <= end+readAhead/4 || newest.seg+1 == seg:
		r.ahead = min(2*r.ahead, readAhead)
	default:
		r.ahead = readAheadMin
	}
	size, from := int64(r.ahead), at
	// Commits come in another order than prewrites: what lies between the last block and
	// here, and what the last block's end cuts through, is likely to be wanted next.
	if begin := max(end-readAheadMin, newest.from); newest.seg == seg && begin < at && at-begin <= size/2 {
		from = begin
	}
	least := at - from + int64(need)
	if limit >= 0 {
		size = min(size, limit-from)
	}
	size = max(size, least)
	b := &r.blocks[r.old]
	r.old = 1 - r.old
	if int64(cap(b.data)) < size {
		b.data = make([]byte, size)
	}
	b.seg, b.from, b.data = seg, from, b.data[:size]
	n, err := f.file.ReadAt(b.data, from)
	b.data = b.data[:n]
	if int64(n) < least {
		b.seg = 0
		if err == nil || errors.Is(err, io.EOF) {
			err = &DamageError{File: r.path(seg), Offset: at, Reason: "the file ends within a record"}
		}
		return nil, 0, err
	}
	return b.data[at-from:], f.seed, nil
}

// rest gives back what reading ahead has taken.
func (r *logReader) rest() {
	for i := range r.blocks {
		if cap(r.blocks[i].data) > keepAtRest {
			r.blocks[i] = block{}
		}
	}
	if cap(r.single) > keepAtRest {
		r.single = nil
	}
}

func (r *logReader) readFull(f openLog, b []byte, at int64) error {
	if n, err := f.file.ReadAt(b, at); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = &DamageError{File: r.path(f.id), Offset: at, Reason: "the file ends within a record"}
		}
		return err
	}
	return nil
}

func (r *logReader) path(seg uint32) string { return filepath.Join(r.dir, logName(seg)) }

func (r *logReader) open(seg uint32) (openLog, error) {
	for i, f := range r.files {
		if f.id == seg && f.file != nil {
			r.turn = 1 - i
			return f, nil
		}
	}
	f, err := disk.Open(r.fs, r.path(seg))
	if err != nil {
		return openLog{}, err
	}
	_, seed, err := readSegmentHeader(f, r.path(seg), seg)
	if err != nil {
		return openLog{}, errors.Join(err, f.Close())
	}
	old := &r.files[r.turn]
	if old.file != nil {
		err = old.file.Close()
	}
	*old = openLog{id: seg, file: f, seed: seed}
	r.turn = 1 - r.turn
	return *old, err
}

func (r *logReader) close() error {
	var errs []error
	for i := range r.files {
		if f := &r.files[i]; f.file != nil {
			errs = append(errs, f.file.Close())
			f.file = nil
		}
	}
	return errors.Join(errs...)
}
