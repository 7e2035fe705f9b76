package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"pumphouse/drainer/arbiter"
	"pumphouse/drainer/kafkaclient"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/internal/certfile"
	"pumphouse/internal/logs"
	"pumphouse/internal/secret"
	"pumphouse/internal/setting"
	"pumphouse/nodes"
)

// config is the configuration, under the names of upstream's arbiter. What a key means is the usage of its
// flag, or the tag doc; see package setting.
type config struct {
	Addr            string `toml:"addr"`
	MetricsAddr     string `toml:"metrics-addr" example:"\"10.0.0.9:9091\""`
	MetricsInterval int    `toml:"metrics-interval" value:"seconds"`

	logs.Config

	Up       upConfig          `toml:"up" doc:"The topic."`
	Down     downConfig        `toml:"down" doc:"The database: a MySQL, MariaDB or TiDB."`
	Security certfile.Security `toml:"security" doc:"TLS towards the database."`

	LogRotate any `toml:"log-rotate" old:"no effect: use [log.file], logrotate(8) or the journal"`

	version bool
	check   bool
	from    string // the configuration file
}

// upConfig is the section [up].
type upConfig struct {
	Topic           string               `toml:"topic" sample:"\"7012345678901234567_obinlog\""`
	KafkaAddrs      string               `toml:"kafka-addrs" default:"\"127.0.0.1:9092\"" sample:"\"127.0.0.1:9092\"" doc:"some of Kafka's brokers, host:port, separated by commas"`
	KafkaVersion    string               `toml:"kafka-version" example:"\"2.4.0\"" doc:"the newest version of the protocol to use; default: what the brokers speak"`
	KafkaClientID   string               `toml:"kafka-client-id" default:"\"pumphouse-arbiter\"" doc:"the name that brokers have for arbiter in logs and quotas"`
	InitialCommitTS int64                `toml:"initial-commit-ts" example:"470642465486929921"`
	TimeZone        string               `toml:"time-zone" example:"\"Asia/Shanghai\"" doc:"time zone of the timestamps in messages: that of the drainer's machine. Default: what a message says, and for messages of upstream's drainers, which do not say it, this machine's"`
	IgnoreOffsets   []int64              `toml:"ignore-offsets" example:"[123456]" doc:"offsets of messages that are left out when they cannot be read"`
	Security        kafkaclient.Security `toml:"security" doc:"TLS towards Kafka, and the login there."`

	MessageBufferSize any `toml:"message-buffer-size" old:"no effect: what is in memory is bounded in bytes"`
	SaramaBufferSize  any `toml:"sarama-buffer-size" old:"no effect: what is in memory is bounded in bytes"`
}

// downConfig is the section [down].
type downConfig struct {
	Host              string  `toml:"host" default:"\"localhost\"" sample:"\"127.0.0.1\"" doc:"host of the database"`
	Port              int     `toml:"port" default:"3306" doc:"its port"`
	User              string  `toml:"user" default:"\"root\"" sample:"\"arbiter\"" doc:"user of the database, with the rights that docs/downstream-user.md names"`
	Password          string  `toml:"password" sample:"\"\"" doc:"its password"`
	EncryptedPassword string  `toml:"encrypted_password" doc:"the password as binlogctl -cmd encrypt prints it, under the key in BINLOG_SECRET_KEY; it wins over password"`
	Workers           int     `toml:"worker-count"`
	BatchSize         int     `toml:"batch-size"`
	SafeMode          bool    `toml:"safe-mode" doc:"apply so that applying twice makes no difference: for a database that may have some of it already"`
	OnDivergence      string  `toml:"on-divergence" default:"\"warn\"" doc:"when a row to be changed is not in the database: warn, or stop. Without effect in safe mode"`
	IgnoreTxns        []int64 `toml:"ignore-txn-commit-ts" example:"[470642465486929921]" doc:"commit TSs of transactions that are left out"`
}

// parseConfig reads flags, environment and the file that -config names. Help that was asked for is printed to stdout.
func parseConfig(args []string, stdout io.Writer) (*config, []string, error) {
	cfg := &config{}
	fs := flag.NewFlagSet("arbiter", flag.ContinueOnError)
	cfg.flags(fs)
	r := setting.New(fs, cfg, "BINLOG_SERVER", stdout)
	warnings, err := r.Read(args)
	if err != nil || cfg.version {
		return cfg, nil, err
	}
	cfg.check, cfg.from = r.CheckOnly, r.File()
	for _, old := range []struct {
		key string
		set any
		why string
	}{
		{"log-rotate", cfg.LogRotate, "use [log.file], logrotate(8) or the journal"},
		{"up.message-buffer-size", cfg.Up.MessageBufferSize, "what is in memory is bounded in bytes"},
		{"up.sarama-buffer-size", cfg.Up.SaramaBufferSize, "what is in memory is bounded in bytes"},
	} {
		if old.set != nil {
			warnings = append(warnings, fmt.Sprintf("%s has no effect any more (%s): remove it", old.key, old.why))
		}
	}
	return cfg, warnings, cfg.validate()
}

func (c *config) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.Addr, "addr", "127.0.0.1:8251", "`host:port` to listen on for /metrics and /status")
	fs.StringVar(&c.MetricsAddr, "metrics-addr", "", "`address` of a Prometheus push gateway, to which metrics are pushed")
	fs.IntVar(&c.MetricsInterval, "metrics-interval", 15, "`seconds` between two pushes; 0: none")
	fs.StringVar(&c.Up.Topic, "up.topic", "", "the `topic`: the drainer's topic-name, by default <cluster ID>_obinlog. It is required")
	fs.Int64Var(&c.Up.InitialCommitTS, "up.initial-commit-ts", 0, "commit `TS` after which to begin while there is no checkpoint, like the position of a dump; 0: with the first message of the topic")
	fs.IntVar(&c.Down.Workers, "down.worker-count", 16, "connections to the database")
	fs.IntVar(&c.Down.BatchSize, "down.batch-size", 64, "statements a transaction in the database")
	c.Flags(fs, "log-level", "info", logs.FormatUnified)
	setting.Alias(fs, "L", "log-level")
	fs.BoolVar(&c.version, "V", false, "print the version and exit")
	fs.Func("log-rotate", "accepted from old scripts, without effect", func(string) error { return nil })
}

// validate checks what can be checked without network.
func (c *config) validate() error {
	var bad []error
	add := func(format string, args ...any) { bad = append(bad, fmt.Errorf(format, args...)) }
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		add("addr %q: must be host:port: %w", c.Addr, err)
	}
	if c.Up.Topic == "" {
		add("up.topic is missing: give the drainer's topic-name, which by default is <cluster ID>_obinlog (-up.topic)")
	}
	if c.Up.InitialCommitTS < 0 {
		add("up.initial-commit-ts %d is negative", c.Up.InitialCommitTS)
	}
	if d := c.Down.OnDivergence; d != "" && d != "stop" && d != "warn" {
		add("down.on-divergence %q does not exist: use stop or warn", d)
	}
	if c.Down.Workers < 1 || c.Down.Workers > 1024 {
		add("down.worker-count %d: use a number from 1 to 1024", c.Down.Workers)
	}
	if c.Down.BatchSize < 1 {
		add("down.batch-size %d: use 1 or more", c.Down.BatchSize)
	}
	_, err := c.options(logs.OrSilent(nil), nil)
	return errors.Join(append(bad, err, c.Config.Check())...)
}

// options are those of the run.
func (c *config) options(log logrus.FieldLogger, reg *prometheus.Registry) (arbiter.Options, error) {
	var bad []error
	o := arbiter.Options{
		Brokers: kafkaclient.Brokers{Addrs: strings.Split(cmp.Or(c.Up.KafkaAddrs, "127.0.0.1:9092"), ","), Version: c.Up.KafkaVersion,
			ClientID: cmp.Or(c.Up.KafkaClientID, "pumphouse-arbiter"), Logger: log},
		Topic: c.Up.Topic, InitialCommitTS: nodes.TSO(c.Up.InitialCommitTS), IgnoreOffsets: c.Up.IgnoreOffsets,
		Server:  mysql.Server{Host: cmp.Or(c.Down.Host, "localhost"), Port: c.Down.Port, User: c.Down.User},
		Workers: c.Down.Workers, TxnBatch: c.Down.BatchSize, SafeMode: c.Down.SafeMode, StopAtDivergence: c.Down.OnDivergence == "stop",
		Logger: log, Metrics: reg,
	}
	for _, ts := range c.Down.IgnoreTxns {
		o.IgnoreTxns = append(o.IgnoreTxns, nodes.TSO(ts))
	}
	var err error
	if c.Up.TimeZone != "" {
		if o.Zone, err = time.LoadLocation(c.Up.TimeZone); err != nil {
			bad = append(bad, fmt.Errorf("up.time-zone %q: use a name like UTC or Asia/Shanghai: %w", c.Up.TimeZone, err))
		}
	}
	if _, err := o.Brokers.Options(); err != nil {
		bad = append(bad, fmt.Errorf("up.%w", err))
	}
	if o.Brokers.TLS, err = c.Up.Security.Client(); err != nil {
		bad = append(bad, fmt.Errorf("up.security: %w", err))
	}
	if o.Brokers.SASL, err = c.Up.Security.SASL(); err != nil {
		bad = append(bad, fmt.Errorf("up.security.%w", err))
	}
	if o.Server.TLS, err = c.Security.Client(); err != nil {
		bad = append(bad, fmt.Errorf("security: %w", err))
	}
	if o.Server.Password, err = secret.Password(c.Down.Password, "down.encrypted_password", c.Down.EncryptedPassword); err != nil {
		bad = append(bad, err)
	}
	return o, errors.Join(bad...)
}

// to names the database in the log.
func (c *config) to() string {
	return fmt.Sprintf("%s@%s:%d", cmp.Or(c.Down.User, "root"), cmp.Or(c.Down.Host, "localhost"), cmp.Or(c.Down.Port, 3306))
}
