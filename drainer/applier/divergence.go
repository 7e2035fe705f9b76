package applier

import (
	"sync/atomic"

	"pumphouse/nodes"
)

// divergences are rows that were to be changed and were not found.
type divergences struct{ n atomic.Uint64 }

func (d *divergences) count() uint64 { return d.n.Load() }

// diverged says where rows were not found.
func (a *Applier) diverged(d nodes.TableDivergences) {
	if a.diverge.n.Add(d.Count) == d.Count {
		a.opts.Logger.WithField("table", d.Table).WithField("first", d.First).
			Warn("rows to be changed are not in the database: it was not as the upstream was at the start of what is applied; more of that is only counted")
	}
}
