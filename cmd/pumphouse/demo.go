package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"pumphouse/drainer/downstream"
	"pumphouse/nodes/embedpd"
	"pumphouse/nodes/logs"

	"github.com/sirupsen/logrus"
)

// demoOptions are the demo's flags.
type demoOptions struct {
	console config
	pdAddr  string
	dataDir string
	// downstream is what drainer1 replicates to; nil: files.
	downstream *downstream.MySQL
}

// demo is `pumphouse demo`: PD, two pumps, two drainers, a writer in the place of TiDB, and
// the console, in one process, for a newcomer.
func demo(ctx context.Context, args []string, std stdio) error {
	var o demoOptions
	if err := o.console.flags("serve").Parse(nil); err != nil { // what is not named here has its default
		return err
	}
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.StringVar(&o.console.Addr, "addr", "127.0.0.1:8248", "`host:port` of the console; port 0 means any free one, for pumps too")
	fs.StringVar(&o.pdAddr, "pd-addr", embedpd.DefaultAddr, "`host:port` of PD; port 0 means any free one")
	fs.StringVar(&o.dataDir, "data-dir", "", "`directory` to keep the data in; default: a temporary one, removed at the end")
	to := fs.String("downstream", os.Getenv("DOWNSTREAM"), "database that drainer1 replicates to, mysql://user:password@host:port; default: $DOWNSTREAM, or files")
	o.console.Config.Flags(fs, "log-level", "warn", logs.FormatLogfmt)
	if err := parse(fs, args, std); err != nil {
		return err
	}
	err := o.console.Config.Check()
	if err == nil {
		o.downstream, err = parseDownstream(*to)
	}
	if err != nil {
		return &usageError{err}
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP) // its terminal is closed
	defer stop()
	log, err := logs.Open(o.console.Config, std.err)
	if err != nil {
		return err
	}
	defer log.Close()
	if o.dataDir == "" {
		if o.dataDir, err = os.MkdirTemp("", "pumphouse-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.dataDir)
	}
	return runDemo(ctx, o, log, std)
}

// runDemo starts PD, nodes and console in this order and stops them in the opposite one.
func runDemo(ctx context.Context, o demoOptions, log logrus.FieldLogger, std stdio) (err error) {
	pd, err := embedpd.New(embedpd.Options{Addr: o.pdAddr, DataDir: filepath.Join(o.dataDir, "pd"), Logger: log})
	if err != nil {
		return &usageError{err}
	}
	if err := pd.Open(ctx); err != nil {
		return fmt.Errorf("%w (-pd-addr chooses another port)", err)
	}
	defer func() { err = errors.Join(err, pd.Close()) }()
	o.console.PDURLs = pd.URL()

	cluster, err := openDemoCluster(ctx, o, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.close()) }()

	c, err := openConsole(ctx, o.console, log)
	if err != nil {
		return fmt.Errorf("%w (-addr chooses another port)", err)
	}
	defer func() { err = errors.Join(err, c.close()) }()

	fmt.Fprintf(std.out, "PD is at %s (-pd-urls of binlogctl); pump1 and pump2 store what a small shop writes;\n"+
		"drainer1 replicates it into %s, drainer2 into binlog files in %s (read them with drainer -print).\n"+
		"A node that you pause comes back when you set it to online. Ctrl-C ends everything.\n%s%s\n",
		pd.URL(), o.firstDownstream(), filepath.Join(o.dataDir, "drainer2"), c.pageLine(), c.readyLine())
	failed := make(chan error, 1)
	go func() { failed <- pd.Wait() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// firstDownstream says where drainer1 writes.
func (o demoOptions) firstDownstream() string {
	if o.downstream != nil {
		return o.downstream.String()
	}
	return "binlog files in " + filepath.Join(o.dataDir, "drainer1")
}

// parseDownstream reads mysql://user:password@host:port; "" is none. Errors do not repeat what
// may hold a password.
func parseDownstream(text string) (*downstream.MySQL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "mysql" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("-downstream: want mysql://user:password@host:port")
	}
	m := &downstream.MySQL{Host: u.Hostname(), User: u.User.Username()}
	m.Password, _ = u.User.Password()
	if u.Port() != "" {
		if m.Port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, fmt.Errorf("-downstream: port %q is no number", u.Port())
		}
	}
	return m, nil
}

// anyPort tells whether the demo was asked to find free ports.
func (o demoOptions) anyPort() bool {
	_, port, err := net.SplitHostPort(o.console.Addr)
	return err == nil && port == "0"
}
