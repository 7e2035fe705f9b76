package schema

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pumphouse/nodes"
)

// Early is called before the rows of a binlog, for each of its tables. Mostly it gives nil.
//
// When a job has come so far that clients may already write what the table's definition does not allow, it gives
// the DDL, for which it may wait as Reach does: its statement is to be run before those rows, which the definitions
// know from then on, and its own binlog is skipped when it comes. The job cannot be undone any more then. Nothing
// that TiDB does until it ends needs the old definition, because the states before and after are
// ones that servers may be in at the same time.
//
// For the same commit TS and table it gives the same DDL again: whoever was interrupted in a binlog begins it anew.
//
// unknown gives the IDs of columns that the rows have values of and the definition does not know (package txn finds
// them). It is called only where TiDB's meta data do not tell.
func (h *History) Early(ctx context.Context, commitTS nodes.TSO, version, tableID int64, unknown func() []int64) (*DDL, error) {
	t, ok := h.tables.Table(tableID)
	if !ok {
		return nil, nil
	}
	if h.given.commitTS != commitTS {
		h.given = given{commitTS: commitTS}
	}
	if d := h.given.ddl[t.ID]; d != nil {
		return d, nil
	}
	job, err := h.due(ctx, t, commitTS, version, unknown)
	if err != nil {
		return nil, fmt.Errorf("rows of table %s with commit TS %d: %w", t, commitTS, err)
	}
	if job == nil {
		return nil, nil
	}
	d := &DDL{Job: job, OnlyTiDB: job.Type.OnlyTiDB()}
	d.name(h.tables)
	if err := h.describe(ctx, d, commitTS, parseClient, job.Query); err != nil {
		return nil, err
	}
	h.skipLater(job.ID)
	if h.given.ddl == nil {
		h.given.ddl = make(map[int64]*DDL)
	}
	h.given.ddl[t.ID] = d
	return d, nil
}

// given is what Early has given for the tables of the last binlog.
type given struct {
	commitTS nodes.TSO
	ddl      map[int64]*DDL // by table ID
}

// due is the job that is to be reached before rows of a table, nil if there is none.
func (h *History) due(ctx context.Context, t *Table, commitTS nodes.TSO, version int64, unknown func() []int64) (*Job, error) {
	meta, ok := h.source.(Meta)
	if !ok {
		for _, column := range unknown() {
			if t.Column(column) < 0 {
				return h.dueByVersion(ctx, look{of: t}, commitTS, version)
			}
		}
		return nil, nil
	}
	l, err := h.look(ctx, meta, t, commitTS)
	switch {
	case err != nil:
		return nil, err
	case commitTS <= l.forgotten:
		return h.dueByVersion(ctx, l, commitTS, version)
	case l.since == 0 || commitTS < l.since:
		return nil, nil
	}
	return h.awaitJob(ctx, t, commitTS)
}

// dueByVersion is due where TiDB's meta data of the time are not known any more: the versions decide. They
// err only for a transaction that began before the job's step and came to the table after it, and for one that drops
// a key, when other jobs took steps at the same time.
func (h *History) dueByVersion(ctx context.Context, l look, commitTS nodes.TSO, version int64) (*Job, error) {
	if !l.searched {
		var err error
		if l.next, err = h.findJob(ctx, l.of, commitTS); err != nil {
			return nil, err
		}
		l.searched = true
		h.looks.tables[l.of.ID] = l
	}
	if l.next == nil || version < l.next.usable() || l.allowsNothing && l.next.Result.FinishedTS > l.forgotten {
		return nil, nil
	}
	return l.next, nil
}

// findJob looks for the next job on a table that ends after a time and lets clients write more: nil
// if none has ended.
func (h *History) findJob(ctx context.Context, t *Table, commitTS nodes.TSO) (found *Job, err error) {
	stop := errors.New("found")
	err = h.source.History(ctx, t.job, func(job *Job) error {
		info := job.Result.TableInfo
		if !job.Succeeded() || job.Result.FinishedTS <= commitTS || info == nil || info.ID != t.ID || !t.outgrown(info) {
			return nil
		}
		found = job
		return stop
	})
	if err != nil && !errors.Is(err, stop) {
		return nil, fmt.Errorf("search the DDL history: %w", err)
	}
	return found, nil
}

// awaitJob waits until there is such a job. It has come so far that it cannot be undone.
func (h *History) awaitJob(ctx context.Context, t *Table, commitTS nodes.TSO) (*Job, error) {
	bounded, cancel := context.WithTimeout(ctx, h.opts.JobTimeout)
	defer cancel()
	for {
		begun := time.Now()
		job, err := h.findJob(bounded, t, commitTS)
		if job != nil {
			return job, nil
		}
		if err != nil && bounded.Err() == nil {
			return nil, err
		}
		select {
		case <-bounded.Done():
			if ctx.Err() != nil {
				return nil, fmt.Errorf("wait for the DDL job that changes it: %w", ctx.Err())
			}
			return nil, fmt.Errorf("wait for the DDL job that changes it for %s: %w; look for it with ADMIN SHOW DDL JOBS: "+
				"does a long transaction or a dead TiDB server hold it?", h.opts.JobTimeout, ErrNoJob)
		case <-time.After(max(h.opts.Poll, 10*time.Since(begun))): // a long history takes its time
		}
	}
}

// skipLater says that a job's binlog, which is still to come, tells nothing new.
func (h *History) skipLater(id int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.reached[id]
	r.early = true
	h.reached[id] = r
}
