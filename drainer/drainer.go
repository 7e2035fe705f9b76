package drainer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"

	"pumphouse/binlogpb"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/nodes/daemon"
	"pumphouse/nodes/logs"
)

// Drainer is one drainer. Make it with [New], start it with Open, and wait for it with Wait.
type Drainer struct {
	opts    Options
	log     logrus.FieldLogger
	metrics *metrics
	decoder decoder
	clock   clock

	// Set by Open, in this order, and not changed afterwards.
	dir        *daemon.DataDir
	port       *daemon.Port
	nodeID     string
	id         daemon.NodeID // nodeID, for the metrics
	recorded   nodes.Record  // what PD said of the last life; its NodeID is empty if there was none
	clusterID  uint64
	agent      *nodes.Agent
	cache      *nodes.Cache
	store      checkpoint.Store
	replayed   error // why the relay log could not be applied before PD was asked
	checkpoint atomic.Pointer[checkpoint.Checkpoint]
	history    *schema.History
	sink       sink.Sink

	passed   atomic.Int64 // commit TS: everything up to it has been decoded and handed over
	saving   sync.Mutex
	current  currentFlow
	begun    chan struct{}          // closed when there is a flow, or will be none
	starting atomic.Pointer[string] // the step of Open under way, for /status
	problems *nodes.Problems
	slow     slowness
	down     downstreamState
	// savesDownstream: the downstream's trouble is one of saving the checkpoint there.
	savesDownstream atomic.Bool
	held            holding
	excuse          excuse
	lastTxn         lastTxn

	life    *daemon.Life
	workers daemon.Group // the saver and the watcher
	keeper  daemon.Group // the agent, which outlives them

	// The lifecycle's own.
	howFar *logs.HowFar // of the step of the start that is under way
	first  stateFunc    // the state after the start
	final  nodes.State  // what the record will say in the end
	cause  error        // why the drainer stops, if not because it was asked to

	checkup    daemon.Group // looks at the problems, from the start of serving on
	endCheckup context.CancelFunc
}

// New checks the options. It binds and touches nothing.
func New(opts Options) (*Drainer, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	filter, err := txn.NewFilter(opts.Filter)
	if err != nil {
		return nil, fmt.Errorf("drainer: %w", err)
	}
	rules, err := txn.NewMigration(opts.Migrate)
	if err != nil {
		return nil, fmt.Errorf("drainer: %w", err)
	}
	m, err := newMetrics(opts.Metrics)
	if err != nil {
		return nil, err
	}
	failed := make(chan error, 1)
	d := &Drainer{
		opts: opts, log: opts.Logger, metrics: m,
		workers: daemon.Group{Failed: failed}, keeper: daemon.Group{Failed: failed},
		clock: clock{now: opts.Now}, begun: make(chan struct{}), problems: new(nodes.Problems),
	}
	if s, ok := opts.Downstream.(interface{ Secrets() []string }); ok {
		d.problems.Hide(s.Secrets()...)
	}
	d.decoder = newDecoder(opts, filter, rules, m)
	d.life = daemon.NewLife(nodes.Drainer, d.State)
	if err := daemon.ProblemMetrics(opts.Metrics, d.problems, nodes.Drainer, d.id.Get); err != nil {
		return nil, err
	}
	return d, nil
}

// Open starts the drainer: it returns when the record says online, or with what kept it from
// that; then everything it had started is stopped again and the record, if it got so far,
// is taken back ([nodes.Agent.Withdraw]). When the record was set to another state while the drainer started, it obeys as
// if it had been online. A drainer is opened once.
func (d *Drainer) Open(ctx context.Context) error {
	if err := d.life.Begin(); err != nil {
		return err
	}
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		// Nobody else may touch the checkpoint from here on.
		{"lock the data directory", d.openDir},
		{"bind the port", d.listen},
		{"decide the node ID", d.decideID},
		// It needs neither PD nor TiKV, which may be gone.
		{"apply the relay log", d.tryReplay},
		{"ask PD for the cluster ID and the time", d.askPD},
		{"read the record in PD", d.readRecord},
		{"claim the record", d.claim},
		{"read the checkpoint", d.openCheckpoint},
		// What follows may take long; /status says so meanwhile.
		{"serve", d.serve},
		{"load the table definitions", d.openHistory},
		{"open the downstream", d.openSink},
		// A pump that sees the record notifies at once, so the flow is there before.
		{"prepare the flow", d.firstFlow},
		// And only pumps that start from here on do so: the records of those that started
		// before are there when they are looked at for the first time.
		{"go online", d.goOnline},
	}
	ctx, over := d.life.Start(ctx)
	defer over()
	for _, s := range steps {
		d.starting.Store(&s.name)
		d.howFar = new(logs.HowFar)
		end := logs.Step(d.log.WithField("downstream", d.opts.Downstream.String()), s.name, d.howFar.Fields)
		err := s.do(ctx)
		end()
		if err != nil {
			cause := err
			if ctx.Err() != nil {
				cause = context.Cause(ctx)
			}
			d.exit().Write(d.life, cause, true, "")
			err = daemon.StartEnded(ctx, fmt.Errorf("start drainer: %s: %w", s.name, err), d.abort())
			d.life.End(err)
			return err
		}
	}
	go d.live()
	return nil
}

func (d *Drainer) openDir(context.Context) (err error) {
	d.dir, err = daemon.OpenDataDir(d.opts.DataDir)
	return err
}

func (d *Drainer) listen(ctx context.Context) (err error) {
	d.port, err = daemon.Listen(ctx, d.opts.Addr, d.opts.AdvertiseAddr, "")
	return err
}

func (d *Drainer) decideID(context.Context) (err error) {
	if d.nodeID, err = d.dir.NodeID(d.opts.NodeID, d.port.Advertised()); err != nil {
		return err
	}
	d.log = d.log.WithFields(logrus.Fields{"kind": nodes.Drainer.String(), "node": d.nodeID})
	d.decoder.log = d.log
	d.id.Set(d.nodeID)
	return nil
}

func (d *Drainer) askPD(ctx context.Context) (err error) {
	if d.clusterID, err = d.opts.PD.ClusterID(ctx); err != nil {
		return nodes.WithProblem(errors.Join(err, d.replayed), nodes.ProblemPDAway, "")
	}
	if err := d.keepCluster(); err != nil {
		return nodes.WithProblem(err, nodes.ProblemClusterMismatch, "")
	}
	return nodes.WithProblem(d.clock.ask(ctx, d.opts.PD), nodes.ProblemPDAway, "")
}

func (d *Drainer) claim(ctx context.Context) (err error) {
	d.agent, err = nodes.NewAgent(nodes.AgentOptions{
		Kind: nodes.Drainer, NodeID: d.nodeID, Host: d.port.Advertised(), Heartbeat: d.opts.Heartbeat,
		Registry: d.opts.Registry, TSO: d.opts.PD.TSO, MaxCommitTS: d.consumed,
		Logger: d.opts.Logger, Now: d.opts.Now,
	})
	if err != nil {
		return err
	}
	return d.agent.Register(ctx, nodes.Paused)
}

// serve begins to answer gRPC and HTTP.
func (d *Drainer) serve(ctx context.Context) error {
	d.opts.Admin.Warn(d.log, d.port.Addr(), d.opts.Security)
	server := grpc.NewServer()
	binlogpb.RegisterCisternServer(server, cistern{d: d})
	d.port.Log = d.log
	d.startHealth()
	if err := d.port.Serve(d.opts.Security, server, d.routes()); err != nil {
		return err
	}
	if err := d.port.DialSelf(ctx, "pumps and operators"); err != nil {
		d.log.Warn(err)
	}
	return nil
}

// firstFlow makes the flow that starts when the drainer is online.
func (d *Drainer) firstFlow(context.Context) error {
	d.lastTxn.set(d.opts.Now()) // nobody knows yet what is there to come
	d.cache = nodes.OpenCache(d.opts.Registry, nodes.CacheOptions{Logger: d.log})
	if err := d.startFlow(); err != nil {
		return err
	}
	close(d.begun)
	return nil
}

func (d *Drainer) goOnline(ctx context.Context) error {
	d.first = (*Drainer).online
	err := d.agent.SetState(ctx, nodes.Online)
	var ordered *nodes.OrderedError
	switch {
	case errors.As(err, &ordered) && ordered.Instruction.Order == nodes.Pause:
		d.first = (*Drainer).pausing
		return nil
	case errors.As(err, &ordered) && ordered.Instruction.Order == nodes.Leave:
		d.first = (*Drainer).closing
		return nil
	case err != nil:
		return err
	}
	d.exit().Remove(ctx)
	d.log.WithFields(logrus.Fields{"addr": d.port.Advertised(), "commit_ts": d.consumed(), "downstream": d.opts.Downstream.String()}).Info("drainer is online")
	return nil
}

// NodeID is the drainer's ID, known after Open.
func (d *Drainer) NodeID() string { return d.nodeID }

// Addr is the address listened on, known after Open.
func (d *Drainer) Addr() net.Addr { return d.port.Addr() }

// State is what the drainer's record says, as far as the drainer knows; "" before it has one.
func (d *Drainer) State() nodes.State {
	if d.agent == nil {
		return ""
	}
	return d.agent.State()
}

// Wait returns when the drainer has ended and its final state is in PD: nil after a pause or
// after it went offline as asked, otherwise why it ended.
func (d *Drainer) Wait() error { return d.life.Wait() }

// Close pauses the drainer, as a signal does, and waits for its end. It may be called again.
func (d *Drainer) Close() error { return d.life.Close() }

// stopGrace is how long calls under way may take when the drainer stops.
const stopGrace = 5 * time.Second

// abort takes back what Open did before it failed.
func (d *Drainer) abort() error {
	if f := d.current.get(); f != nil {
		f.stopTaking()
		f.cut()
		f.skip()
	} else {
		close(d.begun)
	}
	d.endHealth()
	return d.leave(func() error { return daemon.Withdraw(d.life.Hurried, nodes.Drainer, d.nodeID, d.agent) }, nil)
}

// leave closes everything that could still change something downstream, then has the
// record finished, then gives the directory back to a next process. cause is why.
func (d *Drainer) leave(finish func() error, cause error) error {
	errs := []error{cause}
	if d.sink != nil {
		errs = append(errs, d.sink.Close())
	}
	if c, ok := d.store.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	if d.port != nil {
		ctx, cancel := context.WithTimeout(d.life.Hurried, stopGrace)
		d.port.Close(ctx)
		cancel()
	}
	if d.cache != nil {
		errs = append(errs, d.cache.Close())
	}
	if d.agent != nil && d.agent.State() != "" {
		errs = append(errs, finish())
	}
	if d.dir != nil {
		errs = append(errs, d.dir.Close())
	}
	return errors.Join(errs...)
}
