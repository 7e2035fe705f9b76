package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"pumphouse/nodes"
	"pumphouse/nodes/daemon"
	"pumphouse/nodes/embedpd"
	"pumphouse/nodes/pd"

	"github.com/sirupsen/logrus"
)

// demo is `pumphouse demo`: PD, nodes and console in one process, for a newcomer.
func demo(ctx context.Context, args []string, std stdio) error {
	var (
		cfg             config
		console         = cfg.flags("serve")
		fs              = flag.NewFlagSet("demo", flag.ContinueOnError)
		pdAddr, dataDir string
	)
	if err := console.Parse(nil); err != nil { // everything not named here has its default
		return err
	}
	fs.StringVar(&cfg.Addr, "addr", "127.0.0.1:8248", "`host:port` of the console; port 0 means any free one")
	fs.StringVar(&pdAddr, "pd-addr", embedpd.DefaultAddr, "`host:port` of PD; port 0 means any free one")
	fs.StringVar(&dataDir, "data-dir", "", "`directory` to keep the data in; default: a temporary one, removed at the end")
	fs.StringVar(&cfg.LogLevel, "log-level", "warn", "debug, info, warn or error")
	if err := parse(fs, args, std, nil, nil); err != nil {
		return err
	}
	log, logFile, err := daemon.NewLogger(cfg.LogLevel, "", std.err)
	if err != nil {
		return &usageError{err}
	}
	defer logFile.Close()
	if dataDir == "" {
		if dataDir, err = os.MkdirTemp("", "pumphouse-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(dataDir)
	}
	return runDemo(ctx, cfg, pdAddr, dataDir, log, std)
}

// runDemo starts PD, nodes and console in this order and stops them in the opposite one.
func runDemo(ctx context.Context, cfg config, pdAddr, dataDir string, log logrus.FieldLogger, std stdio) (err error) {
	server, err := embedpd.New(embedpd.Options{Addr: pdAddr, DataDir: filepath.Join(dataDir, "pd"), Logger: log})
	if err != nil {
		return &usageError{err}
	}
	if err := server.Open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	cfg.PDURLs = server.URL()

	cluster, err := openDemoNodes(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.close()) }()

	c, err := openConsole(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()

	fmt.Fprintf(std.out, "PD: -pd-urls %s\nnodes: pump1, pump2, drainer1, drainer2 (stand-ins that keep their records and obey them)\n%s\n",
		server.URL(), c.readyLine())
	failed := make(chan error, 1)
	go func() { failed <- server.Wait() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// demoNodes are the nodes of the operations document.
var demoNodes = []struct {
	kind     nodes.Kind
	id, host string
}{
	{nodes.Pump, "pump1", "127.0.0.1:8250"},
	{nodes.Pump, "pump2", "127.0.0.2:8250"},
	{nodes.Drainer, "drainer1", "127.0.0.3:8249"},
	{nodes.Drainer, "drainer2", "127.0.0.4:8249"},
}

// demoCluster runs the demo's nodes, each under a supervisor.
type demoCluster struct {
	pd        *pd.Client
	closeEtcd func() error
	cancel    context.CancelFunc
	wg        sync.WaitGroup
}

func openDemoNodes(ctx context.Context, cfg config, log logrus.FieldLogger) (*demoCluster, error) {
	clock, err := pd.New(pd.Options{Endpoints: []string{cfg.PDURLs}, Logger: log})
	if err != nil {
		return nil, err
	}
	etcd, err := nodes.NewClient([]string{cfg.PDURLs}, nil, cfg.PDTimeout.Duration)
	if err != nil {
		return nil, errors.Join(err, clock.Close())
	}
	registry := nodes.NewRegistry(etcd, cfg.PDTimeout.Duration)
	ctx, cancel := context.WithCancel(ctx)
	d := &demoCluster{pd: clock, closeEtcd: etcd.Close, cancel: cancel}
	started := make(chan error, len(demoNodes))
	for _, n := range demoNodes {
		s := &supervisor{
			registry: registry, kind: n.kind, nodeID: n.id, log: log,
			run: func(ctx context.Context, ready func()) error {
				return standIn(ctx, nodes.AgentOptions{Kind: n.kind, NodeID: n.id, Host: n.host, Registry: registry, TSO: clock.TSO, Logger: log}, ready)
			},
		}
		d.wg.Go(func() { s.keep(ctx, started) })
	}
	for range demoNodes {
		if err := <-started; err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	return d, nil
}

// close stops the nodes as a process manager does, and waits for them.
func (d *demoCluster) close() error {
	d.cancel()
	d.wg.Wait()
	return errors.Join(d.pd.Close(), d.closeEtcd())
}
