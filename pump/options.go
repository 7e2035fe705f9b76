package pump

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/nodes/daemon"
	"pumphouse/nodes/logs"
	"pumphouse/pump/storage"
)

// PD is what a pump needs of PD beside the node records.
type PD interface {
	// ClusterID is never 0.
	ClusterID(ctx context.Context) (uint64, error)
	// TSO gives a timestamp larger than all it gave before.
	TSO(ctx context.Context) (nodes.TSO, error)
}

// Options say how a pump runs. The zero value of every field but those marked required
// is good.
type Options struct {
	NodeID        string // default <hostname>:<port>, kept in DataDir
	Addr          string // host:port to listen on, default [daemon.DefaultAddr] with port 8250; port 0 means any
	AdvertiseAddr string // host:port that others dial, default: the address listened on
	Socket        string // path of a Unix socket to listen on as well
	DataDir       string // default data.pump

	Registry *nodes.Registry // required
	PD       PD              // required
	Security daemon.Security // TLS of the port and towards drainers
	Admin    daemon.Admin    // who may change the pump over HTTP; default: anybody
	Config   map[string]any  // what GET /config answers: see daemon.Shown
	// EnableDebug answers /debug/pprof to other machines too.
	EnableDebug bool

	// AcceptLoss starts the pump with a log that knows less than its record in PD; else that is a [*ForgottenError].
	AcceptLoss bool

	Heartbeat time.Duration // default 2 s
	// GC is how old a binlog must be to be removed, default 7 days.
	GC time.Duration
	// FakeInterval is how often the clock is forwarded at least, default 3 s.
	FakeInterval time.Duration
	// MaxMessageSize bounds a message that TiDB sends, in bytes: a prewrite and about 20 bytes.
	// Default 1 GiB, which is also the most; the messages of a pull are not bounded by it.
	MaxMessageSize int
	// MaxConns is how many connections the pump has at most, default [daemon.DefaultMaxConns]; fewer
	// where the process may not have enough files open.
	MaxConns int
	// NoDirectWrites leaves plain writes to the gRPC library's server (-direct-writes=false). They
	// are slower then, and its own limits are all that holds back what peers send.
	NoDirectWrites bool
	// NotifyTimeout is how long each online drainer may take to answer at the start,
	// default 10 s.
	NotifyTimeout time.Duration

	// NoSync answers writes before they are on disk (sync-log = false).
	NoSync bool
	// StopWriteAtAvailable refuses prewrites when the disk has fewer bytes left than
	// this, default 10 GiB; 1 turns the limit off.
	StopWriteAtAvailable uint64
	// Resolver asks TiKV how transactions ended; nil: there is no TiKV.
	Resolver storage.Resolver
	// GCHolder holds back TiKV's garbage collection while transactions are unresolved; nil:
	// nobody does.
	GCHolder GCHolder
	// GCTTL is how long it stays held back after the pump has stopped or crashed with
	// unresolved transactions, default 24 h; at least a minute.
	GCTTL time.Duration
	// OrphanTimeout rolls back a prewrite that is that old when there is no Resolver,
	// default 10 minutes, the longest life of a transaction.
	OrphanTimeout time.Duration

	Logger  logrus.FieldLogger   // default: nothing is logged
	Metrics *prometheus.Registry // no other pump's; default: one that nobody else sees
	Now     func() time.Time     // default time.Now

	segmentBytes  int64         // of the log, for tests; 0: the log's default
	cleanInterval time.Duration // how often old binlogs are looked for, for tests; default a minute
	stopGrace     time.Duration // how long calls under way may take when the pump stops, for tests; default 5 s
}

func (o Options) withDefaults() (Options, error) {
	if o.Registry == nil || o.PD == nil {
		return o, errors.New("pump: a registry and a PD are required")
	}
	setDefault(&o.Addr, daemon.DefaultAddr(8250, o.AdvertiseAddr))
	setDefault(&o.DataDir, "data.pump")
	setDefault(&o.Heartbeat, nodes.DefaultHeartbeat)
	setDefault(&o.GC, 7*24*time.Hour)
	setDefault(&o.FakeInterval, 3*time.Second)
	setDefault(&o.MaxMessageSize, storage.MaxPayload)
	setDefault(&o.NotifyTimeout, 10*time.Second)
	setDefault(&o.StopWriteAtAvailable, 10<<30)
	setDefault(&o.OrphanTimeout, 10*time.Minute)
	setDefault(&o.GCTTL, 24*time.Hour)
	setDefault(&o.cleanInterval, time.Minute)
	setDefault(&o.stopGrace, 5*time.Second)
	o.Logger = logs.OrSilent(o.Logger)
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NodeID != "" { // before it is kept for good in the data directory
		if err := nodes.ValidateNodeID(o.NodeID); err != nil {
			return o, fmt.Errorf("pump: %w", err)
		}
	}
	for name, d := range map[string]time.Duration{"heartbeat-interval": o.Heartbeat, "gc": o.GC, "fake-binlog-interval": o.FakeInterval} {
		if d < 0 {
			return o, fmt.Errorf("pump: %s %s: must be above 0", name, d)
		}
	}
	if o.GCTTL < time.Minute {
		return o, fmt.Errorf("pump: gc-ttl %s: must be at least 1m", o.GCTTL)
	}
	if o.MaxConns < 0 {
		return o, fmt.Errorf("pump: max-connections %d: must be above 0", o.MaxConns)
	}
	if o.MaxMessageSize < 0 {
		return o, fmt.Errorf("pump: max-message-size %d: must be above 0", o.MaxMessageSize)
	}
	if err := o.Admin.Check(o.Security); err != nil {
		return o, fmt.Errorf("pump: %w", err)
	}
	if o.MaxMessageSize > storage.MaxPayload {
		o.Logger.Warnf("max-message-size %d is lowered to %d bytes: a larger binlog cannot be stored", o.MaxMessageSize, storage.MaxPayload)
		o.MaxMessageSize = storage.MaxPayload
	}
	if err := daemon.CheckAddrs(o.Addr, o.AdvertiseAddr, "TiDB and drainers"); err != nil {
		return o, fmt.Errorf("pump: %w", err)
	}
	return o, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
