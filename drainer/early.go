package drainer

import (
	"context"
	"slices"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
)

// early gives the DDL statements that have to be run before the rows of b, though their own
// binlogs come later (see [schema.History.Early]). They go downstream with b, as one unit: a
// checkpoint is before both or after both.
func (dec *decoder) early(ctx context.Context, h *schema.History, b *txn.Binlog, find txn.Finder) ([]sink.Statement, error) {
	var list []sink.Statement
	var given []*schema.DDL // a partition's rows are rows of the table
	err := b.Tables(find, func(t *schema.Table, unknown func() []int64) error {
		d, err := h.Early(ctx, b.CommitTS, b.SchemaVersion, t.ID, unknown)
		if err != nil || d == nil || slices.Contains(given, d) {
			return err
		}
		given = append(given, d)
		dec.metrics.ddlJobs.Inc()
		log := dec.say(b).WithField("query", d.Job.Query)
		switch {
		case dec.ignored[b.CommitTS]:
			log.Warn("a DDL is left out with the transaction that needs it first, as ignore-txn-commit-ts says: run it downstream by hand if it was not")
			return nil
		case dec.skipDDL:
			log.WithField("reason", "sync-ddl = false").Info("a DDL is left out")
			return nil
		}
		j := &unfiltered{DDL: d, node: one(d.Job.Query)}
		switch ignored, err := dec.migrate.ignores(j, d.Job.Query); {
		case err != nil:
			return err
		case ignored:
			log.WithField("reason", "binlog-filter-rule").Info("a DDL is left out")
			return nil
		}
		if _, err := dec.migrate.redirects(d, d.TablesAfter, dec.wants); err != nil {
			return err
		}
		log.Info("a DDL goes downstream before its binlog: clients may already write what it allows")
		list = append(list, sink.Statement{DDL: d, Query: d.Job.Query})
		return nil
	})
	return list, err
}
