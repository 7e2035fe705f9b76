package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/daemon"
	"pumphouse/nodes/logs"
	"pumphouse/nodes/pd"
	"pumphouse/nodes/setting"
	"pumphouse/nodes/survey"
	"pumphouse/server"
	"pumphouse/server/web"
)

// serve is `pumphouse serve`: the console on the records of a PD that runs elsewhere.
func serve(ctx context.Context, args []string, std stdio) error {
	var cfg config
	r := setting.New(cfg.flags("pumphouse serve"), &cfg, "PUMPHOUSE", std.out)
	env, err := r.Read(args)
	if err == nil {
		err = cfg.check()
	}
	if err != nil {
		return &usageError{err}
	}
	if r.CheckOnly {
		setting.ReportOK(std.out, std.err, "pumphouse serve", env)
		return nil
	}
	log, err := logs.Open(cfg.Config, std.err)
	if err != nil {
		return err
	}
	defer log.Close()
	cfg.limitMemory()
	cfg.from = r.File()
	c, err := openConsole(ctx, cfg, log)
	if err != nil {
		return err
	}
	for _, w := range env {
		log.Warn(w)
	}
	defer daemon.OnHangup(log, func() error { return c.reload(args, cfg, log) })()
	daemon.ReleaseStartup()
	fmt.Fprintln(std.out, c.pageLine()+c.readyLine())
	<-ctx.Done()
	log.WithField("reason", context.Cause(ctx)).Info("console stops")
	return c.close()
}

// reload takes from the configuration, at SIGHUP, what can change while the console runs: the log and the users.
func (c *console) reload(args []string, was config, log *logs.Logger) error {
	var now config
	_, err := setting.New(now.flags("pumphouse serve"), &now, "PUMPHOUSE", io.Discard).Read(args)
	if err == nil {
		err = now.check()
	}
	if err != nil {
		return errors.Join(err, log.Reopen())
	}
	return errors.Join(c.server.SetUsers(now.Users),
		daemon.Reloaded{Was: daemon.Shown(&was), Now: daemon.Shown(&now), Logging: now.Config, Security: now.Security, Live: []string{"users"}}.Apply(log))
}

// console is the front end with what it reads from.
type console struct {
	server     *server.Server
	cache      *nodes.Cache
	clock      *pdClock
	audit      *audit.Log
	survey     *survey.Survey
	page       *web.Server  // nil: none
	pageScheme string       // http or https
	closer     func() error // of the etcd client
	first      *daemon.Announcement
}

// openConsole starts the front end. It does not wait for PD: until PD answers, statements
// that need it fail with an error that names it.
func openConsole(ctx context.Context, cfg config, log logrus.FieldLogger) (*console, error) {
	tlsConfig, err := cfg.Security.Client()
	if err != nil {
		return nil, err
	}
	etcd, err := nodes.NewClient([]string{cfg.PDURLs}, tlsConfig, cfg.PDTimeout.Duration)
	if err != nil {
		return nil, err
	}
	client, err := pd.New(pd.Options{Endpoints: etcd.Endpoints(), TLS: tlsConfig, Timeout: cfg.PDTimeout.Duration})
	if err != nil {
		return nil, errors.Join(err, etcd.Close())
	}
	shown := daemon.Shown(&cfg)
	first := daemon.Announce(log, "console", logrus.Fields{"addr": cfg.Addr, "socket": cfg.Socket, "http_addr": cfg.httpAddr(), "users": len(cfg.Users),
		"tls": cfg.TLSCert != "", "config": cfg.from}, etcd.Endpoints(), client.ClusterID)
	log.WithField("config", daemon.ShownText(shown)).Debug("the configuration, without secrets")
	cfg.reportCertificates(log)
	cfg.limitConnections(log)
	registry := nodes.NewRegistry(etcd, cfg.PDTimeout.Duration)
	c := &console{
		cache:  nodes.OpenCache(registry, nodes.CacheOptions{Logger: log}),
		clock:  startClock(client),
		closer: etcd.Close,
		first:  first,
	}
	cluster := nodes.NewCluster(registry, c.cache)
	opts := cfg.serverOptions(cluster)
	opts.Session.NodeClock = c.clock.now
	opts.Session.TSO = client.TSO
	opts.Session.Control = nodes.NewControl(tlsConfig, cfg.PDTimeout.Duration)
	c.audit = audit.New(audit.Options{Registry: registry, Now: c.clock.now, Logger: log})
	opts.Session.Audit = c.audit
	health, err := newHealth(cfg, c.clock, cluster.Endpoints())
	if err == nil {
		c.survey, err = survey.Open(survey.Options{View: cluster, TLS: tlsConfig, Heartbeat: cfg.Heartbeat.Duration, Now: c.clock.now,
			Exits: registry.Exits, Own: health.list, Version: daemon.Version})
	}
	opts.Session.Reports = c.survey
	opts.Logger = log
	if err == nil {
		c.server, err = server.New(opts)
	}
	if err == nil {
		err = c.audit.Open()
	}
	if err == nil {
		err = c.server.Open(ctx)
	}
	if err == nil {
		err = c.openHTTP(cfg, cluster, web.Options{Logger: log, Config: shown})
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// close ends the sessions first, then what they read from.
func (c *console) close() error {
	c.first.Stop()
	var errs []error
	if c.page != nil {
		errs = append(errs, c.page.Close())
	}
	if c.server != nil {
		errs = append(errs, c.server.Close())
	}
	if c.survey != nil {
		errs = append(errs, c.survey.Close())
	}
	errs = append(errs, c.audit.Close(), c.clock.close(), c.cache.Close(), c.closer())
	return errors.Join(errs...)
}

// readyLine is what a newcomer types next.
func (c *console) readyLine() string { return "ready: " + c.server.LoginCommand() }
