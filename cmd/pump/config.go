package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"

	"pumphouse/internal/logs"
	"pumphouse/internal/setting"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/pd"
	"pumphouse/nodes/port"
	"pumphouse/pump"
)

// config is the pump's configuration, under the names of upstream's pump. What a key means is the usage
// of its flag, or the tag doc; see package setting.
type config struct {
	NodeID        string `toml:"node-id" example:"\"pump1\""`
	Addr          string `toml:"addr" example:"\"10.0.0.5:8250\""`
	AdvertiseAddr string `toml:"advertise-addr" example:"\"pump1.example:8250\""`
	Socket        string `toml:"socket" example:"\"/run/pumphouse/pump.sock\""`
	PDURLs        string `toml:"pd-urls" sample:"\"http://127.0.0.1:2379\""`
	DataDir       string `toml:"data-dir" sample:"\"/var/lib/pumphouse/pump\""`
	Heartbeat     int    `toml:"heartbeat-interval"`
	GC            gcTime `toml:"gc" default:"7"`
	FakeInterval  int    `toml:"fake-binlog-interval"`
	MaxMessage    int    `toml:"max-message-size"`
	MaxConns      int    `toml:"max-connections"`
	DirectWrites  bool   `toml:"direct-writes"`
	EnableDebug   bool   `toml:"enable-debug"`

	logs.Config

	MetricsAddr     string `toml:"metrics-addr" example:"\"pushgateway.example:9091\""`
	MetricsInterval int    `toml:"metrics-interval"`

	Security port.Security `toml:"security" doc:"TLS of the port, and towards PD, TiKV and drainers; who may change the pump."`
	Storage  storageConfig `toml:"storage" doc:"The binlogs on disk."`

	GenInterval int   `toml:"gen-binlog-interval" old:"the older name of fake-binlog-interval"`
	Direct      *bool `toml:"direct" old:"the older name of direct-writes"`

	metrics  *prometheus.Registry
	stop     uint64 // bytes of stop-write-at-available-space
	version  bool
	warnings []string // about the configuration
	from     string   // its file
	repair   bool
	check    bool // -check-config

	forgetOld  bool
	acceptLoss bool
}

type storageConfig struct {
	SyncLog   bool   `toml:"sync-log" doc:"answer a write only once it is on disk; with false a power failure loses what was acknowledged in the second before"`
	StopWrite string `toml:"stop-write-at-available-space" doc:"refuse new transactions when the disk has less space left than this; \"0\": never"`

	OrphanTimeout setting.Duration `toml:"orphan-timeout" doc:"where there is no TiKV to ask: roll back a transaction whose outcome is unknown for so long"`
	GCTTL         setting.Duration `toml:"gc-ttl" doc:"for how long a pump that is down holds back TiKV's garbage collection for its unresolved transactions; at least 1m"`

	KVChanCapacity  any            `toml:"kv_chan_capacity" old:"no effect: the log has no queue of that kind"`
	SlowWriteThresh any            `toml:"slow_write_threshold" old:"no effect: metrics have the durations of writes"`
	KV              map[string]any `toml:"kv" old:"no effect: the log is not a key-value store"`
}

// defaults are the values of what has no flag.
func defaults() *config {
	return &config{GC: gcTime(7 * 24 * time.Hour), Storage: storageConfig{SyncLog: true, StopWrite: "10 GiB",
		OrphanTimeout: setting.Duration{Duration: 10 * time.Minute}, GCTTL: setting.Duration{Duration: 24 * time.Hour}}}
}

// gcTime is how long binlogs are kept: a number of days, or a duration such as 8h.
type gcTime time.Duration

func (g *gcTime) Set(s string) error {
	if days, err := strconv.Atoi(s); err == nil {
		if days <= 0 {
			return errors.New("must be at least 1 day")
		}
		*g = gcTime(time.Duration(days) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return errors.New("must be a number of days, or a duration such as 8h")
	}
	*g = gcTime(d)
	return nil
}

func (g *gcTime) String() string { return time.Duration(*g).String() }

// UnmarshalTOML takes 7 as well as "8h".
func (g *gcTime) UnmarshalTOML(v any) error { return g.Set(fmt.Sprint(v)) }

// parseConfig reads flags, environment and the file that -config names. The warnings are
// about what is accepted and ignored. Help that was asked for is printed to stdout.
func parseConfig(args []string, stdout io.Writer) (*config, []string, error) {
	cfg := defaults()
	fs := flag.NewFlagSet("pump", flag.ContinueOnError)
	cfg.flags(fs)
	r := setting.New(fs, cfg, "PUMP", stdout)
	warnings, err := r.Read(args)
	if err != nil {
		return cfg, nil, err
	}
	cfg.check, cfg.from = r.CheckOnly, r.File()
	fs.Visit(func(f *flag.Flag) {
		if f.Usage == withoutEffect {
			warnings = append(warnings, "-"+f.Name+" has no effect any more: remove it")
		}
	})
	if cfg.version {
		return cfg, nil, nil
	}
	more, err := cfg.adjust()
	return cfg, append(warnings, more...), err
}

const withoutEffect = "accepted from old scripts, without effect"

func (c *config) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.NodeID, "node-id", "", "ID of the node; default <hostname>:<port>, kept in <data-dir>/.node")
	fs.StringVar(&c.Addr, "addr", "", "`host:port` to listen on for TiDB, drainers and HTTP; default: port 8250 of this machine's first IPv4 address that is not loopback, or of all addresses if advertise-addr is set")
	fs.StringVar(&c.AdvertiseAddr, "advertise-addr", "", "`host:port` that others dial; default: addr. It is needed when addr is 0.0.0.0")
	fs.StringVar(&c.Socket, "socket", "", "Unix socket to listen on as well, a path or unix://`path`")
	fs.StringVar(&c.PDURLs, "pd-urls", "http://127.0.0.1:2379", "PD's client `URLs`, separated by commas")
	fs.StringVar(&c.DataDir, "data-dir", "data.pump", "`directory` of the binlogs")
	fs.IntVar(&c.Heartbeat, "heartbeat-interval", 2, "`seconds` between two heartbeats")
	fs.Var(&c.GC, "gc", "how long binlogs are kept: a number of days, or a duration such as 8h")
	fs.IntVar(&c.FakeInterval, "fake-binlog-interval", 3, "`seconds` after which the clock is forwarded at the latest")
	fs.IntVar(&c.MaxMessage, "max-message-size", 1<<30, "`bytes` of the largest message that TiDB may send, at most 2146435072 (2 GiB less 1 MiB); what is stored can be pulled whatever this is")
	fs.IntVar(&c.MaxConns, "max-connections", port.DefaultMaxConns, "`number` of connections at most, gRPC and HTTP together; never more than three quarters of the limit of open files")
	fs.BoolVar(&c.DirectWrites, "direct-writes", true, "take plain writes off the connection directly; false: leave them to the gRPC library, which is slower and less strict with peers")
	c.Flags(fs, "log-level", "info", logs.FormatUnified)
	setting.Alias(fs, "L", "log-level")
	fs.StringVar(&c.MetricsAddr, "metrics-addr", "", "`address` of a Prometheus push gateway; empty: metrics are only served at /metrics")
	fs.IntVar(&c.MetricsInterval, "metrics-interval", 15, "`seconds` between two pushes; 0: no push")
	c.Security.Flags(fs, "PUT /state/…, /debug/…, /unresolved")
	fs.BoolVar(&c.version, "V", false, "print the version and exit")
	fs.BoolVar(&c.repair, "repair", false, "save what can be read of damaged data in -data-dir, say what is lost, and exit; copy the directory first")
	fs.BoolVar(&c.acceptLoss, "accept-loss", false, "start once with a log that knows less than this pump's record in PD, and give up what it lacks")
	fs.BoolVar(&c.forgetOld, "forget-old", false, "remove what an upstream pump that was taken over has left in -data-dir, and exit; the pump may be running")
	for _, name := range []string{"binlog-file-size", "binlog-slice-size", "log-rotate", "kafka-addrs"} {
		fs.String(name, "", withoutEffect)
	}
	fs.BoolVar(&c.EnableDebug, "enable-debug", false, "answer /debug/pprof to other machines too")
	for _, name := range []string{"enable-binlog-slice", "enable-tolerant"} {
		fs.Bool(name, false, withoutEffect)
	}
}

// adjust checks what can be checked without network, and reports all that is wrong.
func (c *config) adjust() (warnings []string, err error) {
	for name, set := range map[string]bool{
		"storage.kv_chan_capacity":     c.Storage.KVChanCapacity != nil,
		"storage.slow_write_threshold": c.Storage.SlowWriteThresh != nil,
		"storage.kv":                   c.Storage.KV != nil,
	} {
		if set {
			warnings = append(warnings, "the key "+name+" has no effect any more: remove it")
		}
	}
	if c.GenInterval != 0 {
		warnings = append(warnings, "the key gen-binlog-interval is now called fake-binlog-interval")
		c.FakeInterval = c.GenInterval
	}
	if c.Direct != nil {
		c.DirectWrites = *c.Direct
	}
	c.Socket = strings.TrimPrefix(c.Socket, "unix://")
	var errs setting.Errors
	errs.Least("heartbeat-interval", c.Heartbeat, 1, "second")
	errs.Least("fake-binlog-interval", c.FakeInterval, 1, "second")
	errs.Least("max-message-size", c.MaxMessage, 1, "byte")
	errs.Least("max-connections", c.MaxConns, 1, "")
	errs.Least("metrics-interval", c.MetricsInterval, 0, "")
	if c.Storage.OrphanTimeout.Duration <= 0 {
		errs.Addf("storage.orphan-timeout %s: must be above 0", c.Storage.OrphanTimeout)
	}
	if c.Storage.GCTTL.Duration < time.Minute {
		errs.Addf("storage.gc-ttl %s: must be at least 1m", c.Storage.GCTTL)
	}
	if c.stop, err = parseBytes(c.Storage.StopWrite); err != nil {
		errs.Addf("storage.stop-write-at-available-space: %w", err)
	}
	errs.Add("security", c.Security.Check())
	errs.Add("", port.CheckNode(c.NodeID, c.Addr, c.AdvertiseAddr, life.Callers(nodes.Pump)))
	errs.Add("", c.Config.Check())
	_, err = nodes.ParseEndpoints([]string{c.PDURLs}, c.Security.Enabled())
	errs.Add("", err)
	c.metrics = prometheus.NewRegistry()
	c.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return warnings, errs.Join()
}

// options are those of the pump.
func (c *config) options(reg *nodes.Registry, clock *pd.Client, log logrus.FieldLogger) pump.Options {
	return pump.Options{
		Options: life.Options{NodeID: c.NodeID, Addr: c.Addr, AdvertiseAddr: c.AdvertiseAddr, DataDir: c.DataDir, Security: c.Security.Security, Admin: c.Security.Admin,
			Registry: reg, PD: clock, AcceptLoss: c.acceptLoss, EnableDebug: c.EnableDebug, Heartbeat: time.Duration(c.Heartbeat) * time.Second, Logger: log, Metrics: c.metrics},
		Socket: c.Socket, GC: time.Duration(c.GC),
		FakeInterval: time.Duration(c.FakeInterval) * time.Second, MaxMessageSize: c.MaxMessage,
		MaxConns: c.MaxConns, NoDirectWrites: !c.DirectWrites,
		NoSync: !c.Storage.SyncLog, StopWriteAtAvailable: c.stop,
		OrphanTimeout: c.Storage.OrphanTimeout.Duration, GCTTL: c.Storage.GCTTL.Duration,
	}
}

// parseBytes reads "10 GiB", "500MB" or a plain number of bytes; "" is 0, the default.
func parseBytes(s string) (uint64, error) {
	text := strings.TrimSpace(s)
	if text == "" {
		return 0, nil
	}
	digits := strings.TrimRight(text, "BbIiKkMmGgTtPp ")
	unit := strings.ToUpper(strings.TrimSpace(text[len(digits):]))
	n, err := strconv.ParseFloat(digits, 64)
	size, known := map[string]float64{"": 1, "B": 1,
		"K": 1 << 10, "KB": 1e3, "KIB": 1 << 10, "M": 1 << 20, "MB": 1e6, "MIB": 1 << 20,
		"G": 1 << 30, "GB": 1e9, "GIB": 1 << 30, "T": 1 << 40, "TB": 1e12, "TIB": 1 << 40}[unit]
	if err != nil || !known || n < 0 || n*size > 1<<62 {
		return 0, fmt.Errorf("%q: must be a size such as 10 GiB", s)
	}
	// 0 bytes means no limit, while 0 in the options means the default.
	return max(uint64(n*size), 1), nil
}
