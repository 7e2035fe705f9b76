package nodestmt

import (
	"fmt"
	"slices"

	"pumphouse/nodes"
	"pumphouse/server/session/result"
)

// adviseOfWaits warns of drainers that say themselves that they wait for somebody. Their
// records do not show it: a pump can be online and report, and still hold them up.
func (n *Nodes) adviseOfWaits(rows *statusRows) {
	for i := range rows.listed {
		id := rows.listed[i].Record.NodeID
		if r, _ := n.report(nodes.Drainer, id); len(r.Waiting) > 0 && !slices.ContainsFunc(r.Problems, saysWaits) {
			n.own.Diag.Warn("drainer %q waits for %s", id, r.WaitingFor())
		}
	}
}

// saysWaits reports whether a problem is that the node waits for another one, which Waiting says too.
func saysWaits(p nodes.Problem) bool {
	return p.Code == nodes.ProblemReplicationBlocked || p.Code == nodes.ProblemPumpUnreachable || p.Code == nodes.ProblemUnresolved
}

// adviseOfProblems warns of what nodes say themselves is wrong, one warning for each problem, of errors with
// which nodes exited, and of what is wrong with this console.
func (n *Nodes) adviseOfProblems(kind nodes.Kind) {
	if n.cfg.Reports == nil {
		return
	}
	troubles, location := n.cfg.Reports.Troubles(kind), n.own.Vars.Location
	n.own.Diag.AddLater(len(troubles), func() []result.Condition {
		list := make([]result.Condition, len(troubles))
		for i, t := range troubles {
			sep := ": "
			if t.Exit != nil {
				sep = " "
			}
			list[i] = result.Condition{Level: result.Warning, Code: result.ErrUnknown, Message: fmt.Sprintf("%s %q%s%s", kind, t.NodeID, sep, t.Say(location))}
		}
		return list
	})
	for _, p := range n.cfg.Reports.Own() {
		n.own.Diag.Warn("console: %s", p)
	}
}
