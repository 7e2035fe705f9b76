package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pumphouse/nodes"
)

// Early is called before the rows of a binlog that have values of columns that a table's
// definition does not know: those column IDs (package txn finds them). Mostly the columns are
// being added, nobody could set them yet, and the values are to be left out: then it gives nil.
//
// Within a multi-schema change, however, TiDB lets clients use the columns one or more rounds
// before the DDL binlog is written. Then it gives the DDL, for which it may wait as Reach does: its
// statement is to be run before those rows, which the definitions know from then on, and its own
// binlog is skipped when it comes. Nothing else that TiDB does until then needs the old definition,
// because the states before and after are ones that servers may be in at the same time.
func (h *History) Early(ctx context.Context, commitTS nodes.TSO, version, tableID int64, columns []int64) (*DDL, error) {
	t, ok := h.tables.Table(tableID)
	if !ok {
		return nil, nil
	}
	for _, column := range columns {
		if t.Column(column) >= 0 {
			continue
		}
		job, err := h.adds(ctx, t, column, commitTS, version)
		if err != nil {
			return nil, fmt.Errorf("rows with commit TS %d have values of the unknown column %d of table %s: %w", commitTS, column, t, err)
		}
		if job == nil {
			continue
		}
		d := &DDL{Job: job, OnlyTiDB: job.Type.OnlyTiDB()}
		d.name(h.tables)
		if err := h.describe(ctx, d, commitTS, parseClient, job.Query); err != nil {
			return nil, err
		}
		h.skipLater(job.ID)
		return d, nil
	}
	return nil, nil
}

// adds finds the job that has made an unknown column public for clients at a commit TS, nil if it
// is not.
func (h *History) adds(ctx context.Context, t *Table, column int64, commitTS nodes.TSO, version int64) (*Job, error) {
	public, err := h.publicAt(ctx, t, column, commitTS)
	if err == nil && public {
		return h.awaitJob(ctx, t, column)
	}
	if !errors.Is(err, ErrNoMeta) {
		return nil, err
	}
	// What TiDB's meta data said then is not known any more: the versions decide. They err only
	// for a transaction that began before the job's step and came to the table after it.
	job, err := h.findJob(ctx, t, column)
	if err != nil || job == nil || version < job.usable() {
		return nil, err
	}
	return job, nil
}

// present is what TiDB's meta data say of a table, from some commit TS on.
type present struct {
	until nodes.TSO
	info  *TableInfo // nil: there is no such table
}

// publicAt reports whether clients could use a column at a time. It remembers the definition as long
// as TiDB does not change it, so that a table with a long job takes two questions a moment, not
// two a row.
func (h *History) publicAt(ctx context.Context, t *Table, column int64, commitTS nodes.TSO) (bool, error) {
	meta, ok := h.source.(Meta)
	if !ok {
		return false, ErrNoMeta
	}
	p, ok := h.present[t.ID]
	if !ok || p.until < commitTS {
		var err error
		if p.info, err = meta.TableAt(ctx, t.SchemaID, t.ID, commitTS); err != nil {
			return false, err
		}
		p.until = commitTS
		if now, err := meta.Now(ctx); err != nil {
			return false, err
		} else if now > commitTS {
			later, err := meta.TableAt(ctx, t.SchemaID, t.ID, now)
			if err != nil && !errors.Is(err, ErrNoMeta) {
				return false, err
			}
			if p.info != nil && later != nil && p.info.UpdateTS == later.UpdateTS {
				p.until = now
			}
		}
		h.present[t.ID] = p
	}
	if p.info == nil {
		return false, nil
	}
	return p.info.public(column), nil
}

// public reports whether clients can use a column.
func (t *TableInfo) public(column int64) bool {
	return slices.ContainsFunc(t.Columns, func(c ColumnInfo) bool { return c.ID == column && c.State == StatePublic })
}

// findJob looks for the next job on a table that leaves a column for clients to use: nil if none
// has ended.
func (h *History) findJob(ctx context.Context, t *Table, column int64) (found *Job, err error) {
	stop := errors.New("found")
	err = h.source.History(ctx, t.job, func(job *Job) error {
		info := job.Result.TableInfo
		if !job.Succeeded() || info == nil || info.ID != t.ID || !info.public(column) {
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
func (h *History) awaitJob(ctx context.Context, t *Table, column int64) (*Job, error) {
	patience, cancel := context.WithTimeout(ctx, h.opts.Patience)
	defer cancel()
	for {
		begun := time.Now()
		job, err := h.findJob(patience, t, column)
		if job != nil {
			return job, nil
		}
		if err != nil && patience.Err() == nil {
			return nil, err
		}
		select {
		case <-patience.Done():
			if ctx.Err() != nil {
				return nil, fmt.Errorf("wait for the DDL job that adds it: %w", ctx.Err())
			}
			return nil, fmt.Errorf("wait for the DDL job that adds it for %s: %w; look for it with ADMIN SHOW DDL JOBS: "+
				"does a long transaction or a dead TiDB server hold it?", h.opts.Patience, ErrNoJob)
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
