package nodestmt

import (
	"context"

	"pumphouse/server/engine"
	"pumphouse/server/session/result"
)

// standbyRows gives binlog.standbys: what PD has now.
func (n *Nodes) standbyRows(ctx context.Context, _ []bool, yield func([]engine.Value) bool) error {
	if n.cfg.Standbys == nil {
		return nil
	}
	groups, err := n.cfg.Standbys(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		for _, m := range g.Members {
			role := "standby"
			if m.Active {
				role = "active"
			}
			if !yield([]engine.Value{engine.String(g.NodeID), engine.String(m.Host), engine.String(role), wallTime(m.Since, n.own.Vars.Location),
				result.OrNull(m.Version), n.stateOrNull(g.Held)}) {
				return nil
			}
		}
	}
	return nil
}
