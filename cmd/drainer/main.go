// Command drainer merges the binlogs of all pumps in commit order and applies them
// downstream. Its flags and configuration keys are those of the drainer it replaces.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
	_ "time/tzdata" // ddl-time-zone works where the machine has no zone files

	"github.com/sirupsen/logrus"

	"pumphouse/drainer"
	"pumphouse/drainer/binlogfile"
	"pumphouse/nodes"
	"pumphouse/nodes/daemon"
	"pumphouse/nodes/logs"
	"pumphouse/nodes/pd"
	"pumphouse/nodes/setting"
	"pumphouse/nodes/tikvconn"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program. It gives the exit code: 0 after a pause, after going offline
// as asked, or when -compare finds no difference, 1 when something failed or differs, 2 when flags or configuration were not understood.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && (args[0] == "-print" || args[0] == "--print") {
		return printFiles(args[1:], stdout, stderr)
	}
	cfg, warnings, err := parseConfig(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		setting.PrintErrors(stderr, "drainer", err)
		return 2
	case cfg.version:
		fmt.Fprintln(stdout, daemon.VersionLine("drainer (Pumphouse)"))
		return 0
	}
	if cfg.check {
		return setting.ReportOK(stdout, stderr, "drainer", warnings)
	}
	log, err := logs.Open(cfg.Config, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "drainer:", err)
		return 1
	}
	defer log.Close()
	cfg.warnings = warnings
	if cfg.Compare.asked {
		for _, w := range warnings {
			log.Warn(w)
		}
		if err := compareDatabases(cfg, log, stdout, stderr); err != nil {
			fmt.Fprintln(stderr, "drainer:", err)
			return 1
		}
		return 0
	}
	if err := serve(args, cfg, log, stdout); err != nil {
		daemon.ReportEnd(log, stderr, "drainer", err)
		return 1
	}
	return 0
}

// printFiles prints binlog files as text. What is damaged does not keep back the rest.
func printFiles(paths []string, stdout, stderr io.Writer) int {
	if len(paths) == 0 {
		fmt.Fprintln(stderr, "drainer: -print needs the binlog files to print")
		return 2
	}
	if err := binlogfile.Print(stdout, paths...); err != nil {
		fmt.Fprintln(stderr, "drainer:", err)
		return 1
	}
	return 0
}

// dialTimeout bounds one attempt to reach PD.
const dialTimeout = 5 * time.Second

// serve runs the drainer until it has ended by itself, by a signal or by an order.
func serve(args []string, cfg *config, log *logs.Logger, stdout io.Writer) error {
	tlsConfig, err := cfg.Security.Client()
	if err != nil {
		return err
	}
	etcd, err := nodes.NewClient([]string{cfg.PDURLs}, tlsConfig, dialTimeout)
	if err != nil {
		return err
	}
	defer etcd.Close()
	clock, err := pd.New(pd.Options{Endpoints: etcd.Endpoints(), TLS: tlsConfig, Logger: log})
	if err != nil {
		return err
	}
	defer clock.Close()
	shown := daemon.Shown(cfg)
	first := daemon.Announce(log, "drainer", logrus.Fields{"node": daemon.KnownNodeID(cfg.DataDir, cfg.NodeID, cmp.Or(cfg.AdvertiseAddr, cfg.Addr)),
		"addr": cfg.Addr, "advertise_addr": cfg.AdvertiseAddr, "data_dir": cfg.DataDir, "config": cfg.from, "downstream": cfg.down.String()}, etcd.Endpoints(), clock.ClusterID)
	defer first.Stop()
	log.WithField("config", daemon.ShownText(shown)).Debug("the configuration, without secrets")
	cfg.Security.ReportTo(log)
	for _, w := range cfg.warnings {
		log.Warn(w)
	}
	defer daemon.OnHangup(log, func() error { return reload(args, shown, log) })()

	defer tikvconn.RedirectLogs(log)()
	jobs, closeJobs, err := cfg.schemaSource(etcd.Endpoints(), log)
	if err != nil {
		return err
	}
	defer closeJobs()
	opts := cfg.options(log)
	opts.Config = shown
	opts.Registry, opts.PD, opts.Schema = nodes.NewRegistry(etcd, dialTimeout), clock, jobs
	d, err := drainer.New(opts)
	if err != nil {
		return err
	}
	return first.Explain(daemon.Run(d, log, func() func() {
		fmt.Fprintf(stdout, "ready: drainer %s at %s\n", d.NodeID(), d.Addr())
		daemon.ReleaseStartup()
		return daemon.PushMetrics(cfg.metrics, cfg.MetricsAddr, time.Duration(cfg.MetricsInterval)*time.Second, d.NodeID(), log)
	}))
}

// reload takes from the configuration, at SIGHUP, what can change while the drainer runs.
func reload(args []string, shown map[string]any, log *logs.Logger) error {
	now, _, err := parseConfig(args, io.Discard)
	if err != nil {
		return errors.Join(err, log.Reopen())
	}
	return daemon.Reloaded{Was: shown, Now: daemon.Shown(now), Logging: now.Config, Security: now.Security.Security}.Apply(log)
}
