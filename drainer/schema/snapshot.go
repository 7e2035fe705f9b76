package schema

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pumphouse/nodes"
)

// busy are the tables that have a job under way at a position: the history knows what the
// downstream has of them, TiDB's meta data of that moment may be a step ahead.
type busy map[int64]bool

func (b busy) add(job *Job) {
	b[job.TableID] = true
	if info := job.Result.TableInfo; info != nil {
		b[info.ID] = true
	}
	for _, info := range job.Result.Tables {
		if info != nil {
			b[info.ID] = true
		}
	}
}

// loadSnapshot takes the definitions that TiDB's meta data had at a commit TS, in place of those that
// the history gives, but for tables that are busy. If the meta data of that time are gone,
// those that have not changed since are taken where the history has none.
func (h *History) loadSnapshot(ctx context.Context, at nodes.TSO, working busy) error {
	snap, ok := h.source.(Snapshot)
	if !ok {
		return errors.New("load the schema snapshot: the DDL jobs come from a directory, which has none: leave out load-schema-snapshot")
	}
	fresh := h.tables.clone()
	seen := make(map[int64]bool)
	err := eachTable(ctx, snap, at, func(db *database, info *TableInfo) error {
		seen[info.ID] = true
		if _, known := fresh.tables[info.ID]; known && working[info.ID] {
			return nil
		}
		return fresh.putSnapshot(db, info)
	})
	if err == nil {
		for id := range fresh.tables {
			if !seen[id] && !working[id] {
				fresh.drop(id)
			}
		}
	}
	if errors.Is(err, ErrNoMeta) {
		fresh, err = h.unchanged(ctx, snap, at)
	}
	if err != nil {
		return fmt.Errorf("load the schema snapshot as of commit TS %s (%s): %w", at, at.Time().Format(time.RFC3339), err)
	}
	h.tables, h.shared = fresh, false
	return nil
}

// unchanged are the tables and, beside them, those of TiDB's meta data of now that have not changed
// since a time that GC has overtaken.
func (h *History) unchanged(ctx context.Context, snap Snapshot, at nodes.TSO) (*Tables, error) {
	now, err := snap.Now(ctx)
	if err != nil {
		return nil, err
	}
	fresh := h.tables.clone()
	err = eachTable(ctx, snap, now, func(db *database, info *TableInfo) error {
		if _, known := fresh.tables[info.ID]; known || !info.sinceThen(at) {
			return nil
		}
		return fresh.putSnapshot(db, info)
	})
	return fresh, err
}

// sinceThen reports whether a definition has been what it is since a time.
func (t *TableInfo) sinceThen(at nodes.TSO) bool { return t.UpdateTS > 0 && t.UpdateTS <= at }

// eachTable goes through all tables of a time.
func eachTable(ctx context.Context, snap Snapshot, at nodes.TSO, each func(*database, *TableInfo) error) error {
	list, err := snap.DatabasesAt(ctx, at)
	if err != nil {
		return err
	}
	for _, info := range list {
		db := &database{id: info.ID, name: info.Name.O, charset: info.Charset, collate: info.Collate}
		if err := snap.TablesAt(ctx, db.id, at, func(t *TableInfo) error { return each(db, t) }); err != nil {
			return err
		}
	}
	return nil
}

// putSnapshot makes the definition of a table that of TiDB's meta data.
func (ts *Tables) putSnapshot(db *database, info *TableInfo) error {
	t, err := newTable(db, info, ts.version)
	if err != nil {
		return err
	}
	if now, ok := ts.tables[t.ID]; ok {
		t.Version, t.job, t.finished = now.Version, now.job, now.finished
	}
	ts.databases[db.id] = db
	ts.set(t)
	return nil
}

// lookUp looks in TiDB's meta data for a table that no job explains, as transactions see it that begin at
// a time. nil: there is no such table, or nobody can tell.
func (h *History) lookUp(ctx context.Context, id int64, at nodes.TSO) (*Table, error) {
	snap, ok := h.source.(Snapshot)
	if !ok {
		return nil, nil
	}
	db, info, err := tableAt(ctx, snap, id, at)
	if errors.Is(err, ErrNoMeta) {
		now, nowErr := snap.Now(ctx)
		if nowErr != nil {
			return nil, nowErr
		}
		var stillErr error
		if db, info, stillErr = tableAt(ctx, snap, id, now); stillErr != nil {
			return nil, stillErr
		}
		if info == nil || !info.sinceThen(at) {
			return nil, err
		}
		err = nil
	}
	if err != nil || info == nil {
		return nil, err
	}
	h.own()
	if err := h.tables.putSnapshot(db, info); err != nil {
		return nil, err
	}
	return h.tables.tables[id], nil
}

// tableAt finds a table in whatever database it is.
func tableAt(ctx context.Context, snap Snapshot, id int64, at nodes.TSO) (*database, *TableInfo, error) {
	list, err := snap.DatabasesAt(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	for _, db := range list {
		info, err := snap.TableAt(ctx, db.ID, id, at)
		if err != nil {
			return nil, nil, err
		}
		if info != nil {
			return &database{id: db.ID, name: db.Name.O, charset: db.Charset, collate: db.Collate}, info, nil
		}
	}
	return nil, nil, nil
}

// lookUpBefore looks for tables that a job is about and no job before it explains, as they were before
// its binlog: names, and what an exchange gives away, come from there. What is not found is
// left to whoever needs it.
func (h *History) lookUpBefore(ctx context.Context, job *Job, commitTS nodes.TSO) error {
	for _, id := range job.about() {
		if _, known := h.tables.Table(id); known || id <= 0 || h.tables.Dropped(id) {
			continue
		}
		if _, err := h.lookUp(ctx, id, commitTS-1); err != nil && !errors.Is(err, ErrNoMeta) {
			return err
		}
	}
	return nil
}

// about are the tables that a job found when it began.
func (j *Job) about() []int64 {
	switch j.Type {
	case ActionCreateSchema, ActionDropSchema, ActionCreateTable, ActionCreateTables, ActionCreateView, ActionCreateSequence,
		ActionRecoverTable, ActionRecoverSchema:
		return nil
	case ActionRenameTables:
		var ids []int64
		for _, info := range j.Result.Tables {
			if info != nil {
				ids = append(ids, info.ID)
			}
		}
		return ids
	case ActionExchangePartition:
		if j.Result.TableInfo != nil {
			return []int64{j.TableID, j.Result.TableInfo.ID}
		}
	}
	return []int64{j.TableID}
}
