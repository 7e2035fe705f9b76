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
