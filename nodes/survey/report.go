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
}

// WaitingFor says in words what the node waits for: drainers that have to consume what a
// closing pump has, or the pump that holds a drainer's merge. "" = nothing.
func (r Report) WaitingFor() string { return strings.Join(r.Waiting, "; ") }
