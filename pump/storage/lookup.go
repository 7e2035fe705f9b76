package storage

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"pumphouse/nodes"
)

// Found is a stored binlog, and what is known of its outcome.
type Found struct {
	StartTS  nodes.TSO
	CommitTS nodes.TSO // 0: not known yet
	Sorted   bool      // pulls deliver it
	Payload  []byte    // of the prewrite
}

// Lookup finds the binlog of a transaction by its start TS or its commit TS. It is for
// debugging: to find a start TS means to read all that was committed in the day after it. One
// that was rolled back is not found: [ErrNotFound]. Lookups run one at a time, and rest four
// times as long as they work, so that they do not slow those who write.
func (s *Store) Lookup(ctx context.Context, ts nodes.TSO) (Found, error) {
	select {
	case s.debug <- struct{}{}:
		defer func() { <-s.debug }()
	case <-ctx.Done():
		return Found{}, ctx.Err()
	}
	return s.find(ctx, ts, byStart|byCommit, new(pace))
}

// What a transaction is looked for by.
const (
	byStart = 1 << iota
	byCommit
)

// find looks for a transaction in all states in which it can be here. With pace it rests in
// between.
func (s *Store) find(ctx context.Context, ts nodes.TSO, by int, p *pace) (Found, error) {
	return again(func() (found Found, err error) {
		e, err := s.findEntry(ctx, ts, by, p)
		if err != nil {
			return found, err
		}
		found = Found{StartTS: e.startTS, CommitTS: e.commitTS, Sorted: e.commitTS > 0 && e.commitTS <= s.MaxCommitTS()}
		r := newLogReader(s.opts.FS, s.opts.Dir)
		defer r.close()
		// Not further than the record itself: the writer may be at work on what follows.
		found.Payload, err = r.record(e, e.at.offset()+headerSize+int64(e.size))
		if errors.Is(err, fs.ErrNotExist) && s.isPurged(e.at.seg) {
			return found, ErrNotFound // the index keeps whole files, and so some of what is purged
		}
		return found, err
	})
}

// isPurged reports whether GC has removed a segment.
func (s *Store) isPurged(seg uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.segmentLocked(seg) == nil
}

func (s *Store) findEntry(ctx context.Context, ts nodes.TSO, by int, p *pace) (e entry, err error) {
	is := func(e entry) bool { return by&byStart != 0 && e.startTS == ts || by&byCommit != 0 && e.commitTS == ts }
	s.mu.Lock()
	if open := s.matcher.unresolved[ts]; open != nil && by&byStart != 0 {
		e = entry{startTS: ts, at: open.at, size: open.size}
	}
	s.matcher.waiting.inMemory(func(w entry) {
		if is(w) {
			e = w
		}
	})
	runs := s.matcher.waiting.files()
	s.mu.Unlock()
	if e.startTS != 0 {
		return e, nil
	}
	if by&byCommit != 0 {
		got, err := s.findCommits(ts)
		if e, ok := got[ts]; ok || err != nil {
			return e, err
		}
	}
	if by&byStart == 0 {
		return e, ErrNotFound
	}
	for _, r := range runs {
		if r.last <= ts || r.first > ts+longest {
			continue
		}
		if e, err = s.findStart(ctx, s.readFile(r), 0, r.count, ts, p); !errors.Is(err, ErrNotFound) {
			return e, err
		}
	}
	n, err := s.after(ts)
	if err != nil {
		return e, err
	}
	return s.findStart(ctx, s.readIndex, n, 1<<63, ts, p)
}

// longest is how much later than its start TS a transaction commits at most. TiDB's limit is an
// hour by default.
const longest = nodes.TSO(24*60*60*1000) << 18

// findStart looks for a start TS among sorted entries, from number n up to end.
func (s *Store) findStart(ctx context.Context, read func(dst []entry, n uint64) ([]entry, error), n, end uint64, ts nodes.TSO, p *pace) (entry, error) {
	var batch []entry
	for n < end {
		if err := p.rest(ctx); err != nil {
			return entry{}, err
		}
		var err error
		if batch, err = read(batch[:0], n); err != nil {
			return entry{}, err
		}
		if len(batch) == 0 {
			break
		}
		for _, e := range batch {
			switch {
			case e.startTS == ts:
				return e, nil
			case e.commitTS > ts+longest:
				return entry{}, ErrNotFound
			}
		}
		n += uint64(len(batch))
	}
	return entry{}, ErrNotFound
}

// readFile reads blocks of a run.
func (s *Store) readFile(r run) func(dst []entry, n uint64) ([]entry, error) {
	return func(dst []entry, n uint64) ([]entry, error) {
		f, err := s.openRunFile(r)
		if err != nil {
			return dst, err
		}
		dst, err = f.read(dst, n, int(min(readBlock, r.count-n)))
		return dst, errors.Join(err, f.close())
	}
}

func (s *Store) openRunFile(r run) (*entryFile, error) {
	return openEntries(s.opts.FS, filepath.Join(s.opts.Dir, waitName(r.file)), 0)
}

// readIndex reads blocks of the index.
func (s *Store) readIndex(dst []entry, n uint64) ([]entry, error) {
	s.mu.Lock()
	if x := s.index; n >= x.written {
		tail := x.tail[min(n-x.written, uint64(len(x.tail))):]
		dst = append(dst, tail[:min(len(tail), readBlock)]...)
		s.mu.Unlock()
		return dst, nil
	}
	written := s.index.written
	s.mu.Unlock()
	return s.index.read(dst, n, int(min(readBlock, written-n)))
}

// findCommits finds the transactions with exactly these commit TSs among all that are
// committed and not purged, wherever they are. It reads the disk without the lock.
func (s *Store) findCommits(want ...nodes.TSO) (map[nodes.TSO]entry, error) {
	want = slices.Clone(want)
	slices.Sort(want)
	return again(func() (map[nodes.TSO]entry, error) { return s.findSorted(want) })
}

// again repeats what met a file that had gone away: something newer has its content by
// then, or it is purged.
func again[T any](do func() (T, error)) (T, error) {
	for range 10 {
		if got, err := do(); !errors.Is(err, fs.ErrNotExist) {
			return got, err
		}
	}
	return do()
}

func (s *Store) findSorted(want []nodes.TSO) (map[nodes.TSO]entry, error) {
	got := make(map[nodes.TSO]entry)
	lo, hi := want[0], want[len(want)-1]
	s.mu.Lock()
	s.matcher.waiting.inMemory(func(e entry) {
		if e.commitTS < lo || e.commitTS > hi {
			return
		}
		if _, ok := slices.BinarySearch(want, e.commitTS); ok {
			got[e.commitTS] = e
		}
	})
	// What is in no memory now is in one of these, or in the index, which comes last.
	runs := s.matcher.waiting.files()
	s.mu.Unlock()
	for _, r := range runs {
		if err := s.findInRun(r, want, got); err != nil {
			return nil, err
		}
	}
	return got, s.findInIndex(want, got)
}

func (s *Store) findInRun(r run, want []nodes.TSO, got map[nodes.TSO]entry) (err error) {
	var f *entryFile
	defer func() {
		if f != nil {
			err = errors.Join(err, f.close())
		}
	}()
	for _, ts := range want {
		if _, ok := got[ts]; ok || ts < r.first || ts > r.last {
			continue
		}
		if f == nil {
			if f, err = s.openRunFile(r); err != nil {
				return err
			}
		}
		if err := findIn(f, 0, r.count, ts, got); err != nil {
			return err
		}
	}
	return nil
}

// findIn looks for a commit TS among the entries [lo, hi) of a file.
func findIn(f *entryFile, lo, hi uint64, ts nodes.TSO, got map[nodes.TSO]entry) error {
	n, err := f.after(lo, hi, ts-1)
	if err != nil || n == hi {
		return err
	}
	e, err := f.read(nil, n, 1)
	if err == nil && e[0].commitTS == ts {
		got[ts] = e[0]
	}
	return err
}

func (s *Store) findInIndex(want []nodes.TSO, got map[nodes.TSO]entry) (err error) {
	var f *entryFile // the file read last: the next TS is likely to be in it, too
	defer func() {
		if f != nil {
			err = errors.Join(err, f.close())
		}
	}()
	for _, ts := range want {
		if _, ok := got[ts]; ok {
			continue
		}
		s.mu.Lock()
		x := s.index
		lo, hi := x.span(ts) // it is the last that is not larger
		if lo == hi {
			if lo > x.written && x.tail[lo-x.written-1].commitTS == ts {
				got[ts] = x.tail[lo-x.written-1]
			}
			s.mu.Unlock()
			continue
		}
		s.mu.Unlock()
		if f == nil || f.base != lo-lo%indexFileEntries {
			if f != nil {
				old := f
				f = nil
				if err := old.close(); err != nil {
					return err
				}
			}
			if f, err = x.open(lo); err != nil {
				return err
			}
		}
		if err := findIn(f, lo, hi, ts, got); err != nil {
			return err
		}
	}
	return nil
}

// pace keeps a long piece of work from taking a processor from those who write.
type pace struct{ began time.Time }

// rest sleeps four times as long as the work since the last rest took. nil does not rest.
func (p *pace) rest(ctx context.Context) error {
	if p == nil {
		return ctx.Err()
	}
	if p.began.IsZero() {
		p.began = time.Now()
		return ctx.Err()
	}
	worked := time.Since(p.began)
	if worked < time.Millisecond {
		return ctx.Err()
	}
	t := time.NewTimer(4 * worked)
	defer t.Stop()
	select {
	case <-t.C:
		p.began = time.Now()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
