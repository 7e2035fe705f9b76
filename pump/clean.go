package pump

import (
	"context"
	"fmt"
	"time"

	"pumphouse/nodes"
)

// cleanInterval is how often old binlogs are looked for.
const cleanInterval = time.Minute

// clean removes what is older than the GC time and consumed by every drainer, until ctx
// ends.
func (p *Pump) clean(ctx context.Context) error {
	tick := time.NewTicker(cleanInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_, _ = p.collect(ctx) // it has said what there is to say
		case answer := <-p.gcNow:
			text, err := p.collect(ctx)
			answer <- collected{text, err}
		case <-ctx.Done():
			return nil
		}
	}
}

// collectTimeout bounds what a round asks of PD.
const collectTimeout = 10 * time.Second

// collected is how a round went.
type collected struct {
	text string
	err  error
}

// collect does one round and says what it did.
func (p *Pump) collect(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()
	now, err := p.opts.PD.TSO(ctx)
	if err != nil {
		return p.cleanFailed("ask PD for the time", err)
	}
	snap, err := p.opts.Registry.List(ctx)
	if err != nil {
		return p.cleanFailed("ask PD what drainers have consumed", err)
	}
	old := nodes.MakeTSO(now.Time().Add(-p.opts.GC), 0)
	before, forced := p.floor(old, snap.Drainers)
	p.metrics.gcTS.Set(float64(old.Physical()))
	removed, err := p.store.GC(before)
	if err != nil {
		return p.cleanFailed("remove old binlogs", err)
	}
	p.metrics.doneGC.Set(float64(before.Physical()))
	p.metrics.deleted.Add(float64(removed.Segments))
	p.reportPurged(snap.Drainers, removed.Purged)
	text := fmt.Sprintf("binlogs up to commit TS %s (%s) may go: %d segments, %d bytes removed", before, before.Time().Format(time.RFC3339), removed.Segments, removed.Bytes)
	log := p.log.WithField("commit_ts", before)
	switch {
	case forced != "" && removed.Segments > 0:
		text += "; " + forced
		log.Error(text)
	case removed.Segments > 0:
		log.Info(text)
	}
	return text, nil
}

func (p *Pump) cleanFailed(what string, err error) (string, error) {
	p.metrics.errors.WithLabelValues("gc").Inc()
	p.log.WithError(err).Warn("garbage collection: " + what)
	return "", fmt.Errorf("garbage collection: %s: %w", what, err)
}

// floor is up to where binlogs may be removed: not what a drainer still has to read,
// unless the disk is full, which forced then explains.
func (p *Pump) floor(old nodes.TSO, drainers []nodes.Entry) (before nodes.TSO, forced string) {
	before = old
	var slowest nodes.Record
	for _, e := range drainers {
		if r := e.Record; r.State != nodes.Offline && r.MaxCommitTS < before {
			before, slowest = r.MaxCommitTS, r
		}
	}
	if before == old || !p.store.Stats().Refusing {
		return before, ""
	}
	return old, fmt.Sprintf("the disk is full, so binlogs are removed that drainer %s (%s, at %s) has not consumed: it will have to start anew; "+
		"a drainer that is gone for good must be set to offline", slowest.NodeID, slowest.State, slowest.MaxCommitTS)
}

// reportPurged counts, for each drainer, the rounds after which something was gone that
// it had not consumed.
func (p *Pump) reportPurged(drainers []nodes.Entry, purged nodes.TSO) {
	for _, e := range drainers {
		c := p.metrics.purged.WithLabelValues(e.Record.NodeID)
		if e.Record.State != nodes.Offline && e.Record.MaxCommitTS < purged {
			c.Inc()
		}
	}
}
