package drainer

import (
	"context"
	"fmt"
	"time"

	"pumphouse/drainer/pull"
	"pumphouse/internal/version"
	"pumphouse/nodes"
)

// askVersionEvery is how often a pump is asked for its version while it stays connected.
const askVersionEvery = time.Minute

// versions are what pumps that are pulled from say of themselves, by node ID.
type versions map[string]pumpVersion

// pumpVersion is what one of them said last.
type pumpVersion struct {
	text      string
	asked     time.Time
	connected time.Time // since when it was, then: afterwards another program may run there
}

// ask asks one pump whose turn it is, and notes which pumps are of another version than this drainer.
func (v versions) ask(ctx context.Context, d *Drainer, control *nodes.Control, pumps []pull.Status) {
	now := d.opts.Now()
	for _, p := range pumps {
		if known := v[p.Pump]; !p.Reached || known.connected.Equal(p.Since) && now.Sub(known.asked) < askVersionEvery {
			continue
		}
		st, err := control.Status(ctx, nodes.Pump, nodes.Record{NodeID: p.Pump, Host: p.Addr})
		text := v[p.Pump].text
		if err == nil {
			if text = st.Version; text == "" {
				text = "upstream TiDB Binlog, or one that does not say"
			}
		}
		v[p.Pump] = pumpVersion{text, now, p.Since}
		break
	}
	var mixed []nodes.Problem
	for _, p := range pumps {
		if text := v[p.Pump].text; text != "" && text != version.Number {
			mixed = append(mixed, nodes.Problem{Key: p.Pump, Text: fmt.Sprintf("pump %s is of version %s, this drainer of %s", p.Pump, text, version.Number),
				Cure: "finish the upgrade: all nodes of a cluster are to be of one version"})
		}
	}
	d.Problems.Replace(nodes.ProblemVersionMix, mixed...)
}
