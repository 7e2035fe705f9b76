package console

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/certfile"
	"pumphouse/internal/logs"
	"pumphouse/internal/setting"
	"pumphouse/internal/version"
	"pumphouse/nodes"
	"pumphouse/server"
	"pumphouse/server/governor"
	"pumphouse/server/session"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/sysvar"
)

// Config is the console's configuration: the TOML file has these keys, and the flags the
// same names (users can only be given in the file). What a key means is the usage of its flag, or the tag doc;
// see package setting.
type Config struct {
	Addr     string `toml:"addr"`
	Socket   string `toml:"socket" example:"\"/run/pumphouse/console.sock\""`
	HTTPAddr string `toml:"http-addr" default:"\"127.0.0.1:8247\""`

	HTTPHosts string `toml:"http-hosts" example:"\"console.example.com\""`
	HTTPLogin bool   `toml:"http-login"`
	HTTPCert  string `toml:"http-tls-cert" example:"\"/etc/pumphouse/server.pem\""`
	HTTPKey   string `toml:"http-tls-key" example:"\"/etc/pumphouse/server.key\""`

	PDURLs  string `toml:"pd-urls" sample:"\"http://127.0.0.1:2379\""`
	Compat  string `toml:"compat"`
	LogBin  string `toml:"log-bin"`
	Version string `toml:"server-version"`

	PDTimeout        setting.Duration `toml:"pd-timeout"`
	Heartbeat        setting.Duration `toml:"heartbeat-interval"`
	IdleTimeout      setting.Duration `toml:"idle-timeout"`
	StatementTimeout setting.Duration `toml:"statement-timeout"`
	MaxPacket        int64            `toml:"max-allowed-packet"`

	MaxConnections     int   `toml:"max-connections"`
	MaxUserConnections int   `toml:"max-user-connections"`
	MaxMemory          int64 `toml:"max-memory"`
	MaxSessionMemory   int64 `toml:"max-session-memory"`
	MaxRunning         int   `toml:"max-running"`

	TLSCert                string `toml:"tls-cert" example:"\"/etc/pumphouse/server.pem\""`
	TLSKey                 string `toml:"tls-key" example:"\"/etc/pumphouse/server.key\""`
	RequireSecureTransport bool   `toml:"require-secure-transport"`

	logs.Config

	Security certfile.Security `toml:"security" doc:"TLS towards PD and the nodes."`
	Users    []server.User     `toml:"users" doc:"Who may log in; without users root may, without a password and from this machine only."`
}

// Flags names every key of the configuration on the command line.
func (c *Config) Flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
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
	fs.StringVar(&c.Version, "server-version", "8.0.11-TiDB-v8.3.0-pumphouse-"+version.Number, "the version that clients are told")
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
	c.Config.Flags(fs, "log-level", "info", logs.FormatLogfmt)
	setting.Alias(fs, "L", "log-level")
	c.Security.Flags(fs)
	return fs
}

// minMemory is the least that max-memory may be, in bytes: enough for the tools' catalogue queries.
const minMemory = 16 << 20

// Check checks what can be checked without network, and reports all that is wrong.
func (c *Config) Check() error {
	var errs setting.Errors
	if c.Compat != string(nodestmt.CompatDocs) && c.Compat != string(nodestmt.CompatTiDB) {
		errs.Addf("compat %q does not exist: use docs or tidb", c.Compat)
	}
	if c.LogBin != "auto" && c.LogBin != "on" && c.LogBin != "off" {
		errs.Addf("log-bin %q does not exist: use auto, on or off", c.LogBin)
	}
	if c.HTTPLogin && len(c.Users) == 0 {
		errs.Addf("http-login needs users: configure [[users]] with hashes made by `pumphouse passwd`")
	}
	errs.Least("max-connections", c.MaxConnections, 1, "")
	if c.MaxUserConnections < 0 || c.MaxUserConnections > c.MaxConnections {
		errs.Addf("max-user-connections %d: must be from 1 to max-connections (%d), or 0 for three quarters of that", c.MaxUserConnections, c.MaxConnections)
	}
	if c.MaxMemory < minMemory {
		errs.Addf("max-memory %d: must be at least %d bytes", c.MaxMemory, minMemory)
	}
	if c.MaxSessionMemory < minMemory/4 {
		errs.Addf("max-session-memory %d: must be at least %d bytes", c.MaxSessionMemory, minMemory/4)
	}
	if c.MaxRunning < 0 {
		errs.Addf("max-running %d: must be above 0, or 0 for half of the processors", c.MaxRunning)
	}
	if c.MaxPacket < 1024 || c.MaxPacket > 1<<30 {
		errs.Addf("max-allowed-packet %d: must be from 1024 to 1073741824 bytes", c.MaxPacket)
	}
	if c.StatementTimeout.Duration < 0 {
		errs.Addf("statement-timeout %s: must not be negative", c.StatementTimeout)
	}
	for _, d := range []struct {
		name string
		time setting.Duration
	}{{"pd-timeout", c.PDTimeout}, {"heartbeat-interval", c.Heartbeat}, {"idle-timeout", c.IdleTimeout}} {
		if d.time.Duration <= 0 {
			errs.Addf("%s %s: must be above 0", d.name, d.time)
		}
	}
	errs.Add("", c.Config.Check())
	errs.Add("security", c.Security.Check())
	_, err := nodes.ParseEndpoints([]string{c.PDURLs}, c.Security.Enabled())
	errs.Add("", err)
	errs.Add("", c.checkPage())
	_, err = server.New(c.serverOptions(nil)) // addr, users, TLS
	errs.Add("", err)
	return errs.Join()
}

// checkPage checks the address and the certificate of the page.
func (c *Config) checkPage() error {
	if (c.HTTPCert == "") != (c.HTTPKey == "") {
		return errors.New("http-tls-cert and http-tls-key go together: name both or neither")
	}
	if c.HTTPCert != "" {
		if _, err := certfile.NewPair(c.HTTPCert, c.HTTPKey, nil); err != nil {
			return fmt.Errorf("http-tls-cert and http-tls-key: %w", err)
		}
	}
	if addr := c.httpAddr(); addr != noHTTP {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("http-addr %q: must be host:port, or off: %w", addr, err)
		}
	}
	return nil
}

// serverOptions are the options of the MySQL front end.
func (c *Config) serverOptions(cluster nodestmt.Cluster) server.Options {
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
			Config: nodestmt.Config{Cluster: cluster, Compat: nodestmt.Compat(c.Compat), LogBin: c.LogBin, Heartbeat: c.Heartbeat.Duration},
			Facts: sysvar.Facts{Version: c.Version, MaxPacket: c.MaxPacket, IdleTimeout: c.IdleTimeout.Duration,
				Statement: c.StatementTimeout.Duration},
		},
	}
}

// reportCertificates logs certificates that are not valid now.
func (c *Config) reportCertificates(log logrus.FieldLogger) {
	c.Security.ReportTo(log)
	for _, pair := range [][3]string{{"tls-cert and tls-key", c.TLSCert, c.TLSKey}, {"http-tls-cert and http-tls-key", c.HTTPCert, c.HTTPKey}} {
		if pair[1] == "" {
			continue
		}
		if err := certfile.CheckExpiry(pair[0], pair[1], pair[2], time.Now()); err != nil {
			log.Error(err.Error())
		}
	}
}
