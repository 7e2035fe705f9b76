package pump

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// waiter is a drainer that a closing pump waits for.
type waiter struct {
	NodeID   string    `json:"drainer"`
	Host     string    `json:"host"`
	State    string    `json:"state"`
	Consumed nodes.TSO `json:"consumed"` // everything up to here is downstream
	Needed   nodes.TSO `json:"needed"`   // commit TS of the last binlog of this pump
}

func (w waiter) String() string {
	return fmt.Sprintf("drainer %s (%s, %s) %s", w.NodeID, w.State, w.Host, nodes.ConsumedText(w.Consumed, w.Needed))
}

func (w waiter) fields() logrus.Fields {
	return logrus.Fields{"drainer": w.NodeID, "addr": w.Host, "consumed": w.Consumed, "commit_ts": w.Needed}
}

// drain is what a closing pump waits for, as /status and the log say it.
type drain struct {
	mu         sync.Mutex
	waiters    []waiter
	unresolved int
	saidAt     time.Time
	said       string
}

func (d *drain) waiting() ([]waiter, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waiters, d.unresolved
}

// sayAgain is how often the log repeats for whom a closing pump waits.
const sayAgain = 30 * time.Second

// drained reports whether nobody needs this pump any more: every accepted transaction is
// resolved, and every drainer that is not offline has everything downstream. Without such
// a drainer there is nothing to wait for.
func (p *Pump) drained(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.Life.Hurried, cancel)()
	snap, err := p.opts.Registry.List(ctx)
	if err != nil {
		p.say("going offline waits for PD, which does not say what drainers have consumed: " + err.Error())
		return false
	}
	stats := p.store.Stats()
	unresolved := stats.Unresolved
	needed := p.store.LastCommitTS() // after the above: what it resolves is counted
	var left []waiter
	nobody := true
	for _, e := range snap.Drainers {
		r := e.Record
		if r.State == nodes.Offline {
			continue
		}
		nobody = false
		if r.MaxCommitTS < needed {
			left = append(left, waiter{r.NodeID, r.Host, string(r.State), r.MaxCommitTS, needed})
		}
	}
	p.waitFor(left, unresolved)
	switch {
	case len(left) > 0 || unresolved > 0 && !nobody:
	case stats.Waiting > 0 && !nobody: // nothing holds them back any more
		p.say(fmt.Sprintf("going offline waits until %d committed transactions are in order", stats.Waiting))
		return false
	default:
		p.sayBroken(snap)
		return true
	}
	p.say(waitText(left, unresolved))
	return false
}

// waitFor notes what /status and the metrics say.
func (p *Pump) waitFor(left []waiter, unresolved int) {
	p.drain.mu.Lock()
	defer p.drain.mu.Unlock()
	p.drain.waiters, p.drain.unresolved = left, unresolved
	if left == nil && unresolved == 0 {
		p.drain.said = ""
	}
	p.metrics.waiting.Set(float64(len(left)))
}

// waitText is for whom the pump waits and what frees it.
func waitText(left []waiter, unresolved int) string {
	text := "going offline waits"
	for i, w := range left {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		text += sep + w.String()
	}
	if unresolved > 0 {
		text += fmt.Sprintf("; %d transactions are prewritten and not yet committed or rolled back", unresolved)
	}
	if len(left) > 0 {
		text += "; a drainer that will not come back must be set to offline (binlogctl -cmd update-drainer -node-id " + left[0].NodeID + " -state offline)"
	}
	return text
}

// say logs a text about the wait unless it has just done so; the figures in it change all
// the time.
func (p *Pump) say(text string) {
	p.drain.mu.Lock()
	defer p.drain.mu.Unlock()
	if now := p.opts.Now(); p.drain.said == "" || now.Sub(p.drain.saidAt) >= sayAgain {
		p.drain.said, p.drain.saidAt = text, now
		p.Log.Info(text)
	}
}

// abandon says what nobody has consumed when the pump is told not to wait.
func (p *Pump) abandon() {
	left, unresolved := p.drain.waiting()
	for _, w := range left {
		p.metrics.abandoned.WithLabelValues(w.NodeID).Inc()
		p.Log.WithFields(w.fields()).Error("the pump goes offline with binlogs that this drainer has not consumed")
	}
	if unresolved > 0 {
		p.Log.WithField("count", unresolved).Error("the pump goes offline with transactions whose end it does not know")
	}
}
