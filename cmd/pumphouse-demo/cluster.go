package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/schema"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/pd"
	"pumphouse/pump"
)

// demoNodes are the nodes of the operations document, at its addresses.
var demoNodes = []struct {
	kind     nodes.Kind
	id, host string
}{
	// Drainers come first: a pump that starts tells those that are online.
	{nodes.Drainer, "drainer1", "127.0.0.3"},
	{nodes.Drainer, "drainer2", "127.0.0.4"},
	{nodes.Pump, "pump1", "127.0.0.1"},
	{nodes.Pump, "pump2", "127.0.0.2"},
}

// demoCluster is the demo's nodes, each under a supervisor, and the writer.
type demoCluster struct {
	opts     demoOptions
	log      logrus.FieldLogger
	jobs     string // directory of the writer's DDL jobs, which drainers read
	etcd     *clientv3.Client
	registry *nodes.Registry
	pd       *pd.Client
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// openDemoCluster starts everything and returns when all nodes are online.
func openDemoCluster(ctx context.Context, o demoOptions, log logrus.FieldLogger) (_ *demoCluster, err error) {
	d := &demoCluster{opts: o, log: log, jobs: filepath.Join(o.dataDir, "jobs")}
	if err := os.MkdirAll(d.jobs, 0o750); err != nil {
		return nil, err
	}
	if d.etcd, err = nodes.NewClient([]string{o.console.PDURLs}, nil, 5*time.Second); err != nil {
		return nil, err
	}
	d.registry = nodes.NewRegistry(d.etcd, 5*time.Second)
	if d.pd, err = pd.New(pd.Options{Endpoints: []string{o.console.PDURLs}, Logger: log}); err != nil {
		return nil, errors.Join(err, d.etcd.Close())
	}
	ctx, d.cancel = context.WithCancel(ctx)
	for _, n := range demoNodes {
		run, port := d.runPump, o.ports.pumps
		if n.kind == nodes.Drainer {
			run, port = d.runDrainer, o.ports.drainers
		}
		addr := net.JoinHostPort(n.host, strconv.Itoa(port))
		if port == 0 {
			if addr, err = freeAddr(addr); err != nil {
				return nil, errors.Join(err, d.close())
			}
		}
		s := &supervisor{registry: d.registry, kind: n.kind, nodeID: n.id, log: log,
			run: func(ctx context.Context, ready func()) error { return run(ctx, n.id, addr, ready) }}
		started := make(chan error, 1)
		d.wg.Go(func() { s.keep(ctx, started) })
		if err := <-started; err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	d.wg.Go(func() { d.write(ctx) })
	return d, nil
}

// close stops the nodes as a process manager does, and waits for them.
func (d *demoCluster) close() error {
	d.cancel()
	d.wg.Wait()
	return errors.Join(d.pd.Close(), d.etcd.Close())
}

// positionsTime is how long the demo waits for something to see, at most.
const positionsTime = time.Minute

// awaitPositions waits until every node has a position, so that the first SHOW has something to show. A
// machine that is too busy for that shows it a little later.
func (d *demoCluster) awaitPositions(ctx context.Context) error {
	late := time.Now().Add(positionsTime)
	for time.Now().Before(late) {
		snap, err := d.registry.List(ctx)
		if err != nil {
			return err
		}
		waiting := false
		for _, e := range append(slices.Clone(snap.Pumps), snap.Drainers...) {
			waiting = waiting || e.Record.MaxCommitTS == 0
		}
		if !waiting || !nodes.Sleep(ctx, 50*time.Millisecond) {
			break
		}
	}
	return nil
}

// freeAddr finds a free port at the address; the node keeps it over its restarts.
func freeAddr(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// node are the options of one life of a node.
func (d *demoCluster) node(id, addr string) life.Options {
	return life.Options{NodeID: id, Addr: addr, DataDir: filepath.Join(d.opts.dataDir, id), Registry: d.registry, PD: d.pd, Logger: d.log}
}

// runPump is one life of a pump.
func (d *demoCluster) runPump(ctx context.Context, id, addr string, ready func()) error {
	p, err := pump.New(pump.Options{
		Options: d.node(id, addr),
		// There is no TiKV to ask, and the writer never leaves a transaction open.
		OrphanTimeout:        time.Minute,
		StopWriteAtAvailable: 100 << 20,
	})
	if err != nil {
		return err
	}
	if err := p.Open(ctx); err != nil {
		return err
	}
	ready()
	defer context.AfterFunc(ctx, p.Pause)()
	return p.Wait()
}

// runDrainer is one life of a drainer. The first one replicates to the database that the demo
// was given, if it was; the others write files into their data directories.
func (d *demoCluster) runDrainer(ctx context.Context, id, addr string, ready func()) error {
	var down drainer.Downstream = downstream.File{}
	if id == demoNodes[0].id && d.opts.downstream != nil {
		down = d.opts.downstream
	}
	dr, err := drainer.New(drainer.Options{
		Options: d.node(id, addr),
		Schema:  schema.Dir(d.jobs), Downstream: down,
	})
	if err != nil {
		return err
	}
	if err := dr.Open(ctx); err != nil {
		return err
	}
	ready()
	defer context.AfterFunc(ctx, dr.Pause)()
	return dr.Wait()
}
