// Command arbiter applies what a drainer writes to a Kafka topic (db-type = "kafka") to a MySQL, MariaDB or TiDB. Its
// flags and configuration keys are those of upstream's arbiter.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
	_ "time/tzdata" // time zones work where the machine has no zone files

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"

	"pumphouse/drainer/arbiter"
	"pumphouse/internal/logs"
	"pumphouse/internal/program"
	"pumphouse/internal/pushgateway"
	"pumphouse/internal/setting"
	"pumphouse/internal/version"
)

func main() {
	ctx := program.UntilSignal("arbiter", os.Exit, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program. It gives the exit code: 0 after a signal, 1 when something failed, 2 when flags or
// configuration were not understood.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, warnings, err := parseConfig(args, stdout)
	log, code := program.Start{Name: "arbiter", Err: err, Version: cfg.version, Check: cfg.check, Warnings: warnings, Logging: cfg.Config}.Open(stdout, stderr)
	if log == nil {
		return code
	}
	defer log.Close()
	err = work(ctx, args, cfg, warnings, log, stdout)
	if err != nil {
		log.WithError(err).Error("arbiter exited")
	}
	return program.ExitCode(stderr, "arbiter", err) // for people, whatever the log's form and place
}

// work runs until ctx is done.
func work(ctx context.Context, args []string, cfg *config, warnings []string, log *logs.Logger, stdout io.Writer) error {
	shown := setting.Shown(cfg)
	log.WithFields(logrus.Fields{"version": version.Number, "addr": cfg.Addr, "config": cfg.from, "topic": cfg.Up.Topic,
		"kafka": cfg.Up.KafkaAddrs, "downstream": cfg.to()}).Info("arbiter starts")
	log.WithField("config", setting.ShownText(shown)).Debug("the configuration, without secrets")
	for _, w := range warnings {
		log.Warn(w)
	}
	cfg.Security.ReportTo(log)
	cfg.Up.Security.ReportTo(log)
	defer program.OnHangup(log, func() error { return reload(args, shown, log) })()

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
	defer pushgateway.Push(reg, cfg.MetricsAddr, time.Duration(cfg.MetricsInterval)*time.Second, listener.Addr().String(), log)()
	fmt.Fprintf(stdout, "ready: arbiter at %s\n", listener.Addr())
	return a.Run(ctx)
}

// reload takes from the configuration, at SIGHUP, what can change while arbiter runs.
func reload(args []string, shown map[string]any, log *logs.Logger) error {
	now, _, err := parseConfig(args, io.Discard)
	return program.Reloaded{Err: err, Was: shown, Now: now, Logging: now.Config, Security: now.Security}.Apply(log)
}
