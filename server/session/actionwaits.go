package session

import (
	"slices"

	"pumphouse/nodes"
)

// adviseOfWaits warns of drainers that say themselves that they wait for somebody. Their
// records do not show it: a pump can be online and report, and still hold them up.
func (s *Session) adviseOfWaits(rows *statusRows) {
	for i := range rows.listed {
		id := rows.listed[i].Record.NodeID
		if r, _ := s.report(nodes.Drainer, id); len(r.Waiting) > 0 && !slices.ContainsFunc(r.Problems, saysWaits) {
			s.diag.Warn("drainer %q waits for %s", id, r.WaitingFor())
		}
	}
}

// saysWaits reports whether a problem is that the node waits for another one, which Waiting says too.
func saysWaits(p nodes.Problem) bool {
	return p.Code == nodes.ProblemReplicationBlocked || p.Code == nodes.ProblemPumpUnreachable || p.Code == nodes.ProblemUnresolved
}

// adviseOfProblems warns of what nodes say themselves is wrong, one warning for each problem, of errors with
// which nodes exited, and of what is wrong with this console.
func (s *Session) adviseOfProblems(kind nodes.Kind) {
	if s.opts.Reports == nil {
		return
	}
	for _, t := range s.opts.Reports.Troubles(kind) {
		sep := ": "
		if t.Exit != nil {
			sep = " "
		}
		s.diag.Warn("%s %q%s%s", kind, t.NodeID, sep, t.Say(s.vars.Location))
	}
	for _, p := range s.opts.Reports.Own() {
		s.diag.Warn("console: %s", p)
	}
}
