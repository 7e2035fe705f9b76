package drainer

import (
	"context"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
)

// early gives the DDL statements that have to be run before the rows of b, though their own
// binlogs come later (see [schema.History.Early]). They go downstream with b, as one unit: a
// checkpoint is before both or after both.
func (dec *decoder) early(ctx context.Context, h *schema.History, b *txn.Binlog, find txn.Finder) ([]sink.Statement, error) {
	unknown, err := b.Unknown(find)
	if err != nil || len(unknown) == 0 {
		return nil, err
	}
	var list []sink.Statement
	for _, u := range unknown {
		d, err := h.Early(ctx, b.CommitTS, b.SchemaVersion, u.Table.ID, u.Columns)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue
		}
		dec.metrics.ddlJobs.Inc()
		log := dec.say(b).WithField("query", d.Job.Query)
		switch {
		case dec.ignored[b.CommitTS]:
			log.Warn("a DDL is left out with the transaction that needs it first, as ignore-txn-commit-ts says: run it downstream by hand if it was not")
			continue
		case dec.skipDDL:
			log.WithField("reason", "sync-ddl = false").Info("a DDL is left out")
			continue
		}
		j := &judged{DDL: d, node: one(d.Job.Query)}
		switch ignored, err := dec.migrate.ignores(j, d.Job.Query); {
		case err != nil:
			return nil, err
		case ignored:
			log.WithField("reason", "binlog-filter-rule").Info("a DDL is left out")
			continue
		}
		if _, err := dec.migrate.redirects(d, d.TablesAfter, dec.wants); err != nil {
			return nil, err
		}
		log.Info("a DDL goes downstream before its binlog: rows use its columns already")
		list = append(list, sink.Statement{DDL: d, Query: d.Job.Query})
	}
	return list, nil
}
