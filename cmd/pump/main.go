// Command pump stores the binlogs that TiDB writes and serves them to drainers. Its flags
// and configuration keys are those of the pump it replaces.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/gogc"
	"pumphouse/internal/logs"
	"pumphouse/internal/program"
	"pumphouse/internal/pushgateway"
	"pumphouse/nodes/datadir"
	"pumphouse/nodes/life"
	"pumphouse/pump"
	"pumphouse/pump/tikv"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program. It gives the exit code: 0 after a pause or after going offline
// as asked, 1 when something failed, 2 when flags or configuration were not understood.
func run(args []string, stdout, stderr io.Writer) int {
	cfg, warnings, err := parseConfig(args, stdout)
	log, code := program.Start{Name: "pump", Err: err, Version: cfg.version, Check: cfg.check, Warnings: warnings, Logging: cfg.Config}.Open(stdout, stderr)
	if log == nil {
		return code
	}
	defer log.Close()
	cfg.warnings = warnings
	if cfg.repair {
		for _, w := range warnings {
			log.Warn(w)
		}
		return program.ExitCode(stderr, "pump", repair(cfg, log, stdout, stderr))
	}
	if cfg.forgetOld {
		removed, err := pump.ForgetOld(cfg.DataDir)
		switch {
		case err != nil:
			fmt.Fprintln(stderr, "pump: remove what the upstream pump has left:", err)
			return 1
		case removed:
			fmt.Fprintln(stdout, "removed what the upstream pump had left in", cfg.DataDir)
		default:
			fmt.Fprintln(stdout, "an upstream pump has left nothing in", cfg.DataDir)
		}
		return 0
	}
	if err := serve(args, cfg, log, stdout); err != nil {
		life.ReportEnd(log, stderr, "pump", err)
		return 1
	}
	return 0
}

// serve runs the pump until it has ended by itself, by a signal or by an order.
func serve(args []string, cfg *config, log *logs.Logger, stdout io.Writer) error {
	node := life.Program{Name: "pump", Log: log, PDURLs: cfg.PDURLs, Security: &cfg.Security.Security, Config: cfg, Warnings: cfg.warnings,
		Fields: logrus.Fields{"node": datadir.KnownNodeID(cfg.DataDir, cfg.NodeID, cmp.Or(cfg.AdvertiseAddr, cfg.Addr)),
			"addr": cfg.Addr, "advertise_addr": cfg.AdvertiseAddr, "data_dir": cfg.DataDir, "config": cfg.from},
		Reload: func(shown map[string]any) error { return reload(args, shown, log) }}
	if err := node.Open(); err != nil {
		return err
	}
	defer node.Close()
	// A pump keeps a few MiB alive, so the garbage collector, which waits for the heap to
	// double, would run after every few thousand writes.
	gogc.SetForSmallHeap()
	opts := cfg.options(node.Registry, node.PD, log)
	defer tikv.RedirectLogs(log)()
	resolver, err := tikv.New(tikv.Options{Endpoints: node.Endpoints, Security: cfg.Security.Security, OrphanTimeout: opts.OrphanTimeout, Logger: log})
	if err != nil {
		return err
	}
	defer resolver.Close()
	opts.Resolver, opts.GCHolder, opts.Config = resolver, resolver, node.Shown
	p, err := pump.New(opts)
	if err != nil {
		return err
	}
	return node.Explain(life.Run(p, log, func() func() {
		fmt.Fprintf(stdout, "ready: pump %s at %s\n", p.NodeID(), p.Addr())
		// The pump needs no answer to this: it is for the log, and to have TiKV at hand.
		go func() {
			if _, err := resolver.Available(context.Background()); err != nil && !errors.Is(err, tikv.ErrClosed) {
				log.WithError(err).Warn("cannot find out yet whether there is a TiKV; it is asked for when a transaction stays without an end")
			}
		}()
		return pushgateway.Push(cfg.metrics, cfg.MetricsAddr, time.Duration(cfg.MetricsInterval)*time.Second, p.NodeID(), log)
	}))
}

// reload takes from the configuration, at SIGHUP, what can change while the pump runs.
func reload(args []string, shown map[string]any, log *logs.Logger) error {
	now, _, err := parseConfig(args, io.Discard)
	return program.Reloaded{Err: err, Was: shown, Now: now, Logging: now.Config, Security: now.Security.Security}.Apply(log)
}

// repair makes damaged data usable again and says what is lost. The pump is not started.
func repair(cfg *config, log logrus.FieldLogger, stdout, stderr io.Writer) error {
	progress, end := repairing(stderr, log)
	report, err := pump.Repair(cfg.DataDir, log, progress)
	end()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d segments with %d binlogs are whole\n", report.Segments, report.Records)
	for _, name := range report.Rewritten {
		fmt.Fprintf(stdout, "rewritten: %s\n", name)
	}
	for _, g := range report.Gaps {
		fmt.Fprintf(stdout, "lost: %d bytes of %s from byte %d on\n", g.Bytes, g.File, g.Offset)
	}
	for _, ts := range report.Lost {
		fmt.Fprintf(stdout, "lost: the transaction with commit TS %s\n", ts)
	}
	for _, r := range report.Ranges {
		fmt.Fprintf(stdout, "perhaps lost: transactions after commit TS %s (%s) up to %s (%s); drainers that have not passed it are stopped there\n",
			r.From, r.From.Time().Format(time.RFC3339), r.To, r.To.Time().Format(time.RFC3339))
	}
	for _, o := range report.Restored {
		outcome := "was rolled back"
		if o.CommitTS != 0 {
			outcome = "was committed at commit TS " + o.CommitTS.String()
		}
		fmt.Fprintf(stdout, "restored: the transaction with start TS %s %s, as the index knows\n", o.StartTS, outcome)
	}
	fmt.Fprintf(stdout, "%d transactions are unresolved: the pump asks TiKV about them when it runs\n", report.Open)
	if report.PurgedTS > 0 {
		fmt.Fprintf(stdout, "binlogs up to commit TS %s (%s) have been purged before\n", report.PurgedTS, report.PurgedTS.Time().Format(time.RFC3339))
	}
	return nil
}
