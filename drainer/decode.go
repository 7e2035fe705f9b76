package drainer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/merge"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// decoder makes transactions of binlogs and leaves out what the configuration names.
type decoder struct {
	filter  *txn.Filter
	ignored map[nodes.TSO]bool
	skipDDL bool
	zone    *time.Location
	keep    func(schema, table string) bool // see Options.Keep
	migrate migrator
	log     logrus.FieldLogger
	metrics *metrics
}

func newDecoder(opts Options, filter *txn.Filter, rules *txn.Migration, m *metrics) decoder {
	ignored := make(map[nodes.TSO]bool, len(opts.IgnoreTxns))
	for _, ts := range opts.IgnoreTxns {
		ignored[ts] = true
	}
	return decoder{filter: filter, ignored: ignored, skipDDL: opts.SkipDDL, zone: opts.Downstream.Zone(), keep: opts.Keep,
		migrate: migrator{rules: rules, keep: opts.Keep}, log: opts.Logger, metrics: m}
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
		return nil, dec.stopsAt(item, err)
	}
	return txns, nil
}

// stopsAt is the error that stops the drainer at a transaction.
func (dec *decoder) stopsAt(item *merge.Item, err error) error {
	return fmt.Errorf("transaction with commit TS %d of pump %q: %w; nothing after it is applied. "+
		"If it may be missing downstream, add %d to ignore-txn-commit-ts in [syncer], start the drainer again and repair the downstream by hand",
		item.CommitTS, item.Pump, err, item.CommitTS)
}

// rows decodes a transaction with rows.
func (dec *decoder) rows(ctx context.Context, h *schema.History, b *txn.Binlog) ([]*sink.Txn, error) {
	if err := h.Advance(ctx, b.CommitTS, b.SchemaVersion); err != nil {
		return nil, err
	}
	upstream := func(id int64) (*schema.Table, error) {
		table, err := h.Find(ctx, id, b.CommitTS)
		if err != nil || table == nil || dec.skip(table.Schema, table.Name) {
			return nil, err
		}
		return table, nil
	}
	var ignores map[*schema.Table][3]bool
	find := func(id int64) (*schema.Table, error) {
		table, err := upstream(id)
		if err != nil || table == nil || dec.migrate.rules == nil {
			return table, err
		}
		m, err := dec.migrate.of(table)
		if m.ignores != [3]bool{} {
			if ignores == nil {
				ignores = map[*schema.Table][3]bool{}
			}
			ignores[m.table] = m.ignores
		}
		return m.table, err
	}
	t := &sink.Txn{StartTS: b.StartTS, CommitTS: b.CommitTS}
	var err error
	t.Early, err = dec.early(ctx, h, b, upstream)
	if dec.ignored[b.CommitTS] && ctx.Err() == nil {
		dec.say(b).Warn("a transaction is left out, as ignore-txn-commit-ts says")
		return nil, nil // whatever is wrong with it
	}
	if err != nil {
		return nil, err
	}
	keep := func(c *txn.Change) bool { return ignores == nil || !ignores[c.Table][c.Op] }
	if b.Bytes() >= largeBinlog {
		t.Large, err = b.Rows(find, dec.zone, keep)
	} else {
		err = b.Each(find, dec.zone, func(c *txn.Change) error {
			if keep(c) {
				t.Changes = append(t.Changes, c)
			}
			return nil
		})
	}
	if err != nil || t.Empty() {
		return nil, err
	}
	return []*sink.Txn{t}, nil
}

// largeBinlog is from how many bytes of its binlog on the rows of a transaction are not held decoded
// ([txn.Rows]): decoded they take four times the memory, and every part of the way downstream takes its time
// to go through them once more.
const largeBinlog = 8 << 20

// skip reports whether a table is left out.
func (dec *decoder) skip(schema, table string) bool {
	return dec.filter.Skip(schema, table) && (dec.keep == nil || !dec.keep(schema, table))
}

// ddl makes a DDL known to the definitions and decides whether it is for the downstream.
func (dec *decoder) ddl(ctx context.Context, h *schema.History, b *txn.Binlog) ([]*sink.Txn, error) {
	query := string(b.DDLQuery)
	d, err := h.Reach(ctx, b.CommitTS, b.DDLJobID, b.DDLState, query)
	log := dec.say(b).WithField("query", query)
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
	default:
		list, err := dec.filtered(&unfiltered{DDL: d, node: one(query)}, query, log)
		if err != nil || len(list) == 0 {
			return nil, err
		}
		t := &sink.Txn{StartTS: b.StartTS, CommitTS: b.CommitTS}
		if len(list) == 1 {
			t.DDL, t.Query = list[0].DDL, list[0].Query
		} else {
			t.Early = list
		}
		return []*sink.Txn{t}, nil
	}
	return nil, nil
}

// filtered are the statements that the filters leave of one: mostly itself, or nothing.
func (dec *decoder) filtered(j *unfiltered, query string, log *logrus.Entry) ([]sink.Statement, error) {
	cells := dec.classify(j)
	c := decide(cells)
	if c.do != skip && c.do != stop {
		switch ignored, err := dec.migrate.ignores(j, query); {
		case err != nil:
			return nil, err
		case ignored:
			log.WithField("reason", "binlog-filter-rule").Info("a DDL is left out")
			return nil, nil
		}
	}
	if !dec.wants(j.Like[0], j.Like[1]) {
		j.Like = [2]string{} // it is not downstream
	}
	list := []sink.Statement{{DDL: j.DDL, Query: query}}
	switch c.do {
	case stop:
		return nil, fmt.Errorf("the statement %.200q crosses the filters: %s", query, c.why)
	case skip:
		log.WithField("reason", "filter rules").Info("a DDL is left out")
		return nil, nil
	case skipped:
		log.WithField("reason", c.why).Warn("a DDL is left out")
		return nil, nil
	case part:
		var err error
		if list, err = dec.part(j, cells); err != nil {
			return nil, err
		}
	default:
		if verb, ok := dec.dropsOthers(j); ok {
			c.do, list = part, dropOne(j, verb)
		}
	}
	list, err := dec.redirect(list, j.TablesAfter, log)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if c.do == part {
		texts := make([]string, len(list))
		for i, st := range list {
			texts[i] = st.Query
		}
		log = log.WithField("part", texts)
	}
	if c.why != "" {
		log.WithField("reason", c.why).Warn("a DDL crosses the filters")
	}
	log.Info("a DDL goes downstream")
	return list, nil
}

// redirect gives statements their names downstream, and leaves out those that change nothing there.
func (dec *decoder) redirect(list []sink.Statement, after *schema.Tables, log *logrus.Entry) ([]sink.Statement, error) {
	kept := list[:0]
	for _, st := range list {
		switch why, err := dec.migrate.redirects(st.DDL, after, dec.wants); {
		case err != nil:
			return nil, err
		case why != "":
			log.WithField("reason", why).Warn("a DDL is left out")
		default:
			kept = append(kept, st)
		}
	}
	return kept, nil
}

func (dec *decoder) say(b *txn.Binlog) *logrus.Entry {
	return dec.log.WithField("commit_ts", b.CommitTS)
}
