package pump

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/pump/storage"
)

// Pump is one pump. Make it with [New], start it with Open, and wait for it with Wait.
type Pump struct {
	*life.Node
	opts    Options
	metrics *metrics

	// Set by Open, in this order, and not changed afterwards.
	store     *storage.Store
	horizon   *horizon
	clusterID uint64
	safePoint *safePoint // nil: nothing is held in PD

	trouble  tikvTrouble
	purged   purges
	noSpace  atomic.Int64 // when a write was refused for want of space, in nanoseconds since 1970
	losses   losses
	listed   listed          // for GET /unresolved
	gate     gate            // what writes and pulls are let through
	writes   sync.Pool       // of *writes
	pulls    context.Context // done when streams have to end
	endPulls context.CancelFunc
	pullers  pullers
	forwards atomic.Bool         // the clock runs
	gcNow    chan chan collected // asks the janitor to work at once

	drain drain
}

// New checks the options. It binds and touches nothing.
func New(opts Options) (*Pump, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(opts.Metrics)
	if err != nil {
		return nil, err
	}
	p := &Pump{opts: opts, metrics: m, gcNow: make(chan chan collected), pullers: pullers{came: make(chan struct{}, 1)}}
	p.pulls, p.endPulls = context.WithCancel(context.Background())
	p.Node, err = life.NewNode(nodes.Pump, opts.Options, p.gate.current)
	return p, err
}

// Open starts the pump: it returns when the record says online and TiDB may write, or
// with what kept it from that; then everything it had started is stopped again and the
// record, if it got so far, is taken back ([nodes.Agent.Withdraw]). When the record was set to another state while
// the pump started, it obeys as if it had been online. A pump is opened once.
func (p *Pump) Open(ctx context.Context) error {
	if err := p.Life.Begin(); err != nil {
		return err
	}
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		// Nobody else may touch the data from here on.
		{"lock the data directory", p.OpenDir},
		{"bind the port", p.Listen(p.opts.Socket)},
		{"decide the node ID", p.DecideID},
		{"read the record in PD", p.ReadRecord},
		{"take over an upstream pump's data", p.takeOver},
		// The log is recovered before anybody hears of this pump.
		{"open the log", p.openStore},
		{"compare the log with the record in PD", p.compareWithRecord},
		{"ask PD for the cluster ID", p.askCluster},
		// While PD's clock is below what the log holds, no new transactions will be taken.
		{"ask PD for the time", p.askTime},
		// Drainers now know the address; TiDB does not write to a paused pump.
		{"claim the record", p.claim},
		// A drainer that was notified pulls at once, so the servers are up before.
		{"serve", p.serve},
		{"notify the drainers", p.notifyDrainers},
		// From here on TiDB writes.
		{"go online", p.goOnline},
	}
	ctx, over := p.Life.Start(ctx)
	defer over()
	for _, s := range steps {
		if err := p.Start(ctx, s.name, s.do, p.Log); err != nil {
			err = p.StartFailed(ctx, s.name, err, true, p.abort)
			p.Life.End(err)
			return err
		}
	}
	go p.live()
	return nil
}

func (p *Pump) openStore(context.Context) (err error) {
	p.store, err = storage.Open(storage.Options{
		Dir:                  storeDir(p.opts.DataDir),
		SyncLog:              !p.opts.NoSync,
		StopWriteAtAvailable: p.opts.StopWriteAtAvailable,
		Resolver:             p.trouble.watch(p.opts.Resolver),
		OrphanTimeout:        p.opts.OrphanTimeout,
		SegmentBytes:         p.opts.segmentBytes,
		Logger:               p.Log,
		OnBatch:              p.metrics.batch,
		Progress:             func(segment, of int) { p.HowFar.Tell(segment, of, "segments of the log") },
	})
	if err != nil {
		return err
	}
	p.horizon = newHorizon(p.ID, p.opts.PD.TSO, p.store.NewestTS, p.opts.Now, p.Log)
	return errors.Join(p.metrics.watch(p.store), p.metrics.watchClock(p.horizon), p.prepareSafePoint())
}

// askTime learns how far PD's clock is. One that has gone back, which is logged, does not keep the
// pump from starting: drainers need what it holds, and its /status and its answers to TiDB say
// why it refuses new transactions.
func (p *Pump) askTime(ctx context.Context) error {
	_, err := p.horizon.tso(ctx)
	return nodes.WithProblem(err, nodes.ProblemPDAway, "")
}

func (p *Pump) agentOptions() nodes.AgentOptions {
	return p.AgentOptions(nodes.AgentOptions{TSO: p.tso, MaxCommitTS: p.reportable})
}

func (p *Pump) claim(ctx context.Context) error { return p.Claim(ctx, p.agentOptions()) }

func (p *Pump) goOnline(ctx context.Context) error {
	// Admitted first: a TiDB that sees the record at once must not be refused.
	p.gate.set(nodes.Online)
	order, err := p.GoOnline(ctx, func() logrus.Fields { return logrus.Fields{"max_commit_ts": p.store.MaxCommitTS()} })
	p.First = p.obey(order)
	return err
}

// abort takes back what Open did before it failed.
func (p *Pump) abort() error {
	p.gate.set(nodes.Paused)
	p.endPulls()
	p.StopServing(0)
	return p.Leave(p.closeStore(), p.Withdraw)
}

// closeStore closes the log, and with it everything that could still change it.
func (p *Pump) closeStore() error {
	if p.store == nil {
		return nil
	}
	if err := p.store.Remember(p.store.MaxCommitTS()); err != nil {
		p.Log.WithError(err).Warn("how far the log has come cannot be noted on disk: the record's MaxCommitTS stays where it is")
	}
	return p.store.Close()
}
