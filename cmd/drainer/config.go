package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"

	"pumphouse/drainer"
	"pumphouse/drainer/handover"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/txn"
	"pumphouse/internal/logs"
	"pumphouse/internal/setting"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/port"
)

// config is the drainer's configuration, under the names of upstream's drainer. What a key means is the usage
// of its flag, or the tag doc; see package setting.
type config struct {
	NodeID          string `toml:"node-id" example:"\"drainer1\""`
	Addr            string `toml:"addr" example:"\"10.0.0.6:8249\""`
	EnableDebug     bool   `toml:"enable-debug"`
	AdvertiseAddr   string `toml:"advertise-addr" example:"\"drainer1.example:8249\""`
	PDURLs          string `toml:"pd-urls" sample:"\"http://127.0.0.1:2379\""`
	DataDir         string `toml:"data-dir" sample:"\"/var/lib/pumphouse/drainer\""`
	InitialCommitTS int64  `toml:"initial-commit-ts"`
	SyncedCheckTime int    `toml:"synced-check-time"`
	Compressor      string `toml:"compressor" example:"\"gzip\""`

	logs.Config

	MetricsAddr     string `toml:"metrics-addr" example:"\"pushgateway.example:9091\""`
	MetricsInterval int    `toml:"metrics-interval"`

	Standby bool `toml:"standby"`

	SchemaDir string `toml:"schema-dir" example:"\"/var/lib/pumphouse/jobs\""`

	Security port.Security `toml:"security" doc:"TLS of the port, and towards PD, TiKV and pumps; who may change the drainer."`
	Syncer   syncerConfig  `toml:"syncer" doc:"What is replicated, and how."`
	Compare  compareConfig `toml:"compare" doc:"The upstream's TiDB, for drainer -compare."`

	DetectInterval int    `toml:"detect-interval" old:"no effect: the records of pumps are watched"`
	SQLMode        string `toml:"sql-mode" old:"now in [syncer]"`
	KafkaAddrs     any    `toml:"kafka-addrs" old:"no effect: brokers are named in [syncer.to]"`
	ZKAddrs        any    `toml:"zookeeper-addrs" old:"no effect: brokers are named with kafka-addrs in [syncer.to]"`
	LogRotate      any    `toml:"log-rotate" old:"no effect: use [log.file], logrotate(8) or the journal"`

	metrics    *prometheus.Registry
	down       drainer.Downstream
	version    bool
	acceptLoss bool
	warnings   []string // about the configuration
	from       string   // its file
	check      bool     // -check-config
	print      bool
}

// syncerConfig is the section [syncer].
type syncerConfig struct {
	DBType    string `toml:"db-type" sample:"\"mysql\""`
	Workers   int    `toml:"worker-count"`
	TxnBatch  int    `toml:"txn-batch"`
	SafeMode  bool   `toml:"safe-mode"`
	SyncDDL   bool   `toml:"sync-ddl"`
	Loopback  bool   `toml:"loopback-control"`
	ChannelID int64  `toml:"channel-id"`
	SQLMode   string `toml:"sql-mode" example:"\"ANSI_QUOTES\"" doc:"sql_mode in which DDL is run downstream; empty: a permissive one, strict where the statement's client was strict"`

	DDLTimeZone  string `toml:"ddl-time-zone" example:"\"+08:00\""`
	OnDivergence string `toml:"on-divergence" default:"\"warn\"" doc:"when a row to be changed is not found in the database downstream: warn, or stop"`
	DDLCheck     string `toml:"ddl-check" default:"\"stop\"" doc:"when a table downstream is not as upstream after a statement of DDL: stop, or warn"`

	IgnoreTxns []int64 `toml:"ignore-txn-commit-ts" example:"[470642465486929921]" doc:"commit TSs of transactions that are left out"`

	IgnoreSchemas string          `toml:"ignore-schemas"`
	DoDBs         []string        `toml:"replicate-do-db" example:"[\"shop\", \"~^log_\"]" doc:"replicate these databases, and the tables of replicate-do-table, alone; ~ begins a regular expression. docs/filters.md has what becomes of DDL"`
	IgnoreTables  []txn.TableName `toml:"ignore-table" doc:"A table that is not replicated."`
	DoTables      []txn.TableName `toml:"replicate-do-table" doc:"A table that is replicated; with replicate-do-db or one of these nothing else is."`

	LoadSchemaSnapshot bool `toml:"load-schema-snapshot"`

	Migrate       []txn.MigrateRule        `toml:"table-migrate-rule" doc:"Another name downstream, or events that are left out, for tables."`
	EventRules    map[string]txn.EventRule `toml:"binlog-filter-rule" doc:"Events that a table-migrate-rule leaves out, by the name that it gives."`
	CaseSensitive bool                     `toml:"case-sensitive" doc:"compare names in table-migrate-rule with their letter case"`

	To    toConfig    `toml:"to" doc:"The downstream. For db-type mysql and tidb: host to params; for file: dir, retention-time and compression; for kafka: the keys with kafka, and topic-name."`
	Relay relayConfig `toml:"relay" doc:"A log in which transactions are durable before they go to the database: with the upstream gone, the drainer brings the database to the last one."`

	DisableDispatch *bool  `toml:"disable-dispatch" old:"true is worker-count = 1"`
	EnableDispatch  *bool  `toml:"enable-dispatch" old:"false is worker-count = 1"`
	DisableDetect   *bool  `toml:"disable-detect" old:"no effect: conflicts between rows are always detected"`
	EnableDetect    *bool  `toml:"enable-detect" old:"no effect: conflicts between rows are always detected"`
	PluginPath      string `toml:"plugin-path" old:"refused: there are no plugins any more"`
	PluginName      string `toml:"plugin-name" old:"refused: there are no plugins any more"`
}

type relayConfig struct {
	Dir          string `toml:"log-dir" example:"\"/var/lib/pumphouse/drainer/relay\""`
	MaxFileBytes int64  `toml:"max-file-size"`
}

// parseConfig reads flags, environment and the file that -config names. The warnings are
// about what is accepted and ignored. Help that was asked for is printed to stdout.
func parseConfig(args []string, stdout io.Writer) (*config, []string, error) {
	cfg := &config{}
	fs := flag.NewFlagSet("drainer", flag.ContinueOnError)
	cfg.flags(fs)
	ignored := map[string]string{
		"detect-interval":    "the pump records are watched",
		"cache-binlog-count": "what is buffered is bounded in bytes",
		"log-rotate":         "use [log.file], logrotate(8) or the journal",
		"disable-detect":     "conflicts between rows are always detected",
		"enable-detect":      "conflicts between rows are always detected",
		"kafka-addrs":        "binlogs come from pumps; the downstream's brokers are named in [syncer.to]",
		"zookeeper-addrs":    "binlogs come from pumps; the downstream's brokers are named with kafka-addrs in [syncer.to]",
	}
	for _, name := range []string{"cache-binlog-count", "log-rotate", "kafka-addrs", "zookeeper-addrs"} {
		fs.String(name, "", "accepted from old scripts, without effect")
	}
	for _, name := range []string{"disable-detect", "enable-detect"} {
		fs.Bool(name, false, "accepted from old scripts, without effect")
	}
	r := setting.New(fs, cfg, envPrefix, stdout)
	warnings, err := r.Read(args)
	if cfg.print {
		return cfg, nil, errors.New("-print comes first, and takes the files to print alone: drainer -print FILE…")
	}
	if err != nil {
		return cfg, nil, err
	}
	cfg.check, cfg.from = r.CheckOnly, r.File()
	fs.Visit(func(f *flag.Flag) {
		if why, ok := ignored[f.Name]; ok {
			warnings = append(warnings, fmt.Sprintf("-%s has no effect any more (%s): remove it", f.Name, why))
		}
	})
	if cfg.version {
		return cfg, nil, nil
	}
	warnings = append(append(warnings, cfg.deprecated()...), cfg.different()...)
	return cfg, warnings, cfg.adjust()
}

// envPrefix begins the names of environment variables that stand for flags.
const envPrefix = "BINLOG_SERVER"

func (c *config) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.NodeID, "node-id", "", "ID of the node; default <hostname>:<port>, kept in <data-dir>/.node")
	fs.StringVar(&c.Addr, "addr", "", "`host:port` to listen on for pumps and HTTP; default: port 8249 of this machine's first IPv4 address that is not loopback, or of all addresses if advertise-addr is set")
	fs.StringVar(&c.AdvertiseAddr, "advertise-addr", "", "`host:port` that others dial; default: addr. It is needed when addr is 0.0.0.0")
	fs.StringVar(&c.PDURLs, "pd-urls", "http://127.0.0.1:2379", "PD's client `URLs`, separated by commas")
	fs.StringVar(&c.DataDir, "data-dir", "data.drainer", "`directory` of the node ID and, for file and kafka, of the checkpoint")
	fs.IntVar(&c.DetectInterval, "detect-interval", 0, "accepted from old scripts, without effect")
	c.Flags(fs, "log-level", "info", logs.FormatUnified)
	setting.Alias(fs, "L", "log-level")
	fs.Int64Var(&c.InitialCommitTS, "initial-commit-ts", -1, "commit `TS` after which to start when there is no checkpoint; -1: now")
	fs.BoolVar(&c.EnableDebug, "enable-debug", false, "answer /debug/pprof to other machines too")
	fs.BoolVar(&c.acceptLoss, "accept-loss", false, "begin once elsewhere than this drainer's record in PD says, because the downstream was restored or the checkpoint is lost")
	fs.IntVar(&c.SyncedCheckTime, "synced-check-time", 5, "`minutes` without a transaction after which /status says Synced")
	fs.StringVar(&c.Compressor, "compressor", "", "let pumps compress what they send: gzip")
	fs.BoolVar(&c.Standby, "standby", false, "take turns with other processes that have the same node-id and this flag: one is active, the others wait for its place (docs/standby.md)")
	fs.StringVar(&c.MetricsAddr, "metrics-addr", "", "`address` of a Prometheus push gateway; empty: metrics are only served at /metrics")
	fs.IntVar(&c.MetricsInterval, "metrics-interval", 15, "`seconds` between two pushes; 0: no push")
	fs.StringVar(&c.SchemaDir, "schema-dir", "", "`directory` with TiDB's DDL jobs as <job ID>.json; default: they are read from TiKV")
	s := &c.Syncer
	fs.StringVar(&s.DBType, "db-type", "mysql", "what is downstream: mysql (also for MariaDB), tidb, kafka or file")
	setting.Alias(fs, "dest-db-type", "db-type")
	fs.IntVar(&s.Workers, "worker-count", 16, "connections to the downstream database")
	setting.Alias(fs, "c", "worker-count")
	fs.IntVar(&s.TxnBatch, "txn-batch", 20, "rows a transaction downstream")
	fs.BoolVar(&s.SafeMode, "safe-mode", false, "always apply so that applying twice makes no difference")
	fs.BoolVar(&s.SyncDDL, "sync-ddl", true, "apply DDL statements")
	fs.BoolVar(&s.Loopback, "loopback-control", false, "mark what is written, and leave out what is marked, for replication in both directions")
	fs.Int64Var(&s.ChannelID, "channel-id", 0, "`number` that the marks carry")
	fs.StringVar(&s.DDLTimeZone, "ddl-time-zone", "", "time `zone` of upstream sessions, like +08:00, for DDL jobs that do not tell it; default: time_zone of [syncer.to.params], else UTC")
	fs.StringVar(&s.IgnoreSchemas, "ignore-schemas", "INFORMATION_SCHEMA,PERFORMANCE_SCHEMA,mysql", "databases that are not replicated")
	fs.StringVar(&s.Relay.Dir, "relay-log-dir", "", "`directory` in which transactions are kept before they go to the database; empty: none")
	fs.Int64Var(&s.Relay.MaxFileBytes, "relay-max-file-size", 10<<20, "`bytes` of a file of the relay log")
	fs.BoolFunc("disable-dispatch", "the same as -worker-count 1", setBool(&s.DisableDispatch))
	fs.BoolFunc("enable-dispatch", "false: the same as -worker-count 1", setBool(&s.EnableDispatch))
	fs.BoolVar(&s.LoadSchemaSnapshot, "load-schema-snapshot", false, "take table definitions from TiKV as of the checkpoint, not from the whole DDL history")
	fs.StringVar(&s.PluginPath, "plugin-path", "", "refused: there are no plugins any more")
	fs.StringVar(&s.PluginName, "plugin-name", "", "refused: there are no plugins any more")
	c.Security.Flags(fs, "PUT /state/…, /debug/…")
	fs.BoolVar(&c.Compare.asked, "compare", false, "do not run, but compare the database downstream with the upstream at the drainer's checkpoint, and print a report; the drainer has to be paused. Exit status 0: they are equal")
	fs.StringVar(&c.Compare.upstream, "compare-upstream", "", "the upstream's TiDB as `user@host:port`, its password in the variable TIDB_PSWD; default: the section [compare] of the configuration")
	fs.IntVar(&c.Compare.Threads, "compare-threads", 4, "chunks of rows that are compared at a time")
	fs.IntVar(&c.Compare.ChunkRows, "compare-chunk", 5000, "`rows` of a chunk")
	fs.StringVar(&c.Compare.State, "compare-state", "", "`file` by which a comparison that was interrupted goes on; default: compare.json in the data directory")
	fs.BoolVar(&c.print, "print", false, "do not run, but print the binlog files that follow: drainer -print FILE…")
	fs.BoolVar(&c.version, "V", false, "print the version and exit")
}

func setBool(to **bool) func(string) error {
	return func(text string) error {
		v := text == "true"
		if !v && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*to = &v
		return nil
	}
}

// adjust checks what can be checked without network, and reports all that is wrong.
func (c *config) adjust() error {
	s := &c.Syncer
	s.SQLMode = cmp.Or(s.SQLMode, c.SQLMode)
	if s.DisableDispatch != nil && *s.DisableDispatch || s.DisableDispatch == nil && s.EnableDispatch != nil && !*s.EnableDispatch {
		s.Workers = 1
	}
	var errs setting.Errors
	errs.Add("", c.refused())
	if c.Compressor != "" && c.Compressor != "gzip" {
		errs.Addf("compressor %q does not exist: use gzip, or leave it out", c.Compressor)
	}
	if c.InitialCommitTS < -1 {
		errs.Addf("initial-commit-ts %d: use a commit TS, or -1 for now", c.InitialCommitTS)
	}
	errs.Least("synced-check-time", c.SyncedCheckTime, 1, "minute")
	errs.Least("metrics-interval", c.MetricsInterval, 0, "")
	errs.Least("syncer.worker-count", s.Workers, 1, "connection")
	errs.Least("syncer.txn-batch", s.TxnBatch, 1, "row")
	if s.OnDivergence != "" && s.OnDivergence != "warn" && s.OnDivergence != "stop" {
		errs.Addf("syncer.on-divergence %q: use \"warn\" (the default) or \"stop\"", s.OnDivergence)
	}
	if s.DDLCheck != "" && s.DDLCheck != "warn" && s.DDLCheck != "stop" {
		errs.Addf("syncer.ddl-check %q: use \"stop\" (the default) or \"warn\"", s.DDLCheck)
	}
	errs.Add("security", c.Security.Check())
	errs.Add("", port.CheckNode(c.NodeID, c.Addr, c.AdvertiseAddr, life.Callers(nodes.Drainer)))
	errs.Add("", c.Config.Check())
	_, err := nodes.ParseEndpoints([]string{c.PDURLs}, c.Security.Enabled())
	errs.Add("", err)
	if _, err := txn.NewFilter(c.rules()); err != nil {
		errs.Addf("syncer.%w", err)
	}
	if _, err := txn.NewMigration(c.migrateRules()); err != nil {
		errs.Addf("syncer.%w", err)
	}
	c.newMetrics()
	if c.Standby && c.NodeID == "" {
		errs.Addf("standby: the processes that take turns need the same node-id: set it")
	}
	if c.refused() == nil { // else it says why there is no such downstream
		c.down, err = c.downstream()
		errs.Add("", err)
		if err == nil && c.Standby {
			errs.Add("", drainer.CheckStandby(c.down))
		}
	}
	return errs.Join()
}

// newMetrics makes the registry of one drainer's life.
func (c *config) newMetrics() {
	c.metrics = prometheus.NewRegistry()
	c.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

func (c *config) rules() txn.FilterRules {
	return txn.FilterRules{IgnoreSchemas: strings.Split(c.Syncer.IgnoreSchemas, ","), IgnoreTables: c.Syncer.IgnoreTables,
		DoDBs: c.Syncer.DoDBs, DoTables: c.Syncer.DoTables}
}

func (c *config) migrateRules() txn.MigrateRules {
	return txn.MigrateRules{Tables: c.Syncer.Migrate, Events: c.Syncer.EventRules, CaseSensitive: c.Syncer.CaseSensitive}
}

// options are those of the drainer, without PD and the schema source.
func (c *config) options(log logrus.FieldLogger) drainer.Options {
	ignored := make([]nodes.TSO, len(c.Syncer.IgnoreTxns))
	for i, ts := range c.Syncer.IgnoreTxns {
		ignored[i] = nodes.TSO(ts)
	}
	o := drainer.Options{
		Options: life.Options{NodeID: c.NodeID, Addr: c.Addr, AdvertiseAddr: c.AdvertiseAddr, DataDir: c.DataDir, Security: c.Security.Security, Admin: c.Security.Admin,
			AcceptLoss: c.acceptLoss, EnableDebug: c.EnableDebug, Logger: log, Metrics: c.metrics},
		Downstream: c.down, InitialCommitTS: nodes.TSO(c.InitialCommitTS),
		Filter: c.rules(), Migrate: c.migrateRules(), IgnoreTxns: ignored, SkipDDL: !c.Syncer.SyncDDL, Gzip: c.Compressor == "gzip",
		Standby: c.Standby, LoadSchemaSnapshot: c.Syncer.LoadSchemaSnapshot,
		SyncedAfter: time.Duration(c.SyncedCheckTime) * time.Minute,
	}
	plan, err := handover.Plan(c.handover())
	if err != nil {
		log.WithError(err).Warn("there is no plan for a handover to TiCDC")
	} else {
		o.Handover = &plan
	}
	if c.Syncer.Loopback {
		o.Keep = mysql.IsMarkTable
	}
	return o
}
