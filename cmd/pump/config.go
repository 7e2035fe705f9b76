package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/daemon"
	"pumphouse/nodes/logs"
	"pumphouse/nodes/pd"
	"pumphouse/pump"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"
)

// config is the pump's configuration, under the names of the field.
type config struct {
	NodeID        string `toml:"node-id"`
	Addr          string `toml:"addr"`
	AdvertiseAddr string `toml:"advertise-addr"`
	Socket        string `toml:"socket"`
	PDURLs        string `toml:"pd-urls"`
	DataDir       string `toml:"data-dir"`
	Heartbeat     int    `toml:"heartbeat-interval"` // seconds
	GC            gcTime `toml:"gc"`
	FakeInterval  int    `toml:"fake-binlog-interval"` // seconds
	GenInterval   int    `toml:"gen-binlog-interval"`  // the same under its older name
	MaxMessage    int    `toml:"max-message-size"`     // bytes
	MaxConns      int    `toml:"max-connections"`
	DirectWrites  bool   `toml:"direct"`

	MetricsAddr     string `toml:"metrics-addr"`
	MetricsInterval int    `toml:"metrics-interval"` // seconds

	Security daemon.NodeSecurity `toml:"security"`
	Storage  storageConfig       `toml:"storage"`
	logs.Config

	metrics *prometheus.Registry
	file    string
	version bool
	repair  bool
}

type storageConfig struct {
	SyncLog   *bool  `toml:"sync-log"`
	StopWrite string `toml:"stop-write-at-available-space"`

	// Keys of the old storage that mean nothing here.
	KVChanCapacity  any            `toml:"kv_chan_capacity"`
	SlowWriteThresh any            `toml:"slow_write_threshold"`
	KV              map[string]any `toml:"kv"`

	// OrphanTimeout is ours: see pump.Options.
	OrphanTimeout string `toml:"orphan-timeout"`
	// GCTTL is ours: how long TiKV's garbage collection stays held back after the pump has
	// stopped with unresolved transactions.
	GCTTL string `toml:"gc-ttl"`
}

// gcTime is how long binlogs are kept: a number of days, or a duration such as 8h.
type gcTime time.Duration

func (g *gcTime) Set(s string) error {
	if days, err := strconv.Atoi(s); err == nil {
		if days <= 0 {
			return fmt.Errorf("gc %s: must be at least 1 day", s)
		}
		*g = gcTime(time.Duration(days) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return fmt.Errorf("gc %q: use a number of days, or a duration such as 8h", s)
	}
	*g = gcTime(d)
	return nil
}

func (g *gcTime) String() string { return time.Duration(*g).String() }

// UnmarshalTOML takes 7 as well as "8h".
func (g *gcTime) UnmarshalTOML(v any) error { return g.Set(fmt.Sprint(v)) }

// parseConfig reads flags and the file that -config names; flags win. The warnings are
// about what is accepted and ignored.
func parseConfig(args []string, stdout io.Writer) (*config, []string, error) {
	cfg := &config{GC: gcTime(7 * 24 * time.Hour)}
	fs := flag.NewFlagSet("pump", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&cfg.NodeID, "node-id", "", "ID of the node; default <hostname>:<port>, kept in <data-dir>/.node")
	fs.StringVar(&cfg.Addr, "addr", "127.0.0.1:8250", "`host:port` to listen on for TiDB, drainers and HTTP")
	fs.StringVar(&cfg.AdvertiseAddr, "advertise-addr", "", "`host:port` that others dial; default: -addr")
	fs.StringVar(&cfg.Socket, "socket", "", "Unix socket to listen on as well, a path or unix://`path`")
	fs.StringVar(&cfg.PDURLs, "pd-urls", "http://127.0.0.1:2379", "PD's client `URLs`, separated by commas")
	fs.StringVar(&cfg.DataDir, "data-dir", "data.pump", "`directory` of the binlogs")
	fs.IntVar(&cfg.Heartbeat, "heartbeat-interval", 2, "`seconds` between two heartbeats")
	fs.Var(&cfg.GC, "gc", "how long binlogs are kept: a number of days, or a duration such as 8h")
	fs.IntVar(&cfg.FakeInterval, "fake-binlog-interval", 3, "`seconds` after which the clock is forwarded at the latest")
	fs.IntVar(&cfg.MaxMessage, "max-message-size", 1<<30, "`bytes` of the largest message that TiDB may send, at most 1 GiB; what is stored can be pulled whatever this is")
	fs.IntVar(&cfg.MaxConns, "max-connections", daemon.DefaultMaxConns, "`number` of connections at most, gRPC and HTTP together; never more than three quarters of the limit of open files")
	fs.BoolVar(&cfg.DirectWrites, "direct-writes", true, "take plain writes off the connection directly; false: leave them to the gRPC library, which is slower and less strict with peers")
	cfg.Flags(fs, "L", "info", logs.FormatUnified)
	fs.StringVar(&cfg.MetricsAddr, "metrics-addr", "", "`address` of a Prometheus push gateway; empty: metrics are only served at /metrics")
	fs.IntVar(&cfg.MetricsInterval, "metrics-interval", 15, "`seconds` between two pushes; 0: no push")
	fs.StringVar((*string)(&cfg.Security.Admin), "admin", string(daemon.AdminAny), "who may change the node over HTTP (PUT /state/…, /debug/…, /unresolved): any, loopback (this machine) or cert (a client certificate that ssl-ca has signed)")
	fs.StringVar(&cfg.file, "config", "", "TOML `file`")
	fs.BoolVar(&cfg.version, "V", false, "print the version and exit")
	fs.BoolVar(&cfg.repair, "repair", false, "save what can be read of damaged data in -data-dir, say what is lost, and exit; copy the directory first")
	ignored := map[string]*string{"binlog-file-size": nil, "enable-binlog-slice": nil, "binlog-slice-size": nil,
		"log-rotate": nil, "enable-debug": nil, "enable-tolerant": nil, "kafka-addrs": nil}
	for name := range ignored {
		ignored[name] = fs.String(name, "", "accepted from old scripts, without effect")
	}
	if err := daemon.ParseWithFile(fs, args, &cfg.file, cfg); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(stdout)
			fmt.Fprintln(stdout, "Flags of pump:")
			fs.PrintDefaults()
		}
		return nil, nil, err
	}
	var warnings []string
	fs.Visit(func(f *flag.Flag) {
		if _, ok := ignored[f.Name]; ok {
			warnings = append(warnings, "-"+f.Name+" has no effect any more: remove it")
		}
	})
	more, err := cfg.adjust()
	return cfg, append(warnings, more...), err
}

// adjust checks what the flag and TOML readers cannot.
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
	c.Socket = strings.TrimPrefix(c.Socket, "unix://")
	switch {
	case c.Heartbeat <= 0:
		return warnings, fmt.Errorf("heartbeat-interval %d: must be at least 1 second", c.Heartbeat)
	case c.FakeInterval <= 0:
		return warnings, fmt.Errorf("fake-binlog-interval %d: must be at least 1 second", c.FakeInterval)
	case c.MaxMessage <= 0:
		return warnings, fmt.Errorf("max-message-size %d: must be above 0 bytes", c.MaxMessage)
	case c.MaxConns <= 0:
		return warnings, fmt.Errorf("max-connections %d: must be above 0", c.MaxConns)
	case c.MetricsInterval < 0:
		return warnings, fmt.Errorf("metrics-interval %d: must not be negative", c.MetricsInterval)
	}
	if err := c.Config.Check(); err != nil {
		return warnings, err
	}
	if err := c.Security.Admin.Check(c.Security.Security); err != nil {
		return warnings, fmt.Errorf("security.%w", err)
	}
	if _, err := parseBytes(c.Storage.StopWrite); err != nil {
		return warnings, fmt.Errorf("storage.stop-write-at-available-space: %w", err)
	}
	if c.Storage.OrphanTimeout != "" {
		if d, err := time.ParseDuration(c.Storage.OrphanTimeout); err != nil || d <= 0 {
			return warnings, fmt.Errorf("storage.orphan-timeout %q: use a duration such as 10m", c.Storage.OrphanTimeout)
		}
	}
	if c.Storage.GCTTL != "" {
		if d, err := time.ParseDuration(c.Storage.GCTTL); err != nil || d <= 0 {
			return warnings, fmt.Errorf("storage.gc-ttl %q: use a duration such as 24h", c.Storage.GCTTL)
		}
	}
	c.metrics = prometheus.NewRegistry()
	c.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return warnings, nil
}

// options are those of the pump.
func (c *config) options(reg *nodes.Registry, clock *pd.Client, log logrus.FieldLogger) pump.Options {
	stop, _ := parseBytes(c.Storage.StopWrite)               // checked by adjust
	orphan, _ := time.ParseDuration(c.Storage.OrphanTimeout) // 0: the default
	ttl, _ := time.ParseDuration(c.Storage.GCTTL)
	return pump.Options{
		NodeID: c.NodeID, Addr: c.Addr, AdvertiseAddr: c.AdvertiseAddr, Socket: c.Socket, DataDir: c.DataDir,
		Registry: reg, PD: clock, Security: c.Security.Security, Admin: c.Security.Admin,
		Heartbeat: time.Duration(c.Heartbeat) * time.Second, GC: time.Duration(c.GC),
		FakeInterval: time.Duration(c.FakeInterval) * time.Second, MaxMessageSize: c.MaxMessage,
		MaxConns: c.MaxConns, NoDirectWrites: !c.DirectWrites,
		NoSync: c.Storage.SyncLog != nil && !*c.Storage.SyncLog, StopWriteAtAvailable: stop,
		OrphanTimeout: orphan, GCTTL: ttl, Logger: log, Metrics: c.metrics,
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
		return 0, fmt.Errorf("%q is no size: write it like 10 GiB", s)
	}
	// 0 bytes means no limit, while 0 in the options means the default.
	return max(uint64(n*size), 1), nil
}
