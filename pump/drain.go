package pump

import (
	"context"
	"fmt"
	"sync"
	"time"

	"pumphouse/nodes"

	"github.com/sirupsen/logrus"
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
	return fmt.Sprintf("drainer %s (%s, %s) has consumed up to %s of %s", w.NodeID, w.State, w.Host, w.Consumed, w.Needed)
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

func (d *drain) set(w []waiter, unresolved int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiters, d.unresolved = w, unresolved
}

func (d *drain) waiting() ([]waiter, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waiters, d.unresolved
}

// sayAgain is how often the log repeats for whom a closing pump waits.
const sayAgain = 30 * time.Second

// drained tells whether nothing of this pump is still needed: every accepted transaction
// is resolved, and every drainer that is not offline has everything downstream.
func (p *Pump) drained(ctx context.Context) bool {
	snap, err := p.opts.Registry.List(ctx)
	if err != nil {
		p.say("PD does not say what drainers have consumed: " + err.Error())
		return false
	}
	unresolved := p.store.Stats().Unresolved
	needed := p.store.LastCommitTS() // after the above: what it resolves is counted
	var left []waiter
	for _, e := range snap.Drainers {
		if r := e.Record; r.State != nodes.Offline && r.MaxCommitTS < needed {
			left = append(left, waiter{r.NodeID, r.Host, string(r.State), r.MaxCommitTS, needed})
		}
	}
	p.drain.set(left, unresolved)
	p.metrics.waiting.Set(float64(len(left)))
	if len(left) == 0 && unresolved == 0 {
		return true
	}
	p.say(waitText(left, unresolved))
	return false
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
		text += "; a drainer that will not come back must be set to offline (binlogctl -cmd update-drainer … -state offline)"
	}
	return text
}

// say logs a text when it is new in kind or has not been said for a while.
func (p *Pump) say(text string) {
	p.drain.mu.Lock()
	defer p.drain.mu.Unlock()
	if now := p.opts.Now(); p.drain.said == "" || now.Sub(p.drain.saidAt) >= sayAgain {
		p.drain.said, p.drain.saidAt = text, now
		p.log.Info(text)
	}
}

// abandon says what nobody has consumed when the pump is told not to wait.
func (p *Pump) abandon() {
	left, unresolved := p.drain.waiting()
	for _, w := range left {
		p.metrics.abandoned.WithLabelValues(w.NodeID).Inc()
		p.log.WithFields(w.fields()).Error("the pump goes offline with binlogs that this drainer has not consumed")
	}
	if unresolved > 0 {
		p.log.WithField("count", unresolved).Error("the pump goes offline with transactions whose end it does not know")
	}
}
