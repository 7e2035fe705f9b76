package drainer

import (
	"context"
	"sync"
	"time"

	"pumphouse/drainer/pull"
	"pumphouse/nodes"
)

// askHolderEvery is how often the pump that holds back the merge is asked why.
const askHolderEvery = 5 * time.Second

// excuse is what the pump that holds back the merge says of itself.
type excuse struct {
	mu   sync.Mutex
	pump string
	at   time.Time // when it was asked
	says string    // a clause; "" if it gives no reason
}

// from gives what a pump says; "" if it says nothing, or is not the one that was asked.
func (e *excuse) from(pump string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pump != pump {
		return ""
	}
	return e.says
}

// askHolder asks the pump that holds back the merge for the transaction that it waits for. A
// pump that is not connected is not asked: why that is so is the reason then.
func (d *Drainer) askHolder(ctx context.Context, control *nodes.Control, pumps []pull.Status) {
	e := &d.excuse
	by, held := d.holder(pumps)
	p, known := find(pumps, by.Pump)
	e.mu.Lock()
	due := e.pump != by.Pump || d.opts.Now().Sub(e.at) >= askHolderEvery
	if !held {
		e.pump, e.says = "", ""
	}
	e.mu.Unlock()
	if !held || !known || !p.Reached || !due {
		return
	}
	says := ""
	st, err := control.Status(ctx, nodes.Pump, nodes.Record{NodeID: p.Pump, Host: p.Addr})
	if err == nil {
		if says = st.Unresolving(p.Pump); says != "" {
			says = "it waits for " + says
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pump, e.at, e.says = p.Pump, d.opts.Now(), says
}
