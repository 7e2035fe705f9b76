package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pumphouse/nodes"
)

// Position is a place in the stream of binlogs: what a checkpoint keeps so that a [History] can
// be opened there again.
//
// A job whose FinishedTS is at or before CommitTS is covered: its DDL binlog has a smaller commit
// TS. A few with a larger FinishedTS may be covered too, and DROP COLUMN counts from its first
// binlog on; Reached lists those. A checkpoint without that list (of an old drainer, or just a
// commit TS) leaves Exact false: then the schema versions that rows carry decide. That is wrong
// for transactions that began before such a job's last step, and between the two binlogs of a
// DROP COLUMN next to other DDL; a start that is not within a moment of DDL has neither.
type Position struct {
	CommitTS nodes.TSO // everything up to and including it is covered
	Reached  []int64   // IDs of jobs
	Exact    bool      // Reached is complete
}

// KeptTables is for how many tables an encoder keeps what it has made of their definitions, which come and go with DDL.
const KeptTables = 4096

// Options of a History.
type Options struct {
	// JobTimeout is how long a job that is not in the history is waited for. Default 10 min.
	JobTimeout time.Duration
	// Poll is the time between two looks for such a job. Default 100 ms.
	Poll time.Duration
	// Waiting, if set, is called once for each job that has to be waited for.
	Waiting func(jobID int64)
	// Loading, if set, is called by Open with how many jobs it has read, for each.
	Loading func(jobs int)
	// LoadSnapshot takes the definitions at the position from TiDB's meta data ([Snapshot]), not
	// from the jobs. Without it this is done when the jobs turn out to be incomplete.
	LoadSnapshot bool
	// Saved, if set, is where Open finds definitions, and leaves them when it had to read many jobs.
	Saved *Saved
}

// History goes through the DDL jobs in the order of the stream. It is for one goroutine, but for
// Position.
type History struct {
	source Source
	opts   Options
	tables *Tables
	shared bool // tables were given away: clone before the next change
	// pending are the jobs after the start that were in the history when it was opened, by
	// FinishedTS, without those applied since.
	pending  []pendingJob
	searched nodes.TSO // where the source was searched last
	looks    looks
	given    given

	mu      sync.Mutex
	reached map[int64]reachedJob // jobs that a Position may have to list
}

// pendingJob is a job to be applied in its turn; the source has the rest of it.
type pendingJob struct {
	id       int64
	table    int64 // 0: none
	finished nodes.TSO
	// guess: its binlog may precede the start, which rows of at least this schema version show.
	guess int64 // 0: no
}

// reachedJob is a job that was applied with its binlog.
type reachedJob struct {
	at       nodes.TSO // commit TS of its (first) binlog
	finished nodes.TSO
	early    bool // a binlog of it that comes is to be skipped
}

// Open reads the history up to a position. It holds one job at a time.
func Open(ctx context.Context, source Source, at Position, opts Options) (*History, error) {
	opts.JobTimeout = cmp.Or(opts.JobTimeout, 10*time.Minute)
	opts.Poll = cmp.Or(opts.Poll, 100*time.Millisecond)
	base, err := opts.Saved.load(ctx, source, at.CommitTS)
	if err != nil {
		return nil, err
	}
	h := &History{source: source, opts: opts, tables: base.tables,
		looks: looks{tables: make(map[int64]look)}, reached: make(map[int64]reachedJob)}
	load, working, jobs := opts.LoadSnapshot, busy{}, 0
	incomplete := false
	err = source.History(ctx, base.first, func(job *Job) error {
		if base.has(job.ID) {
			return nil
		}
		if jobs++; opts.Loading != nil {
			opts.Loading(jobs)
		}
		switch {
		case !job.Succeeded():
			base.add(job)
			return nil
		case job.Result.FinishedTS <= at.CommitTS:
			base.add(job)
			err := h.apply(ctx, job)
			if _, ok := source.(Snapshot); ok && errors.Is(err, errIncomplete) {
				incomplete, err = true, nil
			}
			return err
		}
		if job.StartTS <= at.CommitTS {
			working.add(job)
		}
		p := pendingJob{id: job.ID, table: job.TableID, finished: job.Result.FinishedTS}
		if !at.Exact && job.StartTS <= at.CommitTS {
			p.guess = guess(job)
		}
		h.pending = append(h.pending, p)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load the DDL history: %w", err)
	}
	if !incomplete {
		opts.Saved.keep(at.CommitTS, base, h.tables)
	}
	if load || incomplete {
		if err := h.loadSnapshot(ctx, at.CommitTS, working); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(h.pending, func(a, b pendingJob) int { return cmp.Compare(a.finished, b.finished) })
	return h, h.applyReached(ctx, at)
}

// guess is the smallest schema version of rows that shows that a job's binlog precedes them.
func guess(job *Job) int64 {
	version := job.Result.SchemaVersion
	switch job.Type {
	case ActionMultiSchemaChange:
		return version + 1 // its last version is there a while before its binlog
	case ActionDropColumn:
		return version - 2 // delete-only, the state of its first binlog; or a little more
	}
	return version
}

// applyReached applies the jobs that a position lists. A DROP COLUMN that has not ended yet is
// waited for, as when its first binlog came.
func (h *History) applyReached(ctx context.Context, at Position) error {
	for _, id := range at.Reached {
		job, err := h.ended(ctx, id)
		if err != nil {
			return err
		}
		if err := h.reach(ctx, job, at.CommitTS); err != nil {
			return err
		}
		h.skipLater(id) // it was the first binlog of two, or reached early
	}
	return nil
}

// reach applies a job with its binlog. A job that was reached before has been so since then:
// a position between its two binlogs has to list it, also when the second one has come.
func (h *History) reach(ctx context.Context, job *Job, at nodes.TSO) error {
	h.pending = slices.DeleteFunc(h.pending, func(p pendingJob) bool { return p.id == job.ID })
	if err := h.apply(ctx, job); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r, before := h.reached[job.ID]
	if !before || at < r.at {
		r.at = at
	}
	r.finished = job.Result.FinishedTS
	h.reached[job.ID] = r
	return nil
}

// Tables are the definitions as they are now.
func (h *History) Tables() *Tables {
	h.shared = true
	return h.tables
}

// Position is what a checkpoint at a commit TS has to keep. The commit TS may be one that was
// passed a while ago, but not one below that of the last call. It may be called by any goroutine.
func (h *History) Position(commitTS nodes.TSO) Position {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := Position{CommitTS: commitTS, Exact: true}
	for id, r := range h.reached {
		switch {
		case r.finished <= commitTS:
			delete(h.reached, id)
		case r.at <= commitTS:
			p.Reached = append(p.Reached, id)
		}
	}
	slices.Sort(p.Reached)
	return p
}

// Advance is called before the rows of a binlog, with its commit TS and the schema version it
// carries. It applies jobs that precede the binlog and have none themselves.
func (h *History) Advance(ctx context.Context, commitTS nodes.TSO, version int64) error {
	for i := 0; i < len(h.pending); {
		p := h.pending[i]
		if p.finished > commitTS && p.guess == 0 {
			return nil // the guesses began before the start: they are all in front of it, or soon are
		}
		if p.finished > commitTS && p.guess > version {
			i++
			continue
		}
		h.pending = slices.Delete(h.pending, i, i+1)
		job, err := h.source.Job(ctx, p.id)
		if err != nil {
			return fmt.Errorf("load DDL job %d: %w", p.id, err)
		}
		if p.finished > commitTS { // guessed: its last binlog may be still to come
			err = h.reach(ctx, job, commitTS)
		} else {
			err = h.apply(ctx, job)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Find is the table of a row, or nil when it is known to be gone and the row is to be dropped.
// For an unknown one the source is searched once more, for jobs without a DDL binlog (of a TiDB
// server that runs without binlog), and then TiDB's meta data, for tables that no job has made.
// commitTS is that of the row's binlog. ErrNoTable, ErrNoMeta.
func (h *History) Find(ctx context.Context, id int64, commitTS nodes.TSO) (*Table, error) {
	if t, ok := h.tables.Table(id); ok {
		return t, nil
	}
	if h.tables.Dropped(id) {
		return nil, nil
	}
	if commitTS > h.searched {
		if err := h.search(ctx, commitTS); err != nil {
			return nil, err
		}
		if t, ok := h.tables.Table(id); ok {
			return t, nil
		}
	}
	t, err := h.lookUp(ctx, id, commitTS)
	if t == nil && err == nil {
		err = errors.New("TiDB's meta data do not have it either: is it another cluster's?")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: ID %d is in no job of the DDL history: %w", ErrNoTable, id, err)
	}
	return t, nil
}

// search applies jobs that have come into the history since it was opened, up to a commit TS.
// Those that are in the tables already leave them as they are.
func (h *History) search(ctx context.Context, commitTS nodes.TSO) error {
	from := max(h.searched, h.tables.finished)
	h.searched = commitTS
	err := h.source.History(ctx, 0, func(job *Job) error {
		if at := job.Result.FinishedTS; !job.Succeeded() || at <= from || at > commitTS {
			return nil
		}
		return h.apply(ctx, job)
	})
	if err != nil {
		return fmt.Errorf("search the DDL history: %w", err)
	}
	return nil
}

// apply applies a job that succeeded.
func (h *History) apply(ctx context.Context, job *Job) error {
	h.own()
	if job.Type == ActionRecoverSchema {
		return h.recoverSchema(ctx, job)
	}
	return h.tables.apply(job)
}

// own makes the tables ones that nobody else looks at.
func (h *History) own() {
	if h.shared {
		h.tables, h.shared = h.tables.clone(), false
	}
}

// ended waits for a job to be in the history.
func (h *History) ended(ctx context.Context, id int64) (*Job, error) {
	job, err := h.source.Job(ctx, id)
	if !errors.Is(err, ErrNoJob) {
		return job, err
	}
	if h.opts.Waiting != nil {
		h.opts.Waiting(id)
	}
	bounded, cancel := context.WithTimeout(ctx, h.opts.JobTimeout)
	defer cancel()
	tick := time.NewTicker(h.opts.Poll)
	defer tick.Stop()
	for {
		select {
		case <-bounded.Done():
			if ctx.Err() != nil {
				return nil, fmt.Errorf("wait for DDL job %d: %w", id, ctx.Err())
			}
			return nil, fmt.Errorf("wait for DDL job %d for %s: %w; look for it with ADMIN SHOW DDL JOBS: "+
				"if it is paused, resume it", id, h.opts.JobTimeout, err)
		case <-tick.C:
		}
		if job, err = h.source.Job(ctx, id); !errors.Is(err, ErrNoJob) {
			return job, err
		}
	}
}

// recoverSchema brings back the tables of a database that was dropped. The job does not have
// them: they are what they were when it was dropped.
func (h *History) recoverSchema(ctx context.Context, job *Job) error {
	past := newTables()
	var back []*Table
	err := h.source.History(ctx, 0, func(j *Job) error {
		if j.ID >= job.ID || !j.Succeeded() || j.Type == ActionRecoverSchema {
			return nil
		}
		if j.Type == ActionDropSchema && j.SchemaID == job.SchemaID {
			back = back[:0]
			for _, t := range past.All() {
				if t.SchemaID == job.SchemaID {
					back = append(back, t)
				}
			}
		}
		return past.apply(j)
	})
	if err != nil {
		return fmt.Errorf("apply %s: %w", job, err)
	}
	db := &database{id: job.SchemaID, name: job.SchemaName}
	if info := job.Result.DBInfo; info != nil {
		db.name, db.charset, db.collate = info.Name.O, info.Charset, info.Collate
	}
	h.tables.databases[job.SchemaID] = db
	for _, t := range back {
		moved := *t
		moved.Schema, moved.Version, moved.job, moved.finished = db.name, job.Result.SchemaVersion, job.ID, job.Result.FinishedTS
		h.tables.set(&moved)
	}
	h.tables.passed(job)
	return nil
}
