package restore

import (
	"context"
	"sync/atomic"

	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// divergences are rows that were to be changed and were not found.
type divergences struct{ n atomic.Uint64 }

func (d *divergences) count() uint64 { return d.n.Load() }

// diverged says where rows were not found.
func (r *restore) diverged(d nodes.TableDivergences) {
	if r.diverge.n.Add(d.Count) == d.Count {
		r.opts.Logger.WithField("table", d.Table).WithField("first", d.First).
			Warn("rows to be changed are not in the database: it was not as the upstream was at the start of the files; more of that is only counted")
	}
}

// find finds tables in the database.
func (r *restore) find(ctx context.Context) func(schemaName, table string) (*schema.Table, error) {
	return func(schemaName, table string) (*schema.Table, error) { return r.tables.find(ctx, schemaName, table) }
}
