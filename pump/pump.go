package pump

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/daemon"
	"pumphouse/pump/storage"

	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
)

// Pump is one pump. Make it with [New], start it with Open, and wait for it with Wait.
type Pump struct {
	opts    Options
	log     logrus.FieldLogger
	metrics *metrics

	// Set by Open, in this order, and not changed afterwards.
	dir       *daemon.DataDir
	nodeID    string
	store     *storage.Store
	listeners []net.Listener
	advertise string
	clusterID uint64
	agent     *nodes.Agent
	grpc      *grpc.Server
	http      *http.Server

	gate     gate            // what writes and pulls are let through
	pulls    context.Context // done when streams have to end
	endPulls context.CancelFunc
	pullers  pullers
	gcNow    chan chan string // asks the janitor to work at once

	requests chan request    // for the lifecycle
	stopping chan struct{}   // closed when the lifecycle takes no more requests
	hurried  context.Context // done when the pump must not wait for anything
	hurryUp  context.CancelFunc
	parts    group
	drain    drain

	// The lifecycle's own.
	final nodes.State // what the record will say in the end
	cause error       // why the pump stops, if not because it was asked to

	serving  sync.WaitGroup // the two servers
	served   chan error     // how a server ended
	finished chan struct{}  // closed when all is over
	over     sync.Once
	finalErr error // why, valid after finished
}

// New checks the options. It binds and touches nothing.
func New(opts Options) (*Pump, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Pump{
		opts: opts, log: opts.Logger, metrics: newMetrics(opts.Metrics),
		gcNow: make(chan chan string), requests: make(chan request), served: make(chan error, 4),
		stopping: make(chan struct{}), finished: make(chan struct{}),
		pullers: pullers{came: make(chan struct{}, 1)},
		parts:   group{failed: make(chan error, 1)},
	}
	p.pulls, p.endPulls = context.WithCancel(context.Background())
	p.hurried, p.hurryUp = context.WithCancel(context.Background())
	return p, nil
}

// Open starts the pump: it returns when the record says online and TiDB may write, or
// with what kept it from that; then everything it had started is stopped again and the
// record, if it got so far, says paused.
func (p *Pump) Open(ctx context.Context) error {
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		// Nobody else may touch the data from here on.
		{"lock the data directory", p.openDir},
		{"bind the port", p.listen},
		{"decide the node ID", p.decideID},
		// The log is recovered before anybody hears of this pump.
		{"open the log", p.openStore},
		{"ask PD for the cluster ID", p.askCluster},
		// Drainers now know the address; TiDB does not write to a paused pump.
		{"claim the record", p.claim},
		// A drainer that was notified pulls at once, so the servers are up before.
		{"serve", p.serve},
		{"notify the drainers", p.notifyDrainers},
		// From here on TiDB writes.
		{"go online", p.goOnline},
	}
	for _, s := range steps {
		if err := s.do(ctx); err != nil {
			err = fmt.Errorf("start pump: %s: %w", s.name, err)
			p.finish(err, p.abort())
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
	if p.nodeID, err = p.dir.NodeID(p.opts.NodeID, p.advertise); err != nil {
		return err
	}
	p.log = p.log.WithFields(logrus.Fields{"kind": nodes.Pump.String(), "node": p.nodeID})
	return nil
}

func (p *Pump) openStore(context.Context) (err error) {
	p.store, err = storage.Open(storage.Options{
		Dir:                  filepath.Join(p.opts.DataDir, "binlog"),
		SyncLog:              !p.opts.NoSync,
		StopWriteAtAvailable: p.opts.StopWriteAtAvailable,
		Resolver:             p.opts.Resolver,
		OrphanTimeout:        p.opts.OrphanTimeout,
		Now:                  p.opts.Now,
		Logger:               p.log,
		OnBatch:              p.metrics.batch,
	})
	if err == nil {
		p.metrics.watch(p.store)
	}
	return err
}

func (p *Pump) askCluster(ctx context.Context) (err error) {
	p.clusterID, err = p.opts.PD.ClusterID(ctx)
	return err
}

func (p *Pump) claim(ctx context.Context) (err error) {
	p.agent, err = nodes.NewAgent(nodes.AgentOptions{
		Kind: nodes.Pump, NodeID: p.nodeID, Host: p.advertise, Heartbeat: p.opts.Heartbeat,
		Registry: p.opts.Registry, TSO: p.opts.PD.TSO, MaxCommitTS: p.store.MaxCommitTS,
		Logger: p.opts.Logger, Now: p.opts.Now,
	})
	if err != nil {
		return err
	}
	return p.agent.Register(ctx, nodes.Paused)
}

func (p *Pump) goOnline(ctx context.Context) error {
	// Admitted first: a TiDB that sees the record at once must not be refused.
	p.gate.set(nodes.Online)
	if err := p.agent.SetState(ctx, nodes.Online); err != nil {
		return err
	}
	p.log.WithFields(logrus.Fields{"addr": p.advertise, "max_commit_ts": p.store.MaxCommitTS()}).Info("pump is online")
	return nil
}

// NodeID is the pump's ID, known after Open.
func (p *Pump) NodeID() string { return p.nodeID }

// Addr is the address listened on, known after Open.
func (p *Pump) Addr() net.Addr { return p.listeners[0].Addr() }

// State is what the pump's record says, as far as the pump knows.
func (p *Pump) State() nodes.State { return p.agent.State() }

// Wait returns when the pump has ended and its final state is in PD: nil after a pause or
// after it went offline as asked, otherwise why it ended.
func (p *Pump) Wait() error {
	<-p.finished
	return p.finalErr
}

// Close pauses the pump, as a signal does, and waits for its end. It may be called again.
func (p *Pump) Close() error {
	p.Pause()
	return p.Wait()
}

// abort takes back what Open did before it failed.
func (p *Pump) abort() error {
	var errs []error
	p.endPulls()
	if p.agent != nil && p.agent.State() != "" {
		p.gate.set(nodes.Paused)
		errs = append(errs, p.writeFinal(nodes.Paused))
	}
	p.stopServing(0)
	return errors.Join(append(errs, p.closeStore())...)
}

func (p *Pump) closeStore() error {
	var errs []error
	if p.store != nil {
		errs = append(errs, p.store.Close())
	}
	if p.dir != nil {
		errs = append(errs, p.dir.Close())
	}
	return errors.Join(errs...)
}

func (p *Pump) finish(errs ...error) {
	p.over.Do(func() {
		p.finalErr = errors.Join(errs...)
		close(p.finished)
	})
}

// writeTimeout bounds the last writes to PD: a pump must be able to stop while PD is away.
const writeTimeout = 10 * time.Second

func (p *Pump) writeFinal(s nodes.State) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	err := p.agent.SetState(ctx, s)
	var ordered *nodes.OrderedError
	if errors.As(err, &ordered) { // told now; the final state stands
		err = p.agent.SetState(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("the record could not be set to %s (set it with binlogctl -cmd update-pump -node-id %s -state %s): %w", s, p.nodeID, s, err)
	}
	return nil
}
