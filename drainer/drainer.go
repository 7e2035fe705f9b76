package drainer

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	"pumphouse/internal/logs"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
)

// Drainer is one drainer. Make it with [New], start it with Open, and wait for it with Wait.
type Drainer struct {
	*life.Node
	opts    Options
	metrics *metrics
	decoder decoder
	clock   clock

	// Set by Open, in this order, and not changed afterwards.
	clusterID  uint64
	cache      *nodes.Cache
	store      checkpoint.Store
	replayed   error // why the relay log could not be applied before PD was asked
	checkpoint atomic.Pointer[checkpoint.Checkpoint]
	history    *schema.History
	sink       sink.Sink

	passed   atomic.Int64 // commit TS: everything up to it has been decoded and handed over
	large    atomic.Int64 // commit TS of a large transaction whose memory is to be given back; 0: none
	saving   sync.Mutex
	current  currentFlow
	begun    chan struct{}          // closed when there is a flow, or will be none
	starting atomic.Pointer[string] // the step of Open under way, for /status
	slow     slowness
	down     downstreamState
	// savesDownstream: the downstream's trouble is one of saving the checkpoint there.
	savesDownstream atomic.Bool
	held            holding
	excuse          excuse
	lastTxn         lastTxn

	turn *turn // nil: it has no standby
	// The lifecycle's own.
	lost  error     // why its turn is over, if it did not end that itself
	exact nodes.TSO // everything up to it is downstream and nothing after it, at the end; 0: not known

	checkup    life.Group // looks at the problems, from the start of serving on
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
	d := &Drainer{opts: opts, metrics: m, decoder: newDecoder(opts, filter, rules, m), clock: clock{now: opts.Now}, begun: make(chan struct{})}
	if d.Node, err = life.NewNode(nodes.Drainer, opts.Options, nil); err != nil {
		return nil, err
	}
	if s, ok := opts.Downstream.(interface{ Secrets() []string }); ok {
		d.Problems.Hide(s.Secrets()...)
	}
	return d, nil
}

// Open starts the drainer: it returns when the record says online, or with what kept it from
// that; then everything it had started is stopped again and the record, if it got so far,
// is taken back ([nodes.Agent.Withdraw]). When the record was set to another state while the drainer started, it obeys as
// if it had been online. A drainer is opened once.
func (d *Drainer) Open(ctx context.Context) error {
	if err := d.Life.Begin(); err != nil {
		return err
	}
	type step struct {
		name string
		do   func(context.Context) error
	}
	before := []step{
		// Nobody else may touch the checkpoint from here on.
		{"lock the data directory", d.OpenDir},
		{"bind the port", d.Listen("")},
		{"decide the node ID", d.decideID},
	}
	answer := step{"serve", d.serve}
	if d.opts.Standby {
		before = append(before,
			step{"be a candidate", d.elect},
			// So that who looks sees the standby.
			answer,
			step{"wait for the place of the active drainer", d.await})
		answer.do = func(context.Context) error { return nil } // once is enough
	}
	steps := []step{
		// It needs neither PD nor TiKV, which may be gone.
		{"apply the relay log", d.tryReplay},
		{"ask PD for the cluster ID and the time", d.askPD},
		{"read the record in PD", d.ReadRecord},
		{"claim the record", d.claim},
		{"read the checkpoint", d.openCheckpoint},
		// What follows may take long; /status says so meanwhile.
		answer,
		{"load the table definitions", d.openHistory},
		{"open the downstream", d.openSink},
		// A pump that sees the record notifies at once, so the flow is there before.
		{"prepare the flow", d.firstFlow},
		// And only pumps that start from here on do so: the records of those that started
		// before are there when they are looked at for the first time.
		{"go online", d.goOnline},
	}
	ctx, over := d.Life.Start(ctx)
	defer over()
	for i, s := range append(before, steps...) {
		if i == len(before) && d.turn != nil {
			bound, end := d.whileActive(ctx)
			defer end(nil)
			ctx = bound
		}
		d.starting.Store(&s.name)
		var log logrus.FieldLogger = d.Log.WithField("downstream", d.opts.Downstream.String())
		if d.turn != nil && i < len(before) { // to wait for one's turn takes its time
			log = logs.OrSilent(nil)
		}
		if err := d.Start(ctx, s.name, s.do, log); err != nil {
			if i >= len(before) && d.turn != nil {
				d.lost = d.turn.Err()
			}
			says := d.lost == nil && i >= len(before) || !d.opts.Standby // else it is another process that the node's end is of
			err = d.StartFailed(ctx, s.name, err, says, d.abort)
			if d.lost != nil {
				err = fmt.Errorf("%w: %w", ErrStandby, err)
			}
			d.Life.End(err)
			return err
		}
	}
	go d.live()
	return nil
}

func (d *Drainer) decideID(ctx context.Context) error {
	err := d.DecideID(ctx)
	d.decoder.log = d.Log
	return err
}

func (d *Drainer) askPD(ctx context.Context) (err error) {
	if d.clusterID, err = d.opts.PD.ClusterID(ctx); err != nil {
		return nodes.WithProblem(errors.Join(err, d.replayed), nodes.ProblemPDAway, "")
	}
	if err := d.keepCluster(); err != nil {
		return nodes.WithProblem(err, nodes.ProblemClusterMismatch, "")
	}
	_, err = d.tso(ctx)
	return nodes.WithProblem(err, nodes.ProblemPDAway, "")
}

func (d *Drainer) claim(ctx context.Context) error {
	if err := d.Claim(ctx, nodes.AgentOptions{TSO: d.tso, MaxCommitTS: d.consumed, Succeeds: d.before()}); err != nil {
		return err
	}
	if d.turn != nil { // else serve does
		d.startHealth()
	}
	return nil
}

// before are the addresses of the processes whose place this one has taken.
func (d *Drainer) before() []string {
	if d.turn == nil {
		return nil
	}
	return d.turn.Before()
}

// serve begins to answer gRPC and HTTP.
func (d *Drainer) serve(ctx context.Context) error {
	server := grpc.NewServer()
	binlogpb.RegisterCisternServer(server, cistern{d: d})
	if d.turn == nil { // else there is no agent before it is active
		d.startHealth()
	}
	return d.Serve(ctx, server, d.routes())
}

// firstFlow makes the flow that starts when the drainer is online.
func (d *Drainer) firstFlow(context.Context) error {
	d.lastTxn.set(d.opts.Now()) // nobody knows yet what is there to come
	d.cache = nodes.OpenCache(d.opts.Registry, nodes.CacheOptions{Logger: d.Log})
	if err := d.startFlow(); err != nil {
		return err
	}
	close(d.begun)
	return nil
}

func (d *Drainer) goOnline(ctx context.Context) error {
	order, err := d.GoOnline(ctx, func() logrus.Fields {
		return logrus.Fields{"commit_ts": d.consumed(), "downstream": d.opts.Downstream.String()}
	})
	d.First = d.obey(order)
	return err
}

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
	return d.leave(d.Withdraw)
}

// leave closes everything that could still change something downstream, then has the
// record finished, unless it is another process's, then gives the directory back to a next process.
func (d *Drainer) leave(finish func() error) error {
	var errs []error
	if d.sink != nil {
		errs = append(errs, d.sink.Close())
	}
	if c, ok := d.store.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	d.StopServing(stopGrace)
	if d.cache != nil {
		errs = append(errs, d.cache.Close())
	}
	return d.Leave(errors.Join(errs...), func() error {
		defer d.endTurn()
		if d.lost != nil {
			return nil
		}
		return finish()
	})
}
