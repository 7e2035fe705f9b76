package drainer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"pumphouse/drainer/merge"
	"pumphouse/drainer/pull"
	"pumphouse/nodes"
)

// clock tells the time by PD's clock, which commit TSs are made of.
type clock struct {
	now func() time.Time

	mu sync.Mutex
	ts nodes.TSO // PD's last answer
	at time.Time // when that came
}

// tso asks PD, and sets the clock by the answer. The agent asks once a second.
func (d *Drainer) tso(ctx context.Context) (nodes.TSO, error) {
	ts, err := d.opts.PD.TSO(ctx)
	if err != nil {
		return 0, err
	}
	c := &d.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ts, c.at = ts, c.now()
	return ts, nil
}

// last is PD's last answer.
func (c *clock) last() nodes.TSO {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ts
}

// time is the time now: PD's last answer and what has passed since.
func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ts.Time().Add(c.now().Sub(c.at))
}

// lagSeconds is the lag, nil before anything is consumed.
func (d *Drainer) lagSeconds() *float64 {
	if d.applied().Physical() == 0 {
		return nil
	}
	seconds := d.lag().Seconds()
	return &seconds
}

// lag is by how much the downstream lags PD's clock, never negative; 0 before anything is consumed.
func (d *Drainer) lag() time.Duration {
	if d.applied().Physical() == 0 {
		return 0
	}
	return max(0, d.clock.time().Sub(d.applied().Time()))
}

// lastTxn is when a transaction came last, in nanoseconds since 1970.
type lastTxn struct{ at atomic.Int64 }

func (l *lastTxn) set(now time.Time) { l.at.Store(now.UnixNano()) }

// syncedLag is the largest lag at which the downstream counts as having everything.
const syncedLag = 10 * time.Second

// synced reports whether the downstream has everything: for SyncedAfter no transaction has
// come, everything that came is downstream, and no pump holds back the merge (the lag is small).
func (d *Drainer) synced() bool {
	f := d.current.get()
	return d.opts.Now().UnixNano()-d.lastTxn.at.Load() >= int64(d.opts.SyncedAfter) &&
		f.merger.Stats().QueuedBytes == 0 && d.sink.Applied() >= nodes.TSO(d.passed.Load()) && d.lag() < syncedLag
}

// holding is the pump that holds back the merge for so long that it was said.
type holding struct {
	mu   sync.Mutex
	now  heldBy
	said bool
}

// heldBy is who keeps everything from going downstream, as /status shows it.
type heldBy struct {
	Pump    string    `json:"Pump"`
	Addr    string    `json:"Addr"`
	State   string    `json:"State"`    // of the pump's record
	At      nodes.TSO `json:"Position"` // it has delivered everything up to here
	Since   time.Time `json:"Since"`
	Seconds float64   `json:"Seconds"`
	Reason  string    `json:"Reason"`
}

// WatchEvery is how often a drainer looks at its pumps: which blocks replication and why, and whether they are of its version.
const WatchEvery = time.Second

// watch looks again and again at what people want to know: the lag, and who holds back the merge.
func (d *Drainer) watch(ctx context.Context) error {
	tlsConfig, err := d.opts.Security.Client()
	if err != nil {
		return err
	}
	control := nodes.NewControl(tlsConfig, time.Second)
	tick := time.NewTicker(WatchEvery)
	defer tick.Stop()
	var known []pull.Status
	versions := versions{}
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		f := d.current.get()
		pumps := f.group.Status()
		d.observe(f.merger.Stats(), pumps)
		for _, p := range known {
			if _, ok := find(pumps, p.Pump); !ok {
				d.metrics.gone(p.Pump)
			}
		}
		known = pumps
		d.askHolder(ctx, control, pumps)
		versions.ask(ctx, d, control, pumps)
		d.sayHolder(pumps)
	}
}

// observe sets the metrics that are looked at, not counted.
func (d *Drainer) observe(stats merge.Stats, pumps []pull.Status) {
	m := d.metrics
	at := d.consumed()
	m.checkpoint.Set(float64(at.Physical()))
	m.delay.Observe(max(0, d.clock.time().Sub(at.Time()).Seconds()))
	m.lag.Set(d.lag().Seconds())
	m.queue.WithLabelValues("pull").Set(float64(stats.QueuedBytes))
	m.queue.WithLabelValues("apply").Set(float64(stats.TakenBytes))
	for _, p := range pumps {
		m.pump(p.Pump)
		m.pumpPosition.WithLabelValues(p.Pump).Set(float64(p.Position.Physical()))
	}
}

// holder tells whom the merge has been waiting for, and why, if for longer than HeldAfter.
func (d *Drainer) holder(pumps []pull.Status) (heldBy, bool) {
	h, ok := d.current.get().merger.Holder()
	if !ok {
		return heldBy{}, false
	}
	took := d.opts.Now().Sub(h.Since)
	if took < d.opts.HeldAfter {
		return heldBy{}, false
	}
	by := heldBy{Pump: h.Pump, At: h.At, Since: h.Since, Seconds: took.Seconds(), Reason: "it is connected and delivers nothing, not even the time"}
	if p, ok := find(pumps, h.Pump); ok {
		by.Addr, by.State = p.Addr, string(p.State)
		if !p.Reached {
			by.Reason = p.Err
		} else if says := d.excuse.from(h.Pump); says != "" {
			by.Reason = says
		}
	}
	return by, true
}

// sayHolder logs, once each time, that somebody holds back the merge, and that it is over.
func (d *Drainer) sayHolder(pumps []pull.Status) {
	by, held := d.holder(pumps)
	for _, p := range pumps {
		seconds := 0.0
		if held && p.Pump == by.Pump {
			seconds = by.Seconds
		}
		d.metrics.held.WithLabelValues(p.Pump).Set(seconds)
	}
	d.held.mu.Lock()
	defer d.held.mu.Unlock()
	switch before := d.held.now; {
	case held && (!d.held.said || before.Pump != by.Pump):
		d.Log.WithField("pump", by.Pump).WithField("addr", by.Addr).WithField("state", by.State).WithField("commit_ts", by.At).WithField("reason", by.Reason).
			Warn("replication is blocked by this pump: nothing goes downstream before it delivers (if it is gone for good, set it to offline; what only it has is lost then)")
	case !held && d.held.said:
		d.Log.WithField("pump", before.Pump).WithField("after", d.opts.Now().Sub(before.Since).Round(time.Second).String()).Info("the pump does not hold the others any more")
	}
	d.held.now, d.held.said = by, held
}

func find(pumps []pull.Status, id string) (pull.Status, bool) {
	for _, p := range pumps {
		if p.Pump == id {
			return p, true
		}
	}
	return pull.Status{}, false
}
