// Command arbiter applies what a drainer writes to a Kafka topic (db-type = "kafka") to a MySQL, MariaDB or TiDB. Its
// flags and configuration keys are those of upstream's arbiter.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // time zones work where the machine has no zone files

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"

	"pumphouse/drainer/arbiter"
	"pumphouse/nodes/daemon"
	"pumphouse/nodes/logs"
	"pumphouse/nodes/setting"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		<-signals
		cancel()
		fmt.Fprintf(os.Stderr, "arbiter: received %v again, ending at once\n", <-signals)
		os.Exit(1)
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program. It gives the exit code: 0 after a signal, 1 when something failed, 2 when flags or
// configuration were not understood.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, warnings, err := parseConfig(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		setting.PrintErrors(stderr, "arbiter", err)
		return 2
	case cfg.version:
		fmt.Fprintln(stdout, daemon.VersionLine("arbiter (Pumphouse)"))
		return 0
	case cfg.check:
		return setting.ReportOK(stdout, stderr, "arbiter", warnings)
	}
	log, err := logs.Open(cfg.Config, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "arbiter:", err)
		return 1
	}
	defer log.Close()
	if err := work(ctx, args, cfg, warnings, log, stdout); err != nil {
		log.WithError(err).Error("arbiter exited")
		fmt.Fprintln(stderr, "arbiter:", err) // for people, whatever the log's form and place
		return 1
	}
	return 0
}

// work runs until ctx is done.
func work(ctx context.Context, args []string, cfg *config, warnings []string, log *logs.Logger, stdout io.Writer) error {
	shown := daemon.Shown(cfg)
	log.WithFields(logrus.Fields{"version": daemon.Version, "addr": cfg.Addr, "config": cfg.from, "topic": cfg.Up.Topic,
		"kafka": cfg.Up.KafkaAddrs, "downstream": cfg.to()}).Info("arbiter starts")
	log.WithField("config", daemon.ShownText(shown)).Debug("the configuration, without secrets")
	for _, w := range warnings {
		log.Warn(w)
	}
	cfg.Security.ReportTo(log)
	cfg.Up.Security.ReportTo(log)
	defer daemon.OnHangup(log, func() error { return reload(args, shown, log) })()

	listener, err := listen(ctx, cfg.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	opts, err := cfg.options(log, reg)
	if err != nil {
		return err
	}
	a, err := arbiter.Open(ctx, opts)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // told to stop while it started, and it did
	case err != nil:
		return err
	}
	defer a.Close()
	defer serve(listener, reg, shown, a, log).close()
	defer daemon.PushMetrics(reg, cfg.MetricsAddr, time.Duration(cfg.MetricsInterval)*time.Second, listener.Addr().String(), log)()
	fmt.Fprintf(stdout, "ready: arbiter at %s\n", listener.Addr())
	daemon.ReleaseStartup()
	return a.Run(ctx)
}

// reload takes from the configuration, at SIGHUP, what can change while arbiter runs.
func reload(args []string, shown map[string]any, log *logs.Logger) error {
	now, _, err := parseConfig(args, io.Discard)
	if err != nil {
		return errors.Join(err, log.Reopen())
	}
	return daemon.Reloaded{Was: shown, Now: daemon.Shown(now), Logging: now.Config, Security: now.Security}.Apply(log)
}
