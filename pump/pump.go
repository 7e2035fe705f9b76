package pump

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/nodes/daemon"
	"pumphouse/nodes/logs"
	"pumphouse/pump/storage"
)

// Pump is one pump. Make it with [New], start it with Open, and wait for it with Wait.
type Pump struct {
	opts    Options
	log     logrus.FieldLogger
	metrics *metrics

	// Set by Open, in this order, and not changed afterwards.
	dir       *daemon.DataDir
	nodeID    string
	recorded  nodes.Record  // what PD said of the last life; its NodeID is empty if there was none
	id        daemon.NodeID // nodeID, for the metrics
	store     *storage.Store
	horizon   *horizon
	port      *daemon.Port
	clusterID uint64
	agent     *nodes.Agent
	safePoint *safePoint // nil: nothing is held in PD

	problems *nodes.Problems
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
	gcNow    chan chan collected // asks the janitor to work at once

	life    *daemon.Life
	workers daemon.Group // the parts that need the store
	keeper  daemon.Group // the agent, which outlives it
	drain   drain

	// The lifecycle's own.
	howFar *logs.HowFar // of the step of the start that is under way
	first  stateFunc    // the state after the start
	final  nodes.State  // what the record will say in the end
	cause  error        // why the pump stops, if not because it was asked to
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
	failed := make(chan error, 1)
	p := &Pump{
		opts: opts, log: opts.Logger, metrics: m,
		problems: new(nodes.Problems),
		gcNow:    make(chan chan collected), pullers: pullers{came: make(chan struct{}, 1)},
		workers: daemon.Group{Failed: failed}, keeper: daemon.Group{Failed: failed},
	}
	p.pulls, p.endPulls = context.WithCancel(context.Background())
	p.life = daemon.NewLife(nodes.Pump, p.gate.current)
	if err := daemon.ProblemMetrics(opts.Metrics, p.problems, nodes.Pump, p.id.Get); err != nil {
		return nil, err
	}
	return p, nil
}

// Open starts the pump: it returns when the record says online and TiDB may write, or
// with what kept it from that; then everything it had started is stopped again and the
// record, if it got so far, is taken back ([nodes.Agent.Withdraw]). When the record was set to another state while
// the pump started, it obeys as if it had been online. A pump is opened once.
func (p *Pump) Open(ctx context.Context) error {
	if err := p.life.Begin(); err != nil {
		return err
	}
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		// Nobody else may touch the data from here on.
		{"lock the data directory", p.openDir},
		{"bind the port", p.listen},
		{"decide the node ID", p.decideID},
		{"read the record in PD", p.readRecord},
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
	ctx, over := p.life.Start(ctx)
	defer over()
	for _, s := range steps {
		p.howFar = new(logs.HowFar)
		end := logs.Step(p.log, s.name, p.howFar.Fields)
		err := s.do(ctx)
		end()
		if err != nil {
			cause := err
			if ctx.Err() != nil {
				cause = context.Cause(ctx)
			}
			p.exit().Write(p.life, cause, true, "")
			err = daemon.StartEnded(ctx, fmt.Errorf("start pump: %s: %w", s.name, err), p.abort())
			p.life.End(err)
			return err
		}
	}
	go p.live()
	return nil
}

func (p *Pump) openDir(context.Context) (err error) {
	p.dir, err = daemon.OpenDataDir(p.opts.DataDir)
	return err
}

func (p *Pump) decideID(context.Context) (err error) {
	if p.nodeID, err = p.dir.NodeID(p.opts.NodeID, p.port.Advertised()); err != nil {
		return err
	}
	p.log = p.log.WithFields(logrus.Fields{"kind": nodes.Pump.String(), "node": p.nodeID})
	p.id.Set(p.nodeID)
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
		Now:                  p.opts.Now,
		Logger:               p.log,
		OnBatch:              p.metrics.batch,
		Progress:             func(segment, of int) { p.howFar.Tell(segment, of, "segments of the log") },
	})
	if err != nil {
		return err
	}
	p.horizon = newHorizon(p.nodeID, p.opts.PD.TSO, p.store.NewestTS, p.opts.Now, p.log)
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
	return nodes.AgentOptions{
		Kind: nodes.Pump, NodeID: p.nodeID, Host: p.port.Advertised(), Heartbeat: p.opts.Heartbeat,
		Registry: p.opts.Registry, TSO: p.horizon.tso, MaxCommitTS: p.reportable,
		Logger: p.opts.Logger, Now: p.opts.Now,
	}
}

func (p *Pump) claim(ctx context.Context) (err error) {
	if p.agent, err = nodes.NewAgent(p.agentOptions()); err != nil {
		return err
	}
	return p.agent.Register(ctx, nodes.Paused)
}

func (p *Pump) goOnline(ctx context.Context) error {
	// Admitted first: a TiDB that sees the record at once must not be refused.
	p.gate.set(nodes.Online)
	p.first = (*Pump).online
	err := p.agent.SetState(ctx, nodes.Online)
	var ordered *nodes.OrderedError
	switch {
	case errors.As(err, &ordered) && ordered.Instruction.Order == nodes.Pause:
		p.first = (*Pump).pausing
		return nil
	case errors.As(err, &ordered) && ordered.Instruction.Order == nodes.Leave:
		p.first = (*Pump).closing
		return nil
	case err != nil:
		return err
	}
	p.exit().Remove(ctx)
	p.log.WithFields(logrus.Fields{"addr": p.port.Advertised(), "max_commit_ts": p.store.MaxCommitTS()}).Info("pump is online")
	return nil
}

// NodeID is the pump's ID, known after Open.
func (p *Pump) NodeID() string { return p.nodeID }

// Addr is the address listened on, known after Open.
func (p *Pump) Addr() net.Addr { return p.port.Addr() }

// State is what the pump's record says, as far as the pump knows; "" before it has one.
func (p *Pump) State() nodes.State {
	if p.agent == nil {
		return ""
	}
	return p.agent.State()
}

// Wait returns when the pump has ended and its final state is in PD: nil after a pause or
// after it went offline as asked, otherwise why it ended.
func (p *Pump) Wait() error { return p.life.Wait() }

// Close pauses the pump, as a signal does, and waits for its end. It may be called again.
func (p *Pump) Close() error { return p.life.Close() }

// abort takes back what Open did before it failed.
func (p *Pump) abort() error {
	p.gate.set(nodes.Paused)
	p.endPulls()
	p.stopServing(0)
	return p.leave(func() error { return daemon.Withdraw(p.life.Hurried, nodes.Pump, p.nodeID, p.agent) }, nil)
}

// leave closes the log, and with it everything that could still change it, then has
// the record finished, then gives the directory back to a next process. cause is why.
func (p *Pump) leave(finish func() error, cause error) error {
	errs := []error{cause}
	if p.store != nil {
		if err := p.store.Remember(p.store.MaxCommitTS()); err != nil {
			p.log.WithError(err).Warn("how far the log has come cannot be noted on disk: the record's MaxCommitTS stays where it is")
		}
		errs = append(errs, p.store.Close())
	}
	if p.agent != nil && p.agent.State() != "" {
		errs = append(errs, finish())
	}
	if p.dir != nil {
		errs = append(errs, p.dir.Close())
	}
	return errors.Join(errs...)
}
