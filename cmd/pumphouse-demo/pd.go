package main

import (
	"context"
	"flag"
	"fmt"

	"pumphouse/internal/logs"
	"pumphouse/internal/program"
	"pumphouse/internal/setting/subcommand"
	"pumphouse/nodes/embedpd"
)

// servePD is `pumphouse pd`: a single-node PD for trials and tests. A cluster has a real one.
func servePD(ctx context.Context, args []string, std subcommand.Stdio) error {
	var (
		opts    embedpd.Options
		logging logs.Config
		fs      = flag.NewFlagSet("pd", flag.ContinueOnError)
	)
	fs.StringVar(&opts.Addr, "addr", embedpd.DefaultAddr, "`host:port` to listen on; port 0 means any free one")
	fs.StringVar(&opts.AdvertiseAddr, "advertise-addr", "", "`host:port` that clients are told to use, if another")
	fs.StringVar(&opts.DataDir, "data-dir", "data.pd", "`directory` that keeps records, cluster ID and the clock's bound")
	fs.StringVar(&opts.CAFile, "ssl-ca", "", "PEM `file`; clients must show a certificate it has signed")
	fs.StringVar(&opts.CertFile, "ssl-cert", "", "PEM `file` with the certificate to serve TLS with")
	fs.StringVar(&opts.KeyFile, "ssl-key", "", "PEM `file` with its key")
	logging.Flags(fs, "log-level", "info", logs.FormatLogfmt)
	if err := subcommand.Parse(calledAs, fs, args, std); err != nil {
		return err
	}
	if err := logging.Check(); err != nil {
		return &subcommand.UsageError{Err: err}
	}
	log, err := logs.Open(logging, std.Err)
	if err != nil {
		return err
	}
	defer log.Close()
	opts.Logger = log
	defer program.OnHangup(log, log.Reopen)()
	pd, err := embedpd.New(opts)
	if err != nil {
		return &subcommand.UsageError{Err: err}
	}
	if err := pd.Open(ctx); err != nil {
		return err
	}
	fmt.Fprintf(std.Out, "ready: -pd-urls %s\n", pd.URL())
	failed := make(chan error, 1)
	go func() { failed <- pd.Wait() }()
	select {
	case err := <-failed:
		pd.Close()
		return err
	case <-ctx.Done():
		return pd.Close()
	}
}
