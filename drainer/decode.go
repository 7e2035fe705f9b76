package drainer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pumphouse/drainer/merge"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"

	"github.com/sirupsen/logrus"
)

// decoder makes transactions of binlogs and leaves out what the configuration names.
type decoder struct {
	filter  *txn.Filter
	ignored map[nodes.TSO]bool
	skipDDL bool
	zone    *time.Location
	keep    func(schema, table string) bool // see Options.Keep
	log     logrus.FieldLogger
	metrics *metrics
}

func newDecoder(opts Options, filter *txn.Filter, m *metrics) decoder {
	ignored := make(map[nodes.TSO]bool, len(opts.IgnoreTxns))
	for _, ts := range opts.IgnoreTxns {
		ignored[ts] = true
	}
	return decoder{filter: filter, ignored: ignored, skipDDL: opts.SkipDDL, zone: opts.Downstream.Zone(), keep: opts.Keep, log: opts.Logger, metrics: m}
}

// decode makes transactions of what a pump delivered: mostly one, none if nothing of it is for
// the downstream. It calls before in front of a DDL, which may take a while. Errors that are not
// ctx's name the transaction and the cure.
func (dec *decoder) decode(ctx context.Context, h *schema.History, item *merge.Item, before func()) (txns []*sink.Txn, err error) {
	b, err := txn.Parse(item.Payload)
	switch {
	case err != nil && dec.ignored[nodes.TSO(item.CommitTS)]:
		dec.log.WithField("commit_ts", item.CommitTS).WithError(err).Warn("a binlog that cannot be read is left out, as ignore-txn-commit-ts says")
		return nil, nil
	case err != nil:
	case b.DDL():
		before()
		txns, err = dec.ddl(ctx, h, b)
	default:
		txns, err = dec.rows(ctx, h, b)
	}
	if err != nil {
		return nil, dec.stuck(item, err)
	}
	return txns, nil
}

// stuck is the error that ends the drainer at a transaction, or lets it go on behind it if
// the configuration names it; see decode.
func (dec *decoder) stuck(item *merge.Item, err error) error {
	return fmt.Errorf("transaction with commit TS %d of pump %q: %w; nothing behind it is applied. "+
		"If it may be missing downstream, add %d to ignore-txn-commit-ts in [syncer], start the drainer again and repair the downstream by hand",
		item.CommitTS, item.Pump, err, item.CommitTS)
}

// rows decodes a transaction with rows.
func (dec *decoder) rows(ctx context.Context, h *schema.History, b *txn.Binlog) ([]*sink.Txn, error) {
	if err := h.Advance(ctx, b.CommitTS, b.SchemaVersion); err != nil {
		return nil, err
	}
	find := func(id int64) (*schema.Table, error) {
		table, err := h.Find(ctx, id, b.CommitTS)
		if err != nil || table == nil || dec.skip(table.Schema, table.Name) {
			return nil, err
		}
		return table, nil
	}
	t := &sink.Txn{StartTS: b.StartTS, CommitTS: b.CommitTS}
	var err error
	t.Early, err = dec.early(ctx, h, b, find)
	if dec.ignored[b.CommitTS] && ctx.Err() == nil {
		dec.say(b).Warn("a transaction is left out, as ignore-txn-commit-ts says")
		return nil, nil // whatever is wrong with it
	}
	if err != nil {
		return nil, err
	}
	err = b.Each(find, dec.zone, func(c *txn.Change) error {
		t.Changes = append(t.Changes, c)
		return nil
	})
	if err != nil || t.Empty() {
		return nil, err
	}
	return []*sink.Txn{t}, nil
}

// skip tells whether a table is left out.
func (dec *decoder) skip(schema, table string) bool {
	return dec.filter.Skip(schema, table) && (dec.keep == nil || !dec.keep(schema, table))
}

// ddl makes a DDL known to the definitions and decides whether it is for the downstream.
func (dec *decoder) ddl(ctx context.Context, h *schema.History, b *txn.Binlog) ([]*sink.Txn, error) {
	t := &sink.Txn{StartTS: b.StartTS, CommitTS: b.CommitTS, Query: string(b.DDLQuery)}
	d, err := h.Reach(ctx, b.CommitTS, b.DDLJobID, b.DDLState, t.Query)
	log := dec.say(b).WithField("query", t.Query)
	switch {
	case err != nil && dec.ignored[b.CommitTS] && (errors.Is(err, schema.ErrBadJob) || errors.Is(err, schema.ErrNoJob)):
		log.WithError(err).Warn("a DDL is left out, as ignore-txn-commit-ts says, and table definitions stay as they were")
		return nil, nil
	case err != nil:
		return nil, err
	}
	dec.metrics.ddlJobs.Inc()
	switch {
	case dec.ignored[b.CommitTS]:
		log.Warn("a DDL is left out, as ignore-txn-commit-ts says")
	case d.Skip != "":
		log.WithField("reason", d.Skip).Info("a DDL is left out")
	case dec.skipDDL:
		log.WithField("reason", "sync-ddl = false").Info("a DDL is left out")
	case dec.filtered(d, h, log):
		log.WithField("reason", "filter rules").Info("a DDL is left out")
	default:
		t.DDL = d
		log.Info("a DDL goes downstream")
		return []*sink.Txn{t}, nil
	}
	return nil, nil
}

// filtered tells whether the rules leave a statement out: all that it is about is left out.
// A table that is renamed counts as what it was, since that is what the downstream has; when
// it becomes one that is replicated, it is missing there, which is said.
func (dec *decoder) filtered(d *schema.DDL, h *schema.History, log *logrus.Entry) bool {
	if several := d.Job.Result.Tables; len(several) > 0 && d.Job.Type != schema.ActionDropTable {
		for _, info := range several {
			if t, ok := h.Tables().Table(info.ID); ok && !dec.skip(t.Schema, t.Name) {
				return false
			}
		}
		return true
	}
	if !dec.skip(d.Schema, d.Table) {
		return false
	}
	if d.After != nil && !dec.skip(d.After.Schema, d.After.Name) {
		log.WithField("table", d.After.String()).Error("a table that is not replicated became one that is: create it downstream, and fill it, or its rows will stop the drainer")
	}
	return true
}

func (dec *decoder) say(b *txn.Binlog) *logrus.Entry {
	return dec.log.WithField("commit_ts", b.CommitTS)
}
