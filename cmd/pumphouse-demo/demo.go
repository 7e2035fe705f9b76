package main

import (
	"cmp"
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

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/downstream"
	"pumphouse/internal/logs"
	"pumphouse/internal/setting/subcommand"
	"pumphouse/nodes/embedpd"
	"pumphouse/server/console"
)

// demoOptions are the demo's flags.
type demoOptions struct {
	console console.Config
	pdAddr  string
	dataDir string
	ports   demoPorts
	// downstream is what drainer1 replicates to; nil: files.
	downstream *downstream.MySQL
}

// demoPorts are the ports that the demo listens on; 0 is any free one.
type demoPorts struct{ page, console, drainers, pumps, pd int }

// portsFrom are the ports from base on, in the order of the usual ones; 0 has all of them free ones.
func portsFrom(base int) demoPorts {
	if base == 0 {
		return demoPorts{}
	}
	return demoPorts{base, base + 1, base + 2, base + 3, base + 4}
}

// demo is `pumphouse demo`: PD, two pumps, two drainers, a writer in the place of TiDB, and
// the console, in one process, for a newcomer.
func demo(ctx context.Context, args []string, std subcommand.Stdio) error {
	o := demoOptions{ports: demoPorts{8247, 8248, 8249, 8250, 2379}}
	if err := o.console.Flags("serve").Parse(nil); err != nil { // what is not named here has its default
		return err
	}
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.StringVar(&o.console.Addr, "addr", "", "`host:port` of the console (default 127.0.0.1:8248); port 0 means any free one, and free ones for everything else, too")
	fs.StringVar(&o.pdAddr, "pd-addr", "", "`host:port` of PD (default "+embedpd.DefaultAddr+"); port 0 means any free one")
	base := fs.Int("port-base", -1, "first of five `port`s for page, console, drainers, pumps and PD instead of the usual ones, for a second demo; 0: any free ones")
	fs.StringVar(&o.dataDir, "data-dir", "", "`directory` to keep the data in; default: a temporary one, removed at the end")
	to := fs.String("downstream", os.Getenv("DOWNSTREAM"), "database that drainer1 replicates to, mysql://user:password@host:port; default: $DOWNSTREAM, or files")
	o.console.Config.Flags(fs, "log-level", "warn", logs.FormatLogfmt)
	if err := subcommand.Parse(calledAs, fs, args, std); err != nil {
		return err
	}
	err := o.console.Config.Check()
	if err == nil {
		err = o.choosePorts(*base)
	}
	if err == nil {
		o.downstream, err = parseDownstream(*to)
	}
	if err != nil {
		return &subcommand.UsageError{Err: err}
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP) // its terminal is closed
	defer stop()
	log, err := logs.Open(o.console.Config, std.Err)
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

// choosePorts says where everything listens; base is -port-base, -1 if it is not given.
func (o *demoOptions) choosePorts(base int) error {
	switch _, port, err := net.SplitHostPort(o.console.Addr); {
	case base < -1 || base > 65531:
		return fmt.Errorf("-port-base %d: must be from 1 to 65531, or 0 for any free ports", base)
	case base >= 0:
		o.ports = portsFrom(base)
	case err == nil && port == "0":
		o.ports = demoPorts{}
	}
	o.console.Addr = cmp.Or(o.console.Addr, local(o.ports.console))
	o.pdAddr = cmp.Or(o.pdAddr, local(o.ports.pd))
	o.console.HTTPAddr = local(o.ports.page)
	return nil
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// otherPorts is the cure when a port of the demo is taken.
const otherPorts = "-port-base 18247 chooses other ports for everything"

// runDemo starts PD, nodes and console in this order and stops them in the opposite one.
func runDemo(ctx context.Context, o demoOptions, log logrus.FieldLogger, std subcommand.Stdio) (err error) {
	pd, err := embedpd.New(embedpd.Options{Addr: o.pdAddr, DataDir: filepath.Join(o.dataDir, "pd"), Logger: log})
	if err != nil {
		return &subcommand.UsageError{Err: err}
	}
	if err := pd.Open(ctx); err != nil {
		return fmt.Errorf("%w (%s)", err, otherPorts)
	}
	defer func() { err = errors.Join(err, pd.Close()) }()
	o.console.PDURLs = pd.URL()

	cluster, err := openDemoCluster(ctx, o, log)
	if err != nil {
		return fmt.Errorf("%w (%s)", err, otherPorts)
	}
	defer func() { err = errors.Join(err, cluster.close()) }()

	c, err := console.Open(ctx, o.console, "", log)
	if err != nil {
		return fmt.Errorf("%w (%s)", err, otherPorts)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := cluster.awaitPositions(ctx); err != nil {
		return err
	}
	fmt.Fprintf(std.Out, "running: PD at %s, pump1 and pump2 with what a small shop writes, drainer1 to %s, drainer2 to files in %s, until Ctrl-C; page: %s\n"+
		"try: SHOW PUMP STATUS; CHANGE PUMP TO NODE_STATE ='paused' FOR NODE_ID 'pump1'; SHOW DRAINER STATUS; SHOW WARNINGS; and set pump1 to 'online' again. HELP 'binlog' has the rest.\n%s\n",
		pd.URL(), o.firstDownstream(), filepath.Join(o.dataDir, "drainer2"), c.PageURL(), c.ReadyLine())
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
	return "files in " + filepath.Join(o.dataDir, "drainer1")
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
			return nil, fmt.Errorf("-downstream: port %q: must be a whole number", u.Port())
		}
	}
	return m, nil
}
