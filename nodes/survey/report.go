package survey

import (
	"strings"
	"time"

	"pumphouse/nodes"
)

// Report is what a node said of itself.
type Report struct {
	Kind   nodes.Kind
	NodeID string
	At     time.Time // when it answered, by the survey's clock
	Err    string    // why it could not be asked; then nothing below is known

	nodes.Status

	// Rate is how much the node has written a second since the report before (see
	// [nodes.Status.Written]); HasRate is false when that is not known.
	Rate    float64
	HasRate bool
}

// since fills in the rate.
func (r *Report) since(before Report) {
	took := r.At.Sub(before.At).Seconds()
	if before.Written == nil || r.Written == nil || *r.Written < *before.Written || took <= 0 {
		return // the node was started anew, or nothing is known
	}
	r.Rate, r.HasRate = float64(*r.Written-*before.Written)/took, true
}

// WaitingFor says in words what the node waits for: drainers that have to consume what a
// closing pump has, the pump that blocks a drainer, or the end of a problem that holds it up. "" = nothing.
func (r Report) WaitingFor() string {
	if len(r.Waiting) > 0 {
		return strings.Join(r.Waiting, "; ")
	}
	var list []string
	for _, p := range r.Problems {
		if holdsUp[p.Code] {
			list = append(list, "["+string(p.Code)+"] "+p.Text)
		}
	}
	return strings.Join(list, "; ")
}

// holdsUp are the problems for whose end a running node waits.
var holdsUp = map[nodes.ProblemCode]bool{
	nodes.ProblemDownstreamDown: true, nodes.ProblemDownstreamReadOnly: true, nodes.ProblemDownstreamSlow: true,
	nodes.ProblemPDAway: true, nodes.ProblemTiKVAway: true, nodes.ProblemDiskFull: true, nodes.ProblemHistoryUnreadable: true,
	nodes.ProblemPumpUnreachable: true, nodes.ProblemReplicationBlocked: true, nodes.ProblemUnresolved: true,
	nodes.ProblemPDClockBack: true, nodes.ProblemCheckpoint: true, nodes.ProblemDrainerUnreachable: true,
}
