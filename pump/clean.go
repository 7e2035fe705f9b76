package pump

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// clean removes what is older than the GC time and consumed by every drainer, until ctx
// ends.
func (p *Pump) clean(ctx context.Context) error {
	tick := time.NewTicker(p.opts.cleanInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.forgetOld()
			_, _ = p.collect(ctx) // it has said what there is to say
		case answer := <-p.gcNow:
			p.forgetOld()
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
	now, err := p.horizon.tso(ctx)
	if err != nil {
		return p.cleanFailed("ask PD for the time", err)
	}
	snap, err := p.opts.Registry.List(ctx)
	if err != nil {
		return p.cleanFailed("ask PD what drainers have consumed", err)
	}
	old := nodes.MakeTSO(now.Time().Add(-p.opts.GC), 0)
	before, held, forced := p.floor(old, snap)
	p.metrics.gcTS.Set(float64(old.Physical()))
	removed, err := p.store.GC(before)
	if err != nil {
		return p.cleanFailed("remove old binlogs", err)
	}
	p.metrics.doneGC.Set(float64(before.Physical()))
	p.metrics.deleted.Add(float64(removed.Segments))
	p.reportPurged(snap, removed)
	p.lookAtRecords(snap)
	text := fmt.Sprintf("binlogs up to commit TS %s (%s) may go: %d segments, %d bytes removed", before, before.Time().Format(time.RFC3339), removed.Segments, removed.Bytes)
	log := p.Log.WithField("commit_ts", before)
	switch {
	case forced && removed.Segments > 0:
		text += "; the disk is full, so binlogs were removed that " + held + " has not consumed: it must start again from a new dump"
		log.Error(text)
	case held != "":
		text += "; older ones are kept for " + held
		if before == 0 {
			log.Error(text + ": repair the record by starting that drainer, or delete it if there is no such drainer")
		}
	}
	if removed.Segments > 0 && !forced {
		log.Info(text)
	}
	return text, nil
}

func (p *Pump) cleanFailed(what string, err error) (string, error) {
	p.metrics.errors.WithLabelValues("gc").Inc()
	p.Log.WithError(err).Warn("garbage collection: " + what)
	return "", fmt.Errorf("garbage collection: %s: %w", what, err)
}

// floor is up to where binlogs may be removed: not what a drainer still has to read. held is the
// drainer that keeps what is older than the GC time, in words, or "". On a full disk it does not
// keep them: then forced is true.
func (p *Pump) floor(old nodes.TSO, snap *nodes.Snapshot) (before nodes.TSO, held string, forced bool) {
	before = old
	for _, e := range snap.Drainers {
		if r := e.Record; r.State != nodes.Offline && r.MaxCommitTS < before {
			before, held = r.MaxCommitTS, fmt.Sprintf("drainer %s (%s, at %s)", r.NodeID, r.State, r.MaxCommitTS)
		}
	}
	for _, b := range snap.Broken {
		if b.Kind == nodes.Drainer { // nobody knows what it has consumed
			before, held = 0, fmt.Sprintf("the drainer whose record %s in PD cannot be read (%v)", b.Key, b.Err)
		}
	}
	if held != "" && p.store.Stats().Refusing {
		return old, held, true
	}
	return before, held, false
}

// reportPurged counts, for each drainer, the rounds after which something was gone that
// it had not consumed.
func (p *Pump) reportPurged(snap *nodes.Snapshot, removed storage.Purge) {
	for _, e := range snap.Drainers {
		c := p.metrics.purged.WithLabelValues(e.Record.NodeID)
		if e.Record.State != nodes.Offline && e.Record.MaxCommitTS < removed.Purged {
			c.Inc()
			if e.Record.MaxCommitTS.Physical() != 0 { // else it has not begun, and begins where it is told to
				p.purged.set(e.Record.NodeID, e.Record.MaxCommitTS, removed.Purged)
			}
		}
	}
	for _, b := range snap.Broken {
		if b.Kind == nodes.Drainer && removed.Segments > 0 {
			p.metrics.purged.WithLabelValues(strings.TrimPrefix(b.Key, nodes.Drainer.Prefix())).Inc()
		}
	}
}
