package main

import (
	"errors"
	"flag"
	"fmt"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/daemon"
	"pumphouse/nodes/logs"
	"pumphouse/server"
	"pumphouse/server/engine"
	"pumphouse/server/governor"
	"pumphouse/server/session"
)

// config is the console's configuration: the TOML file has these keys, and the flags the
// same names (users can only be given in the file).
type config struct {
	Addr     string `toml:"addr"`
	Socket   string `toml:"socket"`
	HTTPAddr string `toml:"http-addr"`

	HTTPHosts string `toml:"http-hosts"`
	HTTPLogin bool   `toml:"http-login"`
	HTTPCert  string `toml:"http-tls-cert"`
	HTTPKey   string `toml:"http-tls-key"`

	PDURLs  string `toml:"pd-urls"`
	Compat  string `toml:"compat"`
	LogBin  string `toml:"log-bin"`
	Version string `toml:"server-version"`

	PDTimeout        duration `toml:"pd-timeout"`
	Heartbeat        duration `toml:"heartbeat-interval"`
	IdleTimeout      duration `toml:"idle-timeout"`
	StatementTimeout duration `toml:"statement-timeout"`
	MaxPacket        int64    `toml:"max-allowed-packet"`

	MaxConnections     int   `toml:"max-connections"`
	MaxUserConnections int   `toml:"max-user-connections"`
	MaxMemory          int64 `toml:"max-memory"`
	MaxSessionMemory   int64 `toml:"max-session-memory"`
	MaxRunning         int   `toml:"max-running"`

	TLSCert                string `toml:"tls-cert"`
	TLSKey                 string `toml:"tls-key"`
	RequireSecureTransport bool   `toml:"require-secure-transport"`

	logs.Config

	Security daemon.Security `toml:"security"`
	Users    []server.User   `toml:"users"`

	file string // -config
}

// duration is a time.Duration in TOML as in flags: "2s", "8h".
type duration struct{ time.Duration }

func (d *duration) UnmarshalText(b []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(b))
	return err
}

// flags names every key of the configuration on the command line.
func (c *config) flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.StringVar(&c.file, "config", "", "TOML `file` with the same names as keys, and with [[users]]")
	fs.StringVar(&c.Addr, "addr", "127.0.0.1:8248", "`host:port` to listen on; port 0 means any free one")
	fs.StringVar(&c.Socket, "socket", "", "Unix socket `path` to listen on as well")
	fs.StringVar(&c.HTTPAddr, "http-addr", "", "`host:port` of the page, /metrics and /healthz, which anybody may read (but see -http-login); off = none (default 127.0.0.1:8247, or any port if -addr has port 0)")
	fs.StringVar(&c.HTTPHosts, "http-hosts", "", "`names`, separated by commas, by which browsers and Prometheus may ask for the page, besides the address it listens on and localhost")
	fs.BoolVar(&c.HTTPLogin, "http-login", false, "ask for name and password of one of the console's users before the page and /metrics")
	fs.StringVar(&c.HTTPCert, "http-tls-cert", "", "PEM `file` with the certificate of the page; with it the page is HTTPS")
	fs.StringVar(&c.HTTPKey, "http-tls-key", "", "PEM `file` with its key")
	fs.StringVar(&c.PDURLs, "pd-urls", "http://127.0.0.1:2379", "PD's client `URLs`, separated by commas")
	fs.StringVar(&c.Compat, "compat", "docs", "whose answers to give where they differ: docs (the operations document) or tidb (TiDB servers)")
	fs.StringVar(&c.LogBin, "log-bin", "auto", "what log_bin says: auto (binlog is enabled while a pump is online), on or off")
	fs.StringVar(&c.Version, "server-version", "8.0.11-TiDB-v8.3.0-pumphouse-"+daemon.Version, "the version that clients are told")
	fs.DurationVar(&c.PDTimeout.Duration, "pd-timeout", 5*time.Second, "how long a statement may wait for PD")
	fs.DurationVar(&c.Heartbeat.Duration, "heartbeat-interval", nodes.DefaultHeartbeat, "how often nodes report; silent for three of these = not reporting")
	fs.DurationVar(&c.IdleTimeout.Duration, "idle-timeout", 8*time.Hour, "how long a client may be silent (wait_timeout)")
	fs.DurationVar(&c.StatementTimeout.Duration, "statement-timeout", 30*time.Second, "how long a statement may run (max_execution_time), which monitors can lower but not lift; 0 = no limit")
	fs.IntVar(&c.MaxConnections, "max-connections", governor.DefaultConnections, "`number` of clients at most; 16 more may come if they are admins")
	fs.IntVar(&c.MaxUserConnections, "max-user-connections", 0, "`number` of clients of one user at most; 0 = three quarters of max-connections")
	fs.Int64Var(&c.MaxMemory, "max-memory", governor.DefaultMemory, "`bytes` that all sessions together may hold; one user has less than half. The process takes up to 70 MB more")
	fs.Int64Var(&c.MaxSessionMemory, "max-session-memory", governor.DefaultSessionMemory, "`bytes` that one session may hold: packets (twice), results, prepared statements, variables")
	fs.IntVar(&c.MaxRunning, "max-running", 0, "`number` of expensive statements that run at once, the others take turns; 0 = half of the processors")
	fs.Int64Var(&c.MaxPacket, "max-allowed-packet", 16<<20, "how many `bytes` a client may send at once")
	fs.StringVar(&c.TLSCert, "tls-cert", "", "PEM `file` with the certificate shown to MySQL clients")
	fs.StringVar(&c.TLSKey, "tls-key", "", "PEM `file` with its key")
	fs.BoolVar(&c.RequireSecureTransport, "require-secure-transport", false, "refuse TCP clients without TLS")
	c.Flags(fs, "log-level", "info", logs.FormatLogfmt)
	fs.StringVar(&c.Security.CA, "ssl-ca", "", "PEM `file` with the cluster's certificate authorities, for PD")
	fs.StringVar(&c.Security.Cert, "ssl-cert", "", "PEM `file` with our certificate towards PD")
	fs.StringVar(&c.Security.Key, "ssl-key", "", "PEM `file` with its key")
	return fs
}

// minMemory is the least that max-memory may be, in bytes: enough for the tools' catalogue queries.
const minMemory = 16 << 20

// check refuses what no part further down checks.
func (c *config) check() error {
	if err := c.Config.Check(); err != nil {
		return err
	}
	switch {
	case c.Compat != string(session.CompatDocs) && c.Compat != string(session.CompatTiDB):
		return fmt.Errorf("compat %q does not exist: use docs or tidb", c.Compat)
	case c.LogBin != "auto" && c.LogBin != "on" && c.LogBin != "off":
		return fmt.Errorf("log-bin %q does not exist: use auto, on or off", c.LogBin)
	case (c.HTTPCert == "") != (c.HTTPKey == ""):
		return errors.New("http-tls-cert and http-tls-key go together: name both or neither")
	case c.HTTPLogin && len(c.Users) == 0:
		return errors.New("http-login needs users: configure [[users]] with hashes made by `pumphouse passwd`")
	case c.MaxConnections < 1:
		return fmt.Errorf("max-connections %d: must be at least 1", c.MaxConnections)
	case c.MaxUserConnections < 0 || c.MaxUserConnections > c.MaxConnections:
		return fmt.Errorf("max-user-connections %d: must be from 1 to max-connections (%d), or 0 for three quarters of that", c.MaxUserConnections, c.MaxConnections)
	case c.MaxMemory < minMemory:
		return fmt.Errorf("max-memory %d: must be at least %d bytes", c.MaxMemory, minMemory)
	case c.MaxSessionMemory < minMemory/4:
		return fmt.Errorf("max-session-memory %d: must be at least %d bytes", c.MaxSessionMemory, minMemory/4)
	case c.MaxRunning < 0:
		return fmt.Errorf("max-running %d: must be above 0, or 0 for half of the processors", c.MaxRunning)
	case c.MaxPacket < 1024 || c.MaxPacket > 1<<30:
		return fmt.Errorf("max-allowed-packet %d: must be from 1024 to 1073741824 bytes", c.MaxPacket)
	case c.StatementTimeout.Duration < 0:
		return fmt.Errorf("statement-timeout %s: must not be negative", c.StatementTimeout)
	}
	for name, d := range map[string]duration{"pd-timeout": c.PDTimeout, "heartbeat-interval": c.Heartbeat, "idle-timeout": c.IdleTimeout} {
		if d.Duration <= 0 {
			return fmt.Errorf("%s %s: must be above 0", name, d)
		}
	}
	return nil
}

// serverOptions are the options of the MySQL front end.
func (c *config) serverOptions(cluster session.Cluster) server.Options {
	return server.Options{
		Addr:                   c.Addr,
		Socket:                 c.Socket,
		Users:                  c.Users,
		TLSCert:                c.TLSCert,
		TLSKey:                 c.TLSKey,
		RequireSecureTransport: c.RequireSecureTransport,
		Limits: governor.Limits{Memory: c.MaxMemory, SessionMemory: c.MaxSessionMemory,
			Connections: c.MaxConnections, UserConnections: c.MaxUserConnections, Running: c.MaxRunning},
		Session: session.Options{
			Cluster:     cluster,
			Compat:      session.Compat(c.Compat),
			LogBin:      c.LogBin,
			Heartbeat:   c.Heartbeat.Duration,
			Version:     c.Version,
			MaxPacket:   c.MaxPacket,
			IdleTimeout: c.IdleTimeout.Duration,
			Statement:   c.StatementTimeout.Duration,
			Limits:      engine.Limits{},
		},
	}
}
