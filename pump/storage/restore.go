package storage

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"pumphouse/nodes"
)

// Outcome is how a transaction ended.
type Outcome struct {
	StartTS  nodes.TSO
	CommitTS nodes.TSO // 0: it was rolled back
}

// fromIndex finds the outcomes that were in holes and that the index knows. See "Repairing" in
// doc.go for why it does. n is the number of the index's last entry, last that entry.
func (r *repair) fromIndex(n uint64, last entry) (known []Outcome, err error) {
	t, lowest := &r.tally, last.commitTS
	wanted := make(map[nodes.TSO]bool)
	for start, p := range t.open {
		in := t.holes[p.holes:]
		beyond := func(h hole) bool { return h.To > last.commitTS }
		if len(in) == 0 || p.floor >= last.commitTS || slices.ContainsFunc(in, beyond) {
			continue
		}
		wanted[start] = true
		lowest = min(lowest, p.floor)
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	if is, err := r.holdsPrewrite(last); !is || err != nil {
		return nil, err
	}
	commits, from, err := r.indexedAfter(lowest, n, wanted)
	if err != nil {
		return nil, err
	}
	for start := range wanted {
		if at := commits[start]; at != 0 || from <= max(t.open[start].floor, r.PurgedTS) {
			known = append(known, Outcome{start, at})
		}
	}
	slices.SortFunc(known, func(a, b Outcome) int { return cmp.Compare(a.StartTS, b.StartTS) })
	return known, nil
}

// holdsPrewrite reports whether the log has the prewrite of an entry. If not, a power failure took the end of the log,
// and the index may be of transactions that nobody was told of.
func (r *repair) holdsPrewrite(e entry) (bool, error) {
	p, err := r.examine(e.at.seg)
	if err != nil || p.head == nil {
		return false, errors.Join(err, p.close())
	}
	var b [headerSize]byte
	if _, err := p.file.ReadAt(b[:], e.at.offset()); err != nil {
		return false, p.close()
	}
	h, ok := parseHeader(b[:], p.seed, e.at.offset())
	return ok && h.typ == Prewrite && h.startTS == e.startTS, p.close()
}

// indexedAfter reads the index from entry n back to a commit TS, and gives the commit TSs of the transactions that
// are wanted. All after from was readable.
func (r *repair) indexedAfter(ts nodes.TSO, n uint64, wanted map[nodes.TSO]bool) (commits map[nodes.TSO]nodes.TSO, from nodes.TSO, err error) {
	commits, from = make(map[nodes.TSO]nodes.TSO), 1<<62
	for end := n + 1; end > 0 && from > ts; {
		base := (end - 1) / indexFileEntries * indexFileEntries
		begin := max(base, end-min(end, tailEntries))
		f, err := openEntries(r.opts.FS, filepath.Join(r.opts.Dir, indexName(indexFileOf(base))), base)
		if errors.Is(err, fs.ErrNotExist) {
			return commits, from, nil
		}
		if err != nil {
			return nil, 0, err
		}
		got, err := f.read(nil, begin, int(end-begin))
		var damage *DamageError
		switch err = errors.Join(err, f.close()); {
		case errors.As(err, &damage):
			return commits, from, nil
		case err != nil:
			return nil, 0, err
		}
		for _, e := range got {
			if wanted[e.startTS] {
				commits[e.startTS] = e.commitTS
			}
		}
		end, from = begin, got[0].commitTS-1
		if end == 0 {
			from = 0
		}
	}
	return commits, from, nil
}

// restore writes the outcomes that the index knew to the end of the log. A crash before it has ended leaves their
// transactions unresolved.
func (r *repair) restore() error {
	if len(r.Restored) == 0 {
		return nil
	}
	s, err := Open(Options{Dir: r.opts.Dir, FS: r.opts.FS, Logger: r.opts.Logger, SegmentBytes: r.opts.SegmentBytes, SyncLog: true})
	if err != nil {
		return err
	}
	for _, o := range r.Restored {
		rec := Record{Type: Rollback, StartTS: o.StartTS}
		if o.CommitTS != 0 {
			rec.Type, rec.CommitTS = Commit, o.CommitTS
		}
		err = errors.Join(err, s.Append(context.Background(), rec))
	}
	return errors.Join(err, s.Close())
}
