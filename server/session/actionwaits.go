package session

import (
	"fmt"

	"pumphouse/nodes"
)

// adviseOfWaits warns of drainers that say themselves that they wait for somebody. Their
// records do not show it: a pump can be online and report, and still hold them up.
func (s *Session) adviseOfWaits(rows *statusRows) {
	if s.opts.Reports == nil {
		return
	}
	for i := range rows.listed {
		id := rows.listed[i].Record.NodeID
		if r, ok := s.opts.Reports.Report(nodes.Drainer, id); ok && r.WaitingFor != "" {
			s.diag.add(levelWarning, errUnknown, fmt.Sprintf("drainer %q waits for %s", id, r.WaitingFor))
		}
	}
}
