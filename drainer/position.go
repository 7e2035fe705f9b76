package drainer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// maxAhead is how far a checkpoint may be ahead of PD's clock: upstreams whose timestamps do
// not come from PD are ahead of it by moments.
const maxAhead = 10 * time.Second

// openCheckpoint decides where the drainer begins.
func (d *Drainer) openCheckpoint(ctx context.Context) (err error) {
	if d.store, err = d.opts.Downstream.Checkpoint(ctx, d.site()); err != nil {
		return nodes.WithProblem(err, nodes.ProblemCheckpoint, "")
	}
	now := d.clock.last()
	initial := d.opts.InitialCommitTS
	if initial < 0 {
		initial = now
	}
	c, err := checkpoint.Open(ctx, d.store, d.clusterID, initial)
	if errors.Is(err, checkpoint.ErrCorrupt) {
		err = nodes.WithProblem(err, nodes.ProblemDataDamaged, "")
	}
	if err != nil {
		return nodes.WithProblem(err, nodes.ProblemCheckpoint, "")
	}
	at := c.CommitTS()
	if ahead := at.Time().Sub(now.Time()); ahead > maxAhead {
		return nodes.WithProblem(fmt.Errorf("the checkpoint %s (%s) in %s is %s ahead of PD's clock (%s): is it of another cluster, or was PD restored? "+
			"Check -pd-urls and the data directory; if the cluster was rebuilt, remove the checkpoint and begin with a new dump (-initial-commit-ts)",
			at, at.Time().Format(time.RFC3339), d.store, ahead.Round(time.Second), now.Time().Format(time.RFC3339)), nodes.ProblemClusterMismatch, "")
	}
	if err := d.compareWithRecord(ctx, at, c.Saved()); err != nil {
		return err
	}
	// Where a first life begins is kept at once: a next one begins there too, not later.
	if err := c.Save(ctx, c.Position()); err != nil {
		return nodes.WithProblem(err, nodes.ProblemCheckpoint, "")
	}
	d.passed.Store(int64(at))
	d.checkpoint.Store(c)
	d.metrics.checkpoint.Set(float64(at.Physical()))
	d.metrics.lag.Set(d.lag().Seconds())
	return nil
}

func (d *Drainer) openHistory(ctx context.Context) (err error) {
	p := d.checkpoint.Load().Position()
	began := d.opts.Now()
	d.history, err = schema.Open(ctx, d.opts.Schema,
		schema.Position{CommitTS: p.CommitTS, Reached: p.Reached, Exact: p.Exact},
		schema.Options{Saved: &schema.Saved{Path: filepath.Join(d.opts.DataDir, "schema-snapshot"), Cluster: d.clusterID, Logger: d.Log},
			JobTimeout: d.opts.JobTimeout, LoadSnapshot: d.opts.LoadSchemaSnapshot, Loading: func(jobs int) { d.HowFar.Tell(jobs, 0, "jobs of the DDL history") }, Waiting: func(id int64) {
				d.Log.WithField("job", id).Info("a DDL job is waited for: it is not in TiDB's history yet")
			}})
	if err != nil {
		return nodes.WithProblem(err, nodes.ProblemHistoryUnreadable, "")
	}
	d.Log.WithField("tables", len(d.history.Tables().All())).WithField("took", d.opts.Now().Sub(began).Round(time.Millisecond).String()).
		Info("table definitions are loaded")
	return nil
}

func (d *Drainer) openSink(ctx context.Context) (err error) {
	d.sink, err = d.opts.Downstream.Open(ctx, d.site(), d.consumed(), d.clock.last())
	return nodes.WithProblem(err, nodes.ProblemDownstreamDown, "")
}

// site is what the downstream may know of this drainer.
func (d *Drainer) site() Site {
	c := d.checkpoint.Load()
	var shared checkpoint.Store
	if d.turn != nil {
		shared = d.sharedStore()
	}
	return Site{Shared: shared, ClusterID: d.clusterID, NodeID: d.ID, DataDir: d.opts.DataDir, Foreign: c != nil && !c.Position().Exact, Logger: d.Log, Executed: d.metrics.executed,
		Keep: d.decoder.again, Diverged: d.diverged, Trouble: d.trouble}
}

// consumed is the checkpoint: everything up to it is downstream for good, and stays so
// whatever happens to this drainer. 0: not known yet.
func (d *Drainer) consumed() nodes.TSO {
	if c := d.checkpoint.Load(); c != nil {
		return c.CommitTS()
	}
	return 0
}

// applied is the position downstream: the checkpoint until the drainer has started. A sink
// that has more from an earlier life is not ahead of what this one knows the definitions of.
func (d *Drainer) applied() nodes.TSO {
	if d.current.get() == nil { // no sink yet
		return d.consumed()
	}
	return min(d.sink.Applied(), nodes.TSO(d.passed.Load()))
}

// save moves the checkpoint to where the downstream is; moved reports whether there was anything to do.
func (d *Drainer) save(ctx context.Context) (moved bool, err error) {
	d.saving.Lock() // positions are asked for in their order
	defer d.saving.Unlock()
	ts := d.applied()
	c := d.checkpoint.Load()
	if ts <= c.CommitTS() {
		return false, nil
	}
	p := d.history.Position(ts)
	return true, c.Save(ctx, checkpoint.Position{CommitTS: p.CommitTS, Reached: p.Reached, Exact: p.Exact})
}

// giveBackAfter notes that memory is to be given back when the last large transaction of a batch is downstream.
func (d *Drainer) giveBackAfter(txns []*sink.Txn) {
	for _, t := range txns {
		if t.Large != nil {
			d.large.Store(int64(t.CommitTS))
		}
	}
}

// giveBack gives the memory of a large transaction that is downstream back to the operating system. By itself the runtime does
// that slowly, and only after it has found that nobody needs it.
func (d *Drainer) giveBack() {
	if ts := d.large.Load(); ts != 0 && d.applied() >= nodes.TSO(ts) && d.large.CompareAndSwap(ts, 0) {
		runtime.GC() // pools let go of what they have at the second run
		debug.FreeOSMemory()
	}
}

// saveTimeout bounds one attempt to save the checkpoint.
const saveTimeout = 10 * time.Second

// keepSaving moves the checkpoint until ctx ends. What cannot be saved is tried again: the
// drainer goes on from an older position then, which is not wrong. When another process has taken the checkpoint over,
// that is the end.
func (d *Drainer) keepSaving(ctx context.Context) error {
	tick := time.NewTicker(d.opts.SaveEvery)
	defer tick.Stop()
	var failures logs.Repeated
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		d.giveBack()
		try, cancel := context.WithTimeout(ctx, saveTimeout)
		moved, err := d.save(try)
		cancel()
		if moved && ctx.Err() == nil {
			d.checkpointTrouble(err)
		}
		if err != nil && ctx.Err() == nil {
			d.metrics.failed("checkpoint")
		}
		if ctx.Err() != nil {
			continue
		}
		if err != nil && nodes.ProblemOf(err).Code == nodes.ProblemTakeover {
			return err
		}
		if err != nil {
			if n := failures.Again(); n > 0 {
				d.Log.WithError(err).WithField("times", n).Error("the checkpoint cannot be saved: it is retried every second")
			}
		} else if n := failures.Over(); n > 0 {
			d.Log.WithField("commit_ts", d.consumed()).WithField("times", n).Info("the checkpoint is saved again")
		}
	}
}
