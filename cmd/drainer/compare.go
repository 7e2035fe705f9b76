package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/compare"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/txn"
	"pumphouse/internal/certfile"
	"pumphouse/internal/secret"
	"pumphouse/nodes/datadir"
	"pumphouse/nodes/tikvconn"
)

// compareConfig is the section [compare], which is ours: the upstream for -compare, and how much of both servers it may
// take.
type compareConfig struct {
	Host              string            `toml:"host" example:"\"tidb0.example\"" doc:"host of a TiDB"`
	Port              int               `toml:"port" default:"4000" doc:"its port"`
	User              string            `toml:"user" example:"\"compare\"" doc:"a user that may read what is replicated"`
	Password          string            `toml:"password" doc:"its password; default: the environment variable TIDB_PSWD"`
	EncryptedPassword string            `toml:"encrypted_password" doc:"the same, encrypted as in [syncer.to]"`
	Threads           int               `toml:"threads"`
	ChunkRows         int               `toml:"chunk-rows"`
	State             string            `toml:"state"`
	Security          certfile.Security `toml:"security" doc:"TLS towards that TiDB."`

	asked    bool   // -compare
	upstream string // -compare-upstream
}

// server is the upstream's TiDB; the flag wins.
func (c *compareConfig) server() (mysql.Server, error) {
	s := mysql.Server{Host: c.Host, Port: cmp.Or(c.Port, 4000), User: c.User}
	if c.upstream != "" {
		user, addr, ok := cutLast(c.upstream, "@")
		if !ok {
			user, addr = "", c.upstream
		}
		host, port, err := net.SplitHostPort(addr)
		if err == nil {
			s.Port, err = strconv.Atoi(port)
		}
		if err != nil {
			return s, fmt.Errorf("-compare-upstream %q: want user@host:port", c.upstream)
		}
		s.Host, s.User = host, cmp.Or(user, s.User)
	}
	if s.Host == "" {
		return s, errors.New("-compare needs the upstream's TiDB: give host, port, user and password in the section [compare], or -compare-upstream user@host:port and the password in TIDB_PSWD")
	}
	var err error
	if s.TLS, err = c.Security.Client(); err != nil {
		return s, fmt.Errorf("compare.security: %w", err)
	}
	if s.Password, err = secret.Password(cmp.Or(c.Password, os.Getenv("TIDB_PSWD")), "encrypted_password", c.EncryptedPassword); err != nil {
		return s, fmt.Errorf("compare.%w", err)
	}
	return s, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// errDiffer says that the comparison came to a difference, which the report names.
var errDiffer = errors.New("the downstream differs from the upstream")

// compareDatabases runs drainer -compare: it prints the report, or gives why there is none.
func compareDatabases(cfg *config, log logrus.FieldLogger, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	down, ok := cfg.down.(*downstream.MySQL)
	if !ok {
		return fmt.Errorf("-compare compares databases, and db-type is %q", cfg.Syncer.DBType)
	}
	upstream, err := cfg.Compare.server()
	if err != nil {
		return err
	}
	// Whoever holds the lock of the data directory keeps the drainer from starting.
	dir, err := datadir.Open(cfg.DataDir)
	if err != nil {
		return fmt.Errorf("hold the downstream: %w (a running drainer is paused with binlogctl -cmd pause-drainer)", err)
	}
	defer dir.Close()
	defer tikvconn.RedirectLogs(log)()
	cluster, endpoints, err := cfg.askCluster(ctx, log)
	if err != nil {
		return err
	}
	h, err := newHeld(ctx, cfg, down, cluster)
	if err != nil {
		return err
	}
	defer h.close()
	release, err := holdGC(ctx, endpoints, cfg.Security.Security, h.at, log)
	if err != nil {
		return err
	}
	defer release()
	up, err := upstream.Pool(map[string]string{"tidb_snapshot": "'" + h.at.String() + "'"})
	if err != nil {
		return err
	}
	defer up.Close()
	filter, err := txn.NewFilter(cfg.rules())
	if err != nil {
		return err
	}
	migration, err := txn.NewMigration(cfg.migrateRules())
	if err != nil {
		return err
	}
	skip := func(schema, table string) bool { return filter.Skip(schema, table) || mysql.IsMarkTable(schema, table) }
	show := newProgress(stderr, log)
	report, err := compare.Run(ctx, compare.Options{
		Upstream: up, Downstream: h.db, TS: h.at, Skip: skip, Route: migration.Route, Partial: down.PartialColumns, Own: h.place.Own, Held: h.check,
		Threads: cfg.Compare.Threads, ChunkRows: cfg.Compare.ChunkRows, State: cmp.Or(cfg.Compare.State, filepath.Join(cfg.DataDir, "compare.json")),
		Servers: fmt.Sprintf("%s %s %+v %+v", upstream, down, cfg.rules(), cfg.migrateRules()), Progress: show.tell,
	})
	show.end()
	if ctx.Err() != nil {
		return errors.New("interrupted: run it again to go on from here")
	}
	if err != nil {
		return err
	}
	if err := report.Print(stdout); err != nil {
		return err
	}
	if !report.Equal() {
		return errDiffer
	}
	return nil
}
