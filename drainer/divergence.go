package drainer

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// maxDiverged is how many tables are told apart; the others count as one.
const maxDiverged = 100

// otherTables is the name of the others.
const otherTables = "(other tables)"

// divergences are what the sink has found to differ downstream since the start, by table.
type divergences struct {
	counter *prometheus.CounterVec // {table}

	mu     sync.Mutex
	tables map[string]*nodes.TableDivergences
}

// add notes divergences of a table; first reports whether they are the first of that table.
func (d *divergences) add(t nodes.TableDivergences) (first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tables[t.Table] == nil && len(d.tables) >= maxDiverged {
		t.Table = otherTables
	}
	known := d.tables[t.Table]
	if known == nil {
		if d.tables == nil {
			d.tables = make(map[string]*nodes.TableDivergences)
		}
		known = &nodes.TableDivergences{Table: t.Table}
		d.tables[t.Table] = known
	}
	first = known.Count == 0
	known.Add(t)
	d.counter.WithLabelValues(t.Table).Add(float64(t.Count))
	return first
}

// list gives the tables, those that differed first coming first.
func (d *divergences) list() []nodes.TableDivergences {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []nodes.TableDivergences
	for _, t := range d.tables {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b nodes.TableDivergences) int {
		return cmp.Or(cmp.Compare(a.First.CommitTS, b.First.CommitTS), strings.Compare(a.Table, b.Table))
	})
	return all
}

// diverged is [Site.Diverged]: it says the first one of each table.
func (d *Drainer) diverged(t nodes.TableDivergences) {
	if !d.metrics.diverged.add(t) {
		return
	}
	d.Log.WithFields(logrus.Fields{"table": t.Table, "commit_ts": t.First.CommitTS, "keys": t.First.Keys}).Warnf(
		"the downstream differs from the upstream: %s; more of this table are only counted, in /status and binlog_drainer_divergences_total", t.First)
}
