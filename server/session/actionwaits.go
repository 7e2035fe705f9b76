package session

import (
	"fmt"

	"pumphouse/nodes"
)

// adviseOfWaits warns of drainers that say themselves that they wait for somebody. Their
// records do not show it: a pump can be online and report, and still hold them up.
func (s *Session) adviseOfWaits(rows *statusRows) {
	for i := range rows.listed {
		id := rows.listed[i].Record.NodeID
		if r, _ := s.report(nodes.Drainer, id); len(r.Waiting) > 0 {
			s.diag.add(levelWarning, errUnknown, fmt.Sprintf("drainer %q waits for %s", id, r.WaitingFor()))
		}
	}
}

// adviseOfProblems warns of nodes that say themselves that something is wrong: what a pump has lost, why it takes
// no transactions, what stops a drainer.
func (s *Session) adviseOfProblems(kind nodes.Kind) {
	if s.opts.Reports == nil {
		return
	}
	for _, r := range s.opts.Reports.Troubled(kind) {
		s.diag.add(levelWarning, errUnknown, fmt.Sprintf("%s %q: %s", kind, r.NodeID, r.Problem))
	}
}
