package replication

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
)

// run is a cluster with a workload and a bank, and somebody who looks at the bank downstream.
type run struct {
	t *testing.T
	c *Cluster
	w *Workload
	b *Bank

	seed uint64
}

func newRun(t *testing.T, o Options) *run {
	t.Helper()
	s := form.Seed(t)
	c := Start(t, o)
	r := &run{t: t, c: c, w: NewWorkload(c.Open, s), b: NewBank(c.Open, s), seed: s}
	c.StartDrainer("")
	if err := r.w.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.b.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// enough is how many transactions of the workload there are at least, that there is something to compare.
const enough = 500

// work runs everything for that long, and until enough is done, together with what is to happen meanwhile, which may
// end it sooner.
func (r *run) work(lasts time.Duration, meanwhile func(context.Context) error) {
	r.t.Helper()
	ctx, end := context.WithTimeout(r.t.Context(), lasts+10*time.Minute)
	defer end()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer end()
		for began := time.Now(); time.Since(began) < lasts || r.w.Done.Load() < enough; {
			if !nodes.Sleep(ctx, 100*time.Millisecond) {
				return
			}
		}
	})
	wg.Go(func() {
		if err := r.w.Run(ctx); err != nil {
			r.t.Error(err)
			end()
		}
	})
	wg.Go(func() { r.b.Run(ctx) })
	if meanwhile != nil {
		wg.Go(func() {
			defer end()
			if err := meanwhile(ctx); err != nil {
				r.t.Error(err)
			}
		})
	}
	wg.Wait()
	text, never := r.w.Summary()
	r.t.Logf("%s\n%d transactions of the bank", text, r.b.Moved.Load())
	for _, n := range never {
		r.t.Errorf("the workload has never succeeded with %s", n)
	}
}

// watch looks at the bank until it is called.
func (r *run) watch() (stop func()) {
	ctx, end := context.WithCancel(r.t.Context())
	db := r.c.Downstream()
	db.SetMaxOpenConns(2)
	var wg sync.WaitGroup
	wg.Go(func() {
		seen, err := r.b.Watch(ctx, db)
		r.t.Logf("%d snapshots of the downstream", seen)
		if err != nil {
			r.t.Error(err)
		} else if seen == 0 {
			r.t.Error("nobody has seen the bank downstream")
		}
	})
	return func() { end(); wg.Wait() }
}

// equal waits until everything is downstream and compares.
func (r *run) equal() {
	r.t.Helper()
	if err := r.c.Settled(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	began := time.Now()
	if err := r.c.CatchUp(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.t.Logf("everything was downstream %s after the end of the workload", time.Since(began).Round(time.Millisecond))
	tidb := r.c.Open("")
	defer tidb.Close()
	c, err := Compare(r.t.Context(), tidb, r.c.Downstream())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Log(c.String())
	if len(c.Differences) > 0 {
		r.t.Errorf("TiDB and the downstream differ:\n%s", strings.Join(c.Differences[:min(60, len(c.Differences))], "\n"))
	}
	if c.Tables < 30 || c.Rows < 1000 {
		r.t.Errorf("only %s were compared", c.String())
	}
}

// TestReplication: after all kinds of transactions and DDL MariaDB is as TiDB is, and at no
// time was a transaction seen in part.
func TestReplication(t *testing.T) {
	r := newRun(t, Options{})
	r.b.Free = true
	stop := r.watch()
	r.work(seconds(t, 40), nil)
	r.equal()
	stop()
}

// TestReplicationFaults is the same while pumps, the drainer, PD and MariaDB are killed, stopped,
// paused and moved offline, and connections are cut.
func TestReplicationFaults(t *testing.T) {
	lasts := seconds(t, 0) // every kind once
	if form.Long() {
		lasts = 30 * time.Minute
	}
	r := newRun(t, Options{})
	r.w.Rough = true
	r.b.Free = true // the sink notes what it has applied, and applies nothing twice
	f := NewFaults(r.c, r.seed)
	f.Say = t.Logf
	stop := r.watch()
	r.work(lasts+10*time.Minute, func(ctx context.Context) error { return f.Run(ctx, lasts) })
	if !t.Failed() {
		r.equal()
	}
	stop()
	t.Logf("faults: %v", f.Done)
	for _, kind := range faults {
		if f.Done[kind.name] == 0 {
			t.Errorf("it never happened: %s", kind.name)
		}
	}
}

// TestReplicationLastVersion is TestReplication with the last TiDB that writes binlogs.
func TestReplicationLastVersion(t *testing.T) {
	form.LongOnly(t, "the last TiDB with binlog")
	r := newRun(t, Options{Year: 2024})
	r.b.Free = true
	stop := r.watch()
	r.work(seconds(t, 120), nil)
	r.equal()
	stop()
}
