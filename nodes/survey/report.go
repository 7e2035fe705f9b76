package survey

import (
	"encoding/json"
	"fmt"
	"time"

	"pumphouse/nodes"
)

// Report is what a node said of itself.
type Report struct {
	Kind   nodes.Kind
	NodeID string
	At     time.Time // when it answered, by the survey's clock
	Err    string    // why it could not be asked; then nothing below is known

	Version string // of the program; "" of old nodes
	Problem string // what the node itself says is wrong; "" = nothing
	// WaitingFor says in words what the node waits for: drainers that have to consume what a closing
	// pump has, or the pump that holds a drainer's merge.
	WaitingFor string
	WaitSince  time.Time // zero: not known

	// Of a pump.
	LastCommitTS nodes.TSO // of its last binlog that is no forwarded clock; 0: not told
	Unresolved   int       // prewrites whose end is not known
	LogBytes     int64     // on disk
	Available    uint64    // bytes left on its file system
	PurgedTS     nodes.TSO // binlogs up to here are gone

	// Of a drainer.
	Downstream string               // kind and place, without secrets
	Synced     bool                 // everything there is is downstream
	HeldBy     string               // node ID of the pump that holds the merge
	Positions  map[string]nodes.TSO // by pump: everything up to here has been pulled
	Unreached  map[string]string    // by pump: why it cannot be pulled from
}

// answer is GET /status of either kind of node; fields of the other kind, and of old
// nodes those that are ours, are absent.
type answer struct {
	Version string `json:"Version"`
	ErrMsg  string `json:"ErrMsg"`

	Unresolved int `json:"Unresolved"`
	WaitingFor []struct {
		Drainer  string    `json:"drainer"`
		State    string    `json:"state"`
		Consumed nodes.TSO `json:"consumed"`
		Needed   nodes.TSO `json:"needed"`
	} `json:"WaitingFor"`
	Storage struct {
		LastCommitTS, PurgedTS nodes.TSO
		LogBytes, IndexBytes   int64
		AvailableBytes         uint64
	} `json:"Storage"`

	PumpPos    map[string]nodes.TSO `json:"PumpPos"`
	Synced     bool                 `json:"Synced"`
	Downstream string               `json:"Downstream"`
	HeldBy     *struct {
		Pump, Reason string
		Since        time.Time
	} `json:"HeldBy"`
	Pumps []struct {
		Pump, Err string
		Reached   bool
	} `json:"Pumps"`
}

// parse makes a report of an answer.
func parse(kind nodes.Kind, nodeID string, body []byte) (Report, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return Report{}, fmt.Errorf("%s %s answers /status with what is no status: %w", kind, nodeID, err)
	}
	r := Report{Kind: kind, NodeID: nodeID, Version: a.Version, Problem: a.ErrMsg}
	if kind == nodes.Pump {
		r.Unresolved = a.Unresolved
		r.LastCommitTS, r.PurgedTS = a.Storage.LastCommitTS, a.Storage.PurgedTS
		r.LogBytes, r.Available = a.Storage.LogBytes+a.Storage.IndexBytes, a.Storage.AvailableBytes
		for _, w := range a.WaitingFor {
			r.WaitingFor = join(r.WaitingFor, fmt.Sprintf("drainer %s (%s) to consume from %s to %s", w.Drainer, w.State, w.Consumed, w.Needed))
		}
		return r, nil
	}
	r.Downstream, r.Synced, r.Positions = a.Downstream, a.Synced, a.PumpPos
	if a.HeldBy != nil {
		r.HeldBy, r.WaitSince = a.HeldBy.Pump, a.HeldBy.Since
		r.WaitingFor = "pump " + a.HeldBy.Pump
		if a.HeldBy.Reason != "" {
			r.WaitingFor += ": " + a.HeldBy.Reason
		}
	}
	for _, p := range a.Pumps {
		if !p.Reached && p.Err != "" {
			if r.Unreached == nil {
				r.Unreached = make(map[string]string)
			}
			r.Unreached[p.Pump] = p.Err
		}
	}
	return r, nil
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
