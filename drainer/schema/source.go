package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pumphouse/nodes"
)

// Source is where DDL jobs come from. TiKV is one: TiDB's meta data keep the ended jobs in the
// hash DDLJobHistory (keys "m" + the encoded hash name, field: the job's ID), so by ID.
type Source interface {
	// History calls each with every ended job whose ID is larger than after, in order of ID, one
	// at a time: it does not hold more than a few of them. An error of each ends it and comes back.
	History(ctx context.Context, after int64, each func(*Job) error) error
	// Job is the ended job with an ID; ErrNoJob when there is none (yet): a job comes into the
	// history a moment after its DDL binlog, DROP COLUMN some seconds after its first one.
	Job(ctx context.Context, id int64) (*Job, error)
}

// Meta is what a [Source] that reads TiDB's meta data can tell beside the history: the definition
// of a table while a job on it is running.
type Meta interface {
	// TableAt is the definition of a table as transactions see it that begin at ts: nil when there
	// is no such table then. ErrNoMeta when nobody knows any more.
	TableAt(ctx context.Context, schemaID, tableID int64, ts nodes.TSO) (*TableInfo, error)
	// Now is a time stamp larger than those of all transactions that have been committed.
	Now(ctx context.Context) (nodes.TSO, error)
	// Altered says whose definitions TiDB has changed since a schema version, as of now: with 0 for that
	// version, of none of them.
	Altered(ctx context.Context, since int64) (Altered, error)
}

// Altered is what TiDB has changed up to a time.
type Altered struct {
	Now     nodes.TSO // larger than the commit TSs of all transactions that have been committed
	Version int64     // the newest schema version as of then
	Tables  []int64   // IDs of the tables that later versions than the one asked about have changed
	All     bool      // any table may have been changed
}

// Snapshot is what a [Source] that reads TiDB's meta data can tell of all tables at a time, also of
// those that no DDL job has made: tables restored by BR or PITR, for instance.
type Snapshot interface {
	Meta
	// DatabasesAt are the databases as transactions see them that begin at ts. ErrNoMeta when
	// nobody knows any more.
	DatabasesAt(ctx context.Context, ts nodes.TSO) ([]*DBInfo, error)
	// TablesAt calls each with every table of a database as transactions see them that begin at ts,
	// and holds a few of them at a time. An error of each ends it and comes back. ErrNoMeta may
	// come after some tables: they are not to be used then.
	TablesAt(ctx context.Context, schemaID int64, ts nodes.TSO, each func(*TableInfo) error) error
}

// Dir is a Source made of a directory with a file <job ID>.json for each job, TiDB's own JSON.
// Other files are not looked at. Jobs may be added while it is used.
type Dir string

// History implements Source.
func (d Dir) History(ctx context.Context, after int64, each func(*Job) error) error {
	ids, err := d.JobIDs(ctx)
	if err != nil {
		return err
	}
	i, _ := slices.BinarySearch(ids, after+1)
	for _, id := range ids[i:] {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read the DDL jobs: %w", err)
		}
		job, err := d.Job(ctx, id)
		if errors.Is(err, ErrNoJob) {
			continue // not ended, or gone since
		}
		if err != nil {
			return err
		}
		if err := each(job); err != nil {
			return err
		}
	}
	return nil
}

// JobIDs implements [Lister].
func (d Dir) JobIDs(context.Context) ([]int64, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, fmt.Errorf("list the DDL jobs: %w", err)
	}
	var ids []int64
	for _, e := range entries {
		text, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok {
			continue
		}
		if id, err := strconv.ParseInt(text, 10, 64); err == nil && text == strconv.FormatInt(id, 10) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Job implements Source.
func (d Dir) Job(_ context.Context, id int64) (*Job, error) {
	name := filepath.Join(string(d), strconv.FormatInt(id, 10)+".json")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %d", ErrNoJob, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read DDL job %d: %w", id, err)
	}
	job, err := ParseJob(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if job.ID != id {
		return nil, fmt.Errorf("read %s: %w: it is job %d", name, ErrBadJob, job.ID)
	}
	if !job.Ended() {
		return nil, fmt.Errorf("%w: %s has not ended", ErrNoJob, job)
	}
	return job, nil
}
