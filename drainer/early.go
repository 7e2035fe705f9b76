package drainer

import (
	"context"
	"fmt"
	"sync"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// early gives the DDL statements that have to be run before the rows of b, though their own
// binlogs come later (see [schema.History.Early]). They go downstream as transactions just in
// front of b; last is the commit TS of the transaction before it.
func (dec *decoder) early(ctx context.Context, h *schema.History, b *txn.Binlog, find txn.Finder, last nodes.TSO) ([]*sink.Txn, error) {
	unknown, err := b.Unknown(find)
	if err != nil || len(unknown) == 0 {
		return nil, err
	}
	var list []*sink.Txn
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
		if dec.skipDDL {
			log.WithField("reason", "sync-ddl = false").Info("a DDL is left out")
			continue
		}
		log.Info("a DDL goes downstream before its binlog: rows use its columns already")
		list = append(list, &sink.Txn{StartTS: b.StartTS, DDL: d, Query: d.Job.Query})
	}
	if len(list) == 0 {
		return nil, nil
	}
	from := b.CommitTS - nodes.TSO(len(list))
	if from <= last {
		return nil, fmt.Errorf("the rows need %q, whose binlog comes later, and there is no commit TS for it between them and the transaction before, %s", list[0].Query, last)
	}
	for i, t := range list {
		t.CommitTS = from + nodes.TSO(i)
	}
	dec.gaps.add(from, b.CommitTS)
	return list, nil
}

// gaps are commit TSs at which no checkpoint may be: of statements that ran before their
// binlog, up to the rows that needed them. Who began between would not know that they ran.
type gaps struct {
	mu   sync.Mutex
	list []gap
}

type gap struct{ from, to nodes.TSO } // to not included

func (g *gaps) add(from, to nodes.TSO) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = append(g.list, gap{from, to})
}

// before gives the largest position up to ts that is in no gap, for a ts that never goes back.
func (g *gaps) before(ts nodes.TSO) nodes.TSO {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.list) > 0 && g.list[0].to <= ts {
		g.list = g.list[1:]
	}
	if len(g.list) > 0 && g.list[0].from <= ts {
		return g.list[0].from - 1
	}
	return ts
}
