// Command drainer merges the binlogs of all pumps in commit order and applies them
// downstream. Its flags and configuration keys are those of the drainer it replaces.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"
	_ "time/tzdata" // ddl-time-zone works where the machine has no zone files

	"github.com/sirupsen/logrus"

	"pumphouse/drainer"
	"pumphouse/drainer/binlogfile"
	"pumphouse/internal/gogc"
	"pumphouse/internal/logs"
	"pumphouse/internal/program"
	"pumphouse/internal/pushgateway"
	"pumphouse/nodes/datadir"
	"pumphouse/nodes/life"
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
	log, code := program.Start{Name: "drainer", Err: err, Version: cfg.version, Check: cfg.check, Warnings: warnings, Logging: cfg.Config}.Open(stdout, stderr)
	if log == nil {
		return code
	}
	defer log.Close()
	cfg.warnings = warnings
	if cfg.Compare.asked {
		for _, w := range warnings {
			log.Warn(w)
		}
		return program.ExitCode(stderr, "drainer", compareDatabases(cfg, log, stdout, stderr))
	}
	if err := serve(args, cfg, log, stdout); err != nil {
		life.ReportEnd(log, stderr, "drainer", err)
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
	return program.ExitCode(stderr, "drainer", binlogfile.Print(stdout, paths...))
}

// dialTimeout bounds one attempt to reach PD.
const dialTimeout = 5 * time.Second

// serve runs the drainer until it has ended by itself, by a signal or by an order.
func serve(args []string, cfg *config, log *logs.Logger, stdout io.Writer) error {
	node := life.Program{Name: "drainer", Log: log, PDURLs: cfg.PDURLs, Security: &cfg.Security.Security, Config: cfg, Warnings: cfg.warnings,
		Fields: logrus.Fields{"node": datadir.KnownNodeID(cfg.DataDir, cfg.NodeID, cmp.Or(cfg.AdvertiseAddr, cfg.Addr)),
			"addr": cfg.Addr, "advertise_addr": cfg.AdvertiseAddr, "data_dir": cfg.DataDir, "config": cfg.from, "downstream": cfg.down.String()},
		Reload: func(shown map[string]any) error { return reload(args, shown, log) }}
	if err := node.Open(); err != nil {
		return err
	}
	defer node.Close()
	defer tikvconn.RedirectLogs(log)()
	jobs, closeJobs, err := cfg.schemaSource(node.Endpoints, log)
	if err != nil {
		return err
	}
	defer closeJobs()
	gogc.Set()
	for again := false; ; again = true { // each turn of a drainer with a standby is a life of its own
		if again {
			cfg.newMetrics()
		}
		opts := cfg.options(log)
		opts.Config, opts.Returning = node.Shown, again
		opts.Registry, opts.PD, opts.Schema = node.Registry, node.PD, jobs
		err := serveOnce(opts, cfg, log, stdout)
		if !errors.Is(err, drainer.ErrStandby) {
			return node.Explain(err)
		}
		log.WithError(err).Info("the turn of this process is over")
	}
}

// serveOnce runs a drainer from its start to its end.
func serveOnce(opts drainer.Options, cfg *config, log *logs.Logger, stdout io.Writer) error {
	d, err := drainer.New(opts)
	if err != nil {
		return err
	}
	return life.Run(d, log, func() func() {
		fmt.Fprintf(stdout, "ready: drainer %s at %s\n", d.NodeID(), d.Addr())
		debug.FreeOSMemory() // what reading the DDL history took
		return pushgateway.Push(cfg.metrics, cfg.MetricsAddr, time.Duration(cfg.MetricsInterval)*time.Second, d.NodeID(), log)
	})
}

// reload takes from the configuration, at SIGHUP, what can change while the drainer runs.
func reload(args []string, shown map[string]any, log *logs.Logger) error {
	now, _, err := parseConfig(args, io.Discard)
	return program.Reloaded{Err: err, Was: shown, Now: now, Logging: now.Config, Security: now.Security.Security}.Apply(log)
}
