package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"pumphouse/drainer"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/nodes/daemon"
	"pumphouse/nodes/logs"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"
)

// config is the drainer's configuration, under the names of the field.
type config struct {
	NodeID          string `toml:"node-id"`
	Addr            string `toml:"addr"`
	AdvertiseAddr   string `toml:"advertise-addr"`
	PDURLs          string `toml:"pd-urls"`
	DataDir         string `toml:"data-dir"`
	DetectInterval  int    `toml:"detect-interval"` // without effect: pumps are watched
	InitialCommitTS int64  `toml:"initial-commit-ts"`
	SyncedCheckTime int    `toml:"synced-check-time"` // minutes
	Compressor      string `toml:"compressor"`

	MetricsAddr     string `toml:"metrics-addr"`
	MetricsInterval int    `toml:"metrics-interval"` // seconds

	// SchemaDir is ours: a directory with the DDL jobs, instead of TiKV.
	SchemaDir string `toml:"schema-dir"`

	Security daemon.NodeSecurity `toml:"security"`
	Syncer   syncerConfig        `toml:"syncer"`
	Compare  compareConfig       `toml:"compare"`
	logs.Config

	// Keys of older versions, and flags with their names.
	SQLMode    string `toml:"sql-mode"` // now in [syncer]
	KafkaAddrs any    `toml:"kafka-addrs"`
	ZKAddrs    any    `toml:"zookeeper-addrs"`
	LogRotate  any    `toml:"log-rotate"`

	metrics *prometheus.Registry
	down    drainer.Downstream
	file    string
	version bool
}

// syncerConfig is the section [syncer].
type syncerConfig struct {
	DBType    string `toml:"db-type"`
	Workers   int    `toml:"worker-count"`
	TxnBatch  int    `toml:"txn-batch"` // rows
	SafeMode  bool   `toml:"safe-mode"`
	SyncDDL   bool   `toml:"sync-ddl"`
	Loopback  bool   `toml:"loopback-control"`
	ChannelID int64  `toml:"channel-id"`
	SQLMode   string `toml:"sql-mode"`
	// DDLTimeZone is ours: that of upstream sessions whose DDL jobs do not tell it.
	DDLTimeZone string `toml:"ddl-time-zone"`
	// OnDivergence is ours: what happens when a row to be changed is not found downstream.
	OnDivergence string `toml:"on-divergence"`
	// DDLCheck is ours: what happens when a table is not as upstream after a statement of DDL.
	DDLCheck string `toml:"ddl-check"`

	IgnoreTxns []int64 `toml:"ignore-txn-commit-ts"`

	IgnoreSchemas string          `toml:"ignore-schemas"`
	IgnoreTables  []txn.TableName `toml:"ignore-table"`
	DoDBs         []string        `toml:"replicate-do-db"`
	DoTables      []txn.TableName `toml:"replicate-do-table"`

	Migrate       []txn.MigrateRule        `toml:"table-migrate-rule"`
	EventRules    map[string]txn.EventRule `toml:"binlog-filter-rule"`
	CaseSensitive bool                     `toml:"case-sensitive"`

	To    toConfig    `toml:"to"`
	Relay relayConfig `toml:"relay"`

	// Keys of the old implementation. Conflicts are always detected.
	DisableDispatch    *bool  `toml:"disable-dispatch"`
	EnableDispatch     *bool  `toml:"enable-dispatch"`
	DisableDetect      *bool  `toml:"disable-detect"`
	EnableDetect       *bool  `toml:"enable-detect"`
	LoadSchemaSnapshot *bool  `toml:"load-schema-snapshot"`
	PluginPath         string `toml:"plugin-path"`
	PluginName         string `toml:"plugin-name"`
}

type relayConfig struct {
	Dir          string `toml:"log-dir"`
	MaxFileBytes int64  `toml:"max-file-size"`
}

// parseConfig reads flags and the file that -config names; flags win. The warnings are
// about what is accepted and ignored.
func parseConfig(args []string, stdout io.Writer) (*config, []string, error) {
	cfg := &config{}
	fs := flag.NewFlagSet("drainer", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
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
	if err := daemon.ParseWithFile(fs, args, &cfg.file, cfg); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(stdout)
			fmt.Fprintln(stdout, "Flags of drainer (drainer -print FILE... prints binlog files):")
			fs.PrintDefaults()
		}
		return nil, nil, err
	}
	warnings, err := fromEnv(fs)
	if err != nil {
		return nil, nil, err
	}
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

func fromEnv(fs *flag.FlagSet) (warnings []string, err error) {
	used, err := daemon.SetFromEnv(fs, envPrefix)
	for _, name := range used {
		warnings = append(warnings, fmt.Sprintf("the environment variable %s counts, before the configuration file", name))
	}
	return warnings, err
}

func (c *config) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.NodeID, "node-id", "", "ID of the node; default <hostname>:<port>, kept in <data-dir>/.node")
	fs.StringVar(&c.Addr, "addr", "127.0.0.1:8249", "`host:port` to listen on for pumps and HTTP")
	fs.StringVar(&c.AdvertiseAddr, "advertise-addr", "", "`host:port` that others dial; default: -addr")
	fs.StringVar(&c.PDURLs, "pd-urls", "http://127.0.0.1:2379", "PD's client `URLs`, separated by commas")
	fs.StringVar(&c.DataDir, "data-dir", "data.drainer", "`directory` of the node ID and, for file and kafka, of the checkpoint")
	fs.IntVar(&c.DetectInterval, "detect-interval", 0, "accepted from old scripts, without effect")
	c.Flags(fs, "L", "info", logs.FormatUnified)
	fs.Int64Var(&c.InitialCommitTS, "initial-commit-ts", -1, "commit `TS` behind which to begin when there is no checkpoint; -1: now")
	fs.IntVar(&c.SyncedCheckTime, "synced-check-time", 5, "`minutes` without a transaction after which /status says Synced")
	fs.StringVar(&c.Compressor, "compressor", "", "let pumps compress what they send: gzip")
	fs.StringVar(&c.MetricsAddr, "metrics-addr", "", "`address` of a Prometheus push gateway; empty: metrics are only served at /metrics")
	fs.IntVar(&c.MetricsInterval, "metrics-interval", 15, "`seconds` between two pushes; 0: no push")
	fs.StringVar(&c.SchemaDir, "schema-dir", "", "`directory` with TiDB's DDL jobs as <job ID>.json; default: they are read from TiKV")
	s := &c.Syncer
	fs.StringVar(&s.DBType, "dest-db-type", "mysql", "what is downstream: mysql, tidb, kafka or file")
	fs.IntVar(&s.Workers, "c", 16, "connections to the downstream database")
	fs.IntVar(&s.TxnBatch, "txn-batch", 20, "rows a transaction downstream")
	fs.BoolVar(&s.SafeMode, "safe-mode", false, "always apply so that applying twice makes no difference")
	fs.BoolVar(&s.SyncDDL, "sync-ddl", true, "apply DDL statements")
	fs.BoolVar(&s.Loopback, "loopback-control", false, "mark what is written, and leave out what is marked, for replication in both directions")
	fs.Int64Var(&s.ChannelID, "channel-id", 0, "`number` that the marks carry")
	fs.StringVar(&s.DDLTimeZone, "ddl-time-zone", "", "time `zone` of upstream sessions, like +08:00, for DDL jobs that do not tell it; default: time_zone of [syncer.to.params], else UTC")
	fs.StringVar(&s.IgnoreSchemas, "ignore-schemas", "INFORMATION_SCHEMA,PERFORMANCE_SCHEMA,mysql", "databases that are not replicated")
	fs.StringVar(&s.Relay.Dir, "relay-log-dir", "", "`directory` in which transactions are kept before they go to the database; empty: none")
	fs.Int64Var(&s.Relay.MaxFileBytes, "relay-max-file-size", 10<<20, "`bytes` of a file of the relay log")
	fs.BoolFunc("disable-dispatch", "the same as -c 1", setBool(&s.DisableDispatch))
	fs.BoolFunc("enable-dispatch", "false: the same as -c 1", setBool(&s.EnableDispatch))
	fs.BoolFunc("load-schema-snapshot", "take table definitions from TiKV as of the checkpoint, not from the whole DDL history", setBool(&s.LoadSchemaSnapshot))
	fs.StringVar(&s.PluginPath, "plugin-path", "", "refused: there are no plugins any more")
	fs.StringVar(&s.PluginName, "plugin-name", "", "refused: there are no plugins any more")
	fs.StringVar((*string)(&c.Security.Admin), "admin", string(daemon.AdminAny), "who may change the node over HTTP (PUT /state/…, /debug/…): any, loopback (this machine) or cert (a client certificate that ssl-ca has signed)")
	fs.BoolVar(&c.Compare.asked, "compare", false, "do not run, but compare the database downstream with the upstream at the drainer's checkpoint, and print a report; the drainer has to be paused. Exit status 0: they are equal")
	fs.StringVar(&c.Compare.upstream, "compare-upstream", "", "the upstream's TiDB as `user@host:port`, its password in the variable TIDB_PSWD; default: the section [compare] of the configuration")
	fs.IntVar(&c.Compare.Threads, "compare-threads", 4, "chunks of rows that are compared at a time")
	fs.IntVar(&c.Compare.ChunkRows, "compare-chunk", 5000, "`rows` of a chunk")
	fs.StringVar(&c.Compare.State, "compare-state", "", "`file` by which a comparison that was interrupted goes on; default: compare.json in the data directory")
	fs.StringVar(&c.file, "config", "", "TOML `file`")
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

// adjust checks what the flag and TOML readers cannot.
func (c *config) adjust() (err error) {
	s := &c.Syncer
	if err := c.refused(); err != nil {
		return err
	}
	s.SQLMode = cmp.Or(s.SQLMode, c.SQLMode)
	if s.DisableDispatch != nil && *s.DisableDispatch || s.DisableDispatch == nil && s.EnableDispatch != nil && !*s.EnableDispatch {
		s.Workers = 1
	}
	switch {
	case c.Compressor != "" && c.Compressor != "gzip":
		return fmt.Errorf("compressor %q does not exist: use gzip, or leave it out", c.Compressor)
	case c.InitialCommitTS < -1:
		return fmt.Errorf("initial-commit-ts %d: use a commit TS, or -1 for now", c.InitialCommitTS)
	case c.SyncedCheckTime <= 0:
		return fmt.Errorf("synced-check-time %d: must be at least 1 minute", c.SyncedCheckTime)
	case c.MetricsInterval < 0:
		return fmt.Errorf("metrics-interval %d: must not be negative", c.MetricsInterval)
	case s.Workers <= 0:
		return fmt.Errorf("syncer.worker-count %d (-c): must be at least 1", s.Workers)
	case s.TxnBatch <= 0:
		return fmt.Errorf("syncer.txn-batch %d: must be at least 1 row", s.TxnBatch)
	case s.OnDivergence != "" && s.OnDivergence != "warn" && s.OnDivergence != "stop":
		return fmt.Errorf("syncer.on-divergence %q: use \"warn\" (the default) or \"stop\"", s.OnDivergence)
	case s.DDLCheck != "" && s.DDLCheck != "warn" && s.DDLCheck != "stop":
		return fmt.Errorf("syncer.ddl-check %q: use \"stop\" (the default) or \"warn\"", s.DDLCheck)
	}
	if err := c.Config.Check(); err != nil {
		return err
	}
	if err := c.Security.Admin.Check(c.Security.Security); err != nil {
		return fmt.Errorf("security.%w", err)
	}
	if _, err := txn.NewFilter(c.rules()); err != nil {
		return fmt.Errorf("syncer.%w", err)
	}
	if _, err := txn.NewMigration(c.migrateRules()); err != nil {
		return fmt.Errorf("syncer.%w", err)
	}
	c.metrics = prometheus.NewRegistry()
	c.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	c.down, err = c.downstream()
	return err
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
		NodeID: c.NodeID, Addr: c.Addr, AdvertiseAddr: c.AdvertiseAddr, DataDir: c.DataDir, Security: c.Security.Security, Admin: c.Security.Admin,
		Downstream: c.down, InitialCommitTS: nodes.TSO(c.InitialCommitTS),
		Filter: c.rules(), Migrate: c.migrateRules(), IgnoreTxns: ignored, SkipDDL: !c.Syncer.SyncDDL, Gzip: c.Compressor == "gzip",
		LoadSchemaSnapshot: c.Syncer.LoadSchemaSnapshot != nil && *c.Syncer.LoadSchemaSnapshot,
		SyncedAfter:        time.Duration(c.SyncedCheckTime) * time.Minute, Logger: log, Metrics: c.metrics,
	}
	if c.Syncer.Loopback {
		o.Keep = mysql.IsMarkTable
	}
	return o
}
