package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"pumphouse/drainer/restore"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/txn"
	"pumphouse/internal/certfile"
	"pumphouse/internal/logs"
	"pumphouse/internal/secret"
	"pumphouse/internal/setting"
	"pumphouse/nodes"
)

// config is the configuration, under the names of upstream's reparo. What a key means is the usage of its
// flag, or the tag doc; see package setting.
type config struct {
	DataDir       string `toml:"data-dir" sample:"\"/var/lib/pumphouse/drainer\""`
	StartDatetime string `toml:"start-datetime" example:"\"2026-11-28 12:00:00\""`
	StopDatetime  string `toml:"stop-datetime" example:"\"2026-11-28 13:00:00\""`
	StartTSO      int64  `toml:"start-tso" example:"470642465486929921"`
	StopTSO       int64  `toml:"stop-tso" example:"470642559858729473"`
	TimeZone      string `toml:"time-zone" example:"\"Asia/Shanghai\""`

	DestType     string `toml:"dest-type"`
	Workers      int    `toml:"worker-count"`
	TxnBatch     int    `toml:"txn-batch"`
	SafeMode     bool   `toml:"safe-mode"`
	OnDivergence string `toml:"on-divergence"`

	logs.Config

	DoDBs        []string        `toml:"replicate-do-db" example:"[\"shop\", \"~^log_\"]" doc:"restore these databases, and the tables of replicate-do-table, alone; ~ begins a regular expression"`
	IgnoreDBs    []string        `toml:"replicate-ignore-db" example:"[\"test\"]" doc:"databases that are not restored"`
	DoTables     []txn.TableName `toml:"replicate-do-table" doc:"A table that is restored; with replicate-do-db or one of these nothing else is."`
	IgnoreTables []txn.TableName `toml:"replicate-ignore-table" doc:"A table that is not restored."`
	IgnoreTxns   []int64         `toml:"ignore-txn-commit-ts" example:"[470642465486929921]" doc:"commit TSs of transactions that are left out"`

	DestDB destination `toml:"dest-db" doc:"The database, for dest-type mysql."`

	LogRotate any `toml:"log-rotate" old:"no effect: use [log.file], logrotate(8) or the journal"`

	restart bool
	version bool
	check   bool
}

// destination is the section [dest-db].
type destination struct {
	Host              string            `toml:"host" default:"\"127.0.0.1\"" sample:"\"127.0.0.1\"" doc:"host of the database; default: the environment variable MYSQL_HOST, else 127.0.0.1"`
	Port              int               `toml:"port" default:"3306" doc:"its port; default: MYSQL_PORT, else 3306"`
	User              string            `toml:"user" default:"\"root\"" doc:"user of the database, with the rights that docs/downstream-user.md names; default: MYSQL_USER, else root"`
	Password          string            `toml:"password" sample:"\"\"" doc:"its password; default: MYSQL_PSWD"`
	EncryptedPassword string            `toml:"encrypted_password" doc:"the password as binlogctl -cmd encrypt prints it, under the key in BINLOG_SECRET_KEY; it wins over password"`
	Security          certfile.Security `toml:"security" doc:"TLS towards the database."`
	Name              any               `toml:"name" old:"no effect: statements name their databases"`
}

// parseConfig reads flags, environment and the file that -config names. Help that was asked for is printed to stdout.
func parseConfig(args []string, stdout io.Writer) (*config, []string, error) {
	cfg := &config{}
	fs := flag.NewFlagSet("reparo", flag.ContinueOnError)
	cfg.flags(fs)
	r := setting.New(fs, cfg, "REPARO", stdout)
	warnings, err := r.Read(args)
	if err != nil || cfg.version {
		return cfg, nil, err
	}
	cfg.check = r.CheckOnly
	if cfg.LogRotate != nil {
		warnings = append(warnings, "log-rotate has no effect any more (use [log.file], logrotate(8) or the journal): remove it")
	}
	return cfg, warnings, cfg.validate()
}

func (c *config) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.DataDir, "data-dir", "data.drainer", "`directory` of the binlog files")
	fs.StringVar(&c.StartDatetime, "start-datetime", "", "`time` from which on to restore, like 2026-11-28 12:00:00, in this machine's time zone; default: from the beginning of the first file")
	fs.StringVar(&c.StopDatetime, "stop-datetime", "", "`time` up to which to restore; default: to the end of the last file")
	fs.Int64Var(&c.StartTSO, "start-tso", 0, "commit `TS` from which on to restore, itself included: the position of a dump")
	fs.Int64Var(&c.StopTSO, "stop-tso", 0, "commit `TS` up to which to restore, itself included")
	fs.StringVar(&c.TimeZone, "time-zone", "", "time `zone` of the drainer that wrote the files, in which they have timestamps, like UTC or Asia/Shanghai; default: this machine's")
	fs.StringVar(&c.DestType, "dest-type", "print", "print: print the binlogs; mysql: apply them to the database of [dest-db], which may be a MySQL, MariaDB or TiDB")
	fs.IntVar(&c.Workers, "worker-count", 16, "connections to the database")
	setting.Alias(fs, "c", "worker-count")
	fs.IntVar(&c.TxnBatch, "txn-batch", 20, "statements a transaction in the database")
	setting.Alias(fs, "b", "txn-batch")
	fs.BoolVar(&c.SafeMode, "safe-mode", false, "apply so that applying twice makes no difference: for a database that may have some of it already")
	fs.StringVar(&c.OnDivergence, "on-divergence", "stop", "when a row to be changed is not in the database: stop, or warn and go on. Without effect in safe mode")
	fs.BoolVar(&c.restart, "restart", false, "forget how far an earlier run with the same start came: the dump has been loaded again")
	c.Flags(fs, "log-level", "info", logs.FormatUnified)
	setting.Alias(fs, "L", "log-level")
	fs.BoolVar(&c.version, "V", false, "print the version and exit")
	fs.Func("log-rotate", "accepted from old scripts, without effect", func(string) error { return nil })
}

// validate checks what can be checked without network.
func (c *config) validate() error {
	_, err := c.options()
	var bad []error
	switch c.DestType {
	case "print", "mysql":
	default:
		bad = append(bad, fmt.Errorf("dest-type %q does not exist: use print or mysql", c.DestType))
	}
	if c.OnDivergence != "stop" && c.OnDivergence != "warn" {
		bad = append(bad, fmt.Errorf("on-divergence %q does not exist: use stop or warn", c.OnDivergence))
	}
	if c.Workers < 1 || c.Workers > 1024 {
		bad = append(bad, fmt.Errorf("worker-count %d: use a number from 1 to 1024", c.Workers))
	}
	if c.TxnBatch < 1 {
		bad = append(bad, fmt.Errorf("txn-batch %d: use 1 or more", c.TxnBatch))
	}
	if _, err := txn.NewFilter(c.filter()); err != nil {
		bad = append(bad, err)
	}
	return errors.Join(append(bad, err, c.Config.Check())...)
}

func (c *config) filter() txn.FilterRules {
	// The database's own, and where drainers and reparo keep their positions in it.
	ignore := append([]string{"INFORMATION_SCHEMA", "PERFORMANCE_SCHEMA", "mysql", "tidb_binlog"}, c.IgnoreDBs...)
	return txn.FilterRules{IgnoreSchemas: ignore, IgnoreTables: c.IgnoreTables, DoDBs: c.DoDBs, DoTables: c.DoTables}
}

// options are those of the restore.
func (c *config) options() (restore.Options, error) {
	o := restore.Options{Filter: c.filter(), Workers: c.Workers, TxnBatch: c.TxnBatch, SafeMode: c.SafeMode, Restart: c.restart,
		StopAtDivergence: c.OnDivergence == "stop", Zone: time.Local}
	for _, ts := range c.IgnoreTxns {
		o.IgnoreTxns = append(o.IgnoreTxns, nodes.TSO(ts))
	}
	var bad []error
	o.Range.Dir = c.DataDir
	for _, end := range []struct {
		name, datetime string
		tso            int64
		into           *nodes.TSO
	}{{"start", c.StartDatetime, c.StartTSO, &o.Range.Start}, {"stop", c.StopDatetime, c.StopTSO, &o.Range.Stop}} {
		ts, err := commitTS(end.name, end.datetime, end.tso)
		bad = append(bad, err)
		*end.into = ts
	}
	if o.Range.Stop > 0 && o.Range.Stop < o.Range.Start {
		bad = append(bad, fmt.Errorf("the start, %s, is after the stop, %s", o.Range.Start, o.Range.Stop))
	}
	if c.TimeZone != "" {
		zone, err := time.LoadLocation(c.TimeZone)
		if err != nil {
			bad = append(bad, fmt.Errorf("time-zone %q: use a name like UTC or Asia/Shanghai: %w", c.TimeZone, err))
		}
		o.Zone = zone
	}
	var err error
	o.Server, err = c.DestDB.server()
	return o, errors.Join(append(bad, err)...)
}

// commitTS is one end of the range; 0: none. A time wins over a commit TS, as it does in upstream's reparo.
func commitTS(end, datetime string, tso int64) (nodes.TSO, error) {
	if datetime == "" {
		if tso < 0 {
			return 0, fmt.Errorf("%s-tso %d is negative", end, tso)
		}
		return nodes.TSO(tso), nil
	}
	t, err := time.ParseInLocation("2006-01-02 15:04:05", datetime, time.Local)
	if err != nil {
		return 0, fmt.Errorf("%s-datetime %q: use the form 2006-01-02 15:04:05", end, datetime)
	}
	return nodes.MakeTSO(t, 0), nil
}

// server is the database; what [dest-db] leaves out comes from the environment, as the drainer has it.
func (d *destination) server() (s mysql.Server, err error) {
	port, _ := strconv.Atoi(os.Getenv("MYSQL_PORT"))
	s = mysql.Server{Host: cmp.Or(d.Host, os.Getenv("MYSQL_HOST"), "127.0.0.1"), Port: cmp.Or(d.Port, port, 3306),
		User: cmp.Or(d.User, os.Getenv("MYSQL_USER"), "root")}
	if s.Password, err = secret.Password(cmp.Or(d.Password, os.Getenv("MYSQL_PSWD")), "dest-db.encrypted_password", d.EncryptedPassword); err != nil {
		return s, err
	}
	if s.TLS, err = d.Security.Client(); err != nil {
		return s, fmt.Errorf("dest-db.security: %w", err)
	}
	return s, nil
}

// to names the database in the log.
func (c *config) to() string {
	s, err := c.DestDB.server()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(s.String())
}
