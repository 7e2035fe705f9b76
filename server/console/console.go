package console

import (
	"context"
	"errors"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/setting"
	"pumphouse/internal/version"
	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/life"
	"pumphouse/nodes/pd"
	"pumphouse/nodes/standby"
	"pumphouse/nodes/survey"
	"pumphouse/server"
	"pumphouse/server/web"
)

// Console is the front end with what it reads from.
type Console struct {
	server     *server.Server
	cache      *nodes.Cache
	clock      *pdClock
	audit      *audit.Log
	survey     *survey.Survey
	page       *web.Server  // nil: none
	pageScheme string       // http or https
	closer     func() error // of the etcd client
	first      *life.Announcement
}

// Open starts the front end. It does not wait for PD: until PD answers, statements
// that need it fail with an error that names it. from is the configuration's file, for the log.
func Open(ctx context.Context, cfg Config, from string, log logrus.FieldLogger) (*Console, error) {
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
	shown := setting.Shown(&cfg)
	first := life.Announce(log, "console", logrus.Fields{"addr": cfg.Addr, "socket": cfg.Socket, "http_addr": cfg.httpAddr(), "users": len(cfg.Users),
		"tls": cfg.TLSCert != "", "config": from}, etcd.Endpoints(), client.ClusterID)
	log.WithField("config", setting.ShownText(shown)).Debug("the configuration, without secrets")
	cfg.reportCertificates(log)
	cfg.limitConnections(log)
	registry := nodes.NewRegistry(etcd, cfg.PDTimeout.Duration)
	c := &Console{
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
	opts.Session.Standbys = func(ctx context.Context) ([]standby.Group, error) { return standby.Read(ctx, registry) }
	health, err := newHealth(cfg, c.clock, cluster.Endpoints())
	if err == nil {
		c.survey, err = survey.Open(survey.Options{View: cluster, TLS: tlsConfig, Heartbeat: cfg.Heartbeat.Duration, Now: c.clock.now,
			Exits: registry.Exits, Own: health.list, Version: version.Number})
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
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// SetUsers has other users, who may log in from now on.
func (c *Console) SetUsers(users []server.User) error { return c.server.SetUsers(users) }

// Close ends the sessions first, then what they read from.
func (c *Console) Close() error {
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

// ReadyLine is what a newcomer types next.
func (c *Console) ReadyLine() string { return "ready: " + c.server.LoginCommand() }
