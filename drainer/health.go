package drainer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pumphouse/nodes"
)

// startHealth begins to look at the drainer's problems, until endHealth.
func (d *Drainer) startHealth() {
	ctx, end := context.WithCancel(context.Background())
	d.endCheckup = end
	d.checkup.Failed = d.Workers.Failed
	h := d.Health()
	d.checkup.Run("health", func() error { return h.Run(ctx, d.look, nil) })
}

func (d *Drainer) endHealth() {
	if d.endCheckup != nil {
		d.endCheckup()
		d.checkup.Wait()
	}
}

// troubled is a source of definitions that says why it does not answer while it is asked; nil: it does.
type troubled interface{ Trouble() error }

// look is what a drainer looks at again and again.
func (d *Drainer) look() {
	if s, ok := d.opts.Schema.(troubled); ok {
		d.Problem(nodes.ProblemHistoryUnreadable, s.Trouble(), "check that TiKV runs and that this machine reaches it and PD; it is retried until it answers")
	}
	if f := d.current.get(); f != nil && d.sink != nil {
		d.lookAtFlow(f)
		d.lookAtSpeed()
	}
}

// lookAtFlow looks at the pumps, and at what was found downstream.
func (d *Drainer) lookAtFlow(f *flow) {
	pumps := f.group.Status()
	now := d.opts.Now()
	var unreachable, blocking []nodes.Problem
	by, held := d.holder(pumps)
	for _, p := range pumps {
		if p.Reached || p.State == nodes.Offline || now.Sub(p.Since) < unreachableAfter {
			continue
		}
		text := fmt.Sprintf("pump %s (%s, %s) cannot be pulled from: %s", p.Pump, cmp.Or(string(p.State), "its record cannot be read"), p.Addr, p.Err)
		if held && by.Pump == p.Pump {
			text += "; it blocks replication"
		}
		unreachable = append(unreachable, nodes.Problem{Key: p.Pump, Text: text, Since: p.Since,
			Cure: "start the pump again; if its data are lost for good, give them up: CHANGE PUMP TO NODE_STATE = 'offline' FOR NODE_ID '" + p.Pump + "'"})
	}
	if p, ok := find(pumps, by.Pump); held && ok && p.Reached {
		blocking = append(blocking, nodes.Problem{Key: by.Pump, Text: fmt.Sprintf("replication is blocked by pump %s (%s, %s): %s", by.Pump, by.State, by.Addr, by.Reason),
			Since: by.Since, Cure: "see that pump's problems (binlogctl -cmd status)"})
	}
	d.Problems.Replace(nodes.ProblemPumpUnreachable, unreachable...)
	d.Problems.Replace(nodes.ProblemReplicationBlocked, blocking...)
	if tables := d.metrics.diverged.list(); len(tables) > 0 {
		d.Problems.Set(nodes.Problem{Code: nodes.ProblemDivergence, Text: nodes.DivergenceText(tables), CommitTS: tables[0].First.CommitTS,
			Cure: "compare (drainer -compare), correct the rows downstream, restart the drainer to clear this"})
	}
}

// unreachableAfter is how long a pump may not be pulled from before that is a problem: one that restarts at once is none.
const unreachableAfter = 2 * time.Second

// How long the oldest transaction handed to the downstream may be under way before it counts as slow, and below which it no
// longer does.
const (
	slowAfter  = 10 * time.Second
	slowBefore = 2 * time.Second
)

// slowness knows since when the downstream has had what it has not applied yet.
type slowness struct {
	mu     sync.Mutex
	handed []handed // ascending; those the sink has not applied
}

// handed: everything up to ts had been handed over at a time.
type handed struct {
	ts nodes.TSO
	at time.Time
}

// oldest notes what has been handed over by now, and gives for how long the oldest that is not applied has been under way.
func (s *slowness) oldest(passed, applied nodes.TSO, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handed = slices.DeleteFunc(s.handed, func(h handed) bool { return h.ts <= applied })
	if n := len(s.handed); passed > applied && (n == 0 || s.handed[n-1].ts < passed) {
		s.handed = append(s.handed, handed{passed, now})
	}
	if len(s.handed) == 0 {
		return 0
	}
	return now.Sub(s.handed[0].at)
}

// lookAtSpeed judges the downstream by the oldest transaction under way there, unless it is known why it takes none.
func (d *Drainer) lookAtSpeed() {
	applied := d.sink.Applied()
	waits := d.slow.oldest(nodes.TSO(d.passed.Load()), applied, d.opts.Now())
	switch {
	case d.down.Load() || waits < slowBefore:
		d.Problems.Clear(nodes.ProblemDownstreamSlow)
	case waits >= slowAfter:
		p := nodes.Problem{Code: nodes.ProblemDownstreamSlow, CommitTS: applied, Since: d.opts.Now().Add(-waits),
			Text: fmt.Sprintf("%s has been at a transaction after commit TS %s for %s", d.opts.Downstream, applied, waits.Round(time.Second)),
			Cure: "look at its load, locks and running statements (SHOW PROCESSLIST); worker-count and txn-batch say how much it is given at once"}
		if last := d.metrics.lastDDL.Load(); last != nil && last.CommitTS > applied {
			p.Text += ": a statement of DDL runs: " + last.Query
		}
		d.Problems.Set(p)
	}
}

// downCodes are the problems with a downstream that [Site.Trouble] clears.
var downCodes = [...]nodes.ProblemCode{nodes.ProblemDownstreamDown, nodes.ProblemDownstreamReadOnly, nodes.ProblemDownstreamSlow}

// downstreamState is what was last heard of the downstream.
type downstreamState struct {
	mu sync.Mutex
	atomic.Bool
}

// trouble is [Site.Trouble].
func (d *Drainer) trouble(err error) {
	if err == nil && !d.down.Load() {
		return // as after nearly all transactions
	}
	d.down.mu.Lock()
	defer d.down.mu.Unlock()
	var p nodes.Problem
	if err != nil {
		if p = nodes.ProblemOf(err); p.Code == nodes.ProblemDownstreamSlow {
			return // a lock that is waited for: how long says lookAtSpeed
		}
	}
	d.down.Store(err != nil)
	for _, code := range downCodes {
		if code != p.Code {
			d.Problems.Clear(code)
		}
	}
	if err != nil {
		d.Problems.Set(p)
	}
}

// checkpointTrouble notes how saving the checkpoint went. If it is the downstream that does not take it, that is the problem.
func (d *Drainer) checkpointTrouble(err error) {
	if err == nil {
		d.Problems.Clear(nodes.ProblemCheckpoint)
		if d.savesDownstream.Swap(false) {
			d.trouble(nil)
		}
		return
	}
	p := nodes.ProblemOf(err)
	if slices.Contains(downCodes[:], p.Code) {
		d.savesDownstream.Store(true)
		d.trouble(err)
		return
	}
	p.Code = nodes.ProblemCheckpoint
	p.Cure = cmp.Or(p.Cure, "see the error; it is retried every second, and a restart begins from the checkpoint saved last")
	d.Problems.Set(p)
}
