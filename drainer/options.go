package drainer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/nodes/daemon"
	"pumphouse/nodes/logs"
)

// PD is what a drainer needs of PD beside the node records.
type PD interface {
	// ClusterID is never 0.
	ClusterID(ctx context.Context) (uint64, error)
	// TSO gives a timestamp larger than all it gave before.
	TSO(ctx context.Context) (nodes.TSO, error)
}

// DefaultSaveEvery is how often the checkpoint is moved. A downstream that nothing is written to is seen to be away by that.
const DefaultSaveEvery = time.Second

// Options say how a drainer runs. The zero value of every field but those marked required
// is good.
type Options struct {
	NodeID        string // default <hostname>:<port>, kept in DataDir
	Addr          string // host:port to listen on, default [daemon.DefaultAddr] with port 8249; port 0 means any
	AdvertiseAddr string // host:port that others dial, default: the address listened on
	DataDir       string // default data.drainer

	Registry *nodes.Registry // required
	PD       PD              // required
	Security daemon.Security // TLS of the port and towards pumps
	Admin    daemon.Admin    // who may change the drainer over HTTP; default: anybody
	Config   map[string]any  // what GET /config answers: see daemon.Shown

	Schema     schema.Source // required: where table definitions come from
	Downstream Downstream    // required
	// LoadSchemaSnapshot takes the definitions at the checkpoint from TiDB's meta data, not from the DDL
	// jobs (load-schema-snapshot). It is done without being asked when the jobs are incomplete.
	LoadSchemaSnapshot bool

	// InitialCommitTS is where a drainer begins that has no checkpoint: transactions after
	// it are replicated. Negative: PD's time at the start.
	InitialCommitTS nodes.TSO
	// EnableDebug answers /debug/pprof to other machines too.
	EnableDebug bool
	// AcceptLoss lets the drainer begin elsewhere than its record in PD says; else that is an [*EarlierError].
	AcceptLoss bool

	Filter  txn.FilterRules
	Migrate txn.MigrateRules
	// Keep tells which tables the downstream needs whatever Filter says; nil: none.
	Keep func(schema, table string) bool
	// IgnoreTxns are the commit TSs of transactions that are not applied (their DDL counts
	// for the table definitions nevertheless).
	IgnoreTxns []nodes.TSO
	// SkipDDL applies no DDL statements (sync-ddl = false).
	SkipDDL bool

	Gzip bool // let pumps compress what they send
	// BufferBytes bounds what is held between pumps and sink, default 32 MiB.
	BufferBytes int64

	Heartbeat time.Duration // default 2 s
	// SaveEvery is how often the checkpoint is moved, default [DefaultSaveEvery].
	SaveEvery time.Duration
	// HeldAfter is how long a pump may hold back the merge before that is said, default 5 s.
	HeldAfter time.Duration
	// SyncedAfter is how long no transaction must have come for /status to say Synced,
	// default 5 min.
	SyncedAfter time.Duration
	// StopGrace is how long what is in flight may take when the drainer stops, default 1 min.
	StopGrace time.Duration
	// Patience is how long a DDL job that is not in the history yet is waited for, default
	// 10 min.
	Patience time.Duration

	Logger  logrus.FieldLogger   // default: nothing is logged
	Metrics *prometheus.Registry // no other drainer's; default: one that nobody else sees
	Now     func() time.Time     // default time.Now
}

func (o Options) withDefaults() (Options, error) {
	if o.Registry == nil || o.PD == nil || o.Schema == nil || o.Downstream == nil {
		return o, errors.New("drainer: a registry, a PD, a schema source and a downstream are required")
	}
	setDefault(&o.Addr, daemon.DefaultAddr(8249, o.AdvertiseAddr))
	setDefault(&o.DataDir, "data.drainer")
	setDefault(&o.Heartbeat, nodes.DefaultHeartbeat)
	setDefault(&o.SaveEvery, DefaultSaveEvery)
	setDefault(&o.HeldAfter, 5*time.Second)
	setDefault(&o.SyncedAfter, 5*time.Minute)
	setDefault(&o.StopGrace, time.Minute)
	o.Logger = logs.OrSilent(o.Logger)
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NodeID != "" { // before it is kept for good in the data directory
		if err := nodes.ValidateNodeID(o.NodeID); err != nil {
			return o, fmt.Errorf("drainer: %w", err)
		}
	}
	if err := o.Admin.Check(o.Security); err != nil {
		return o, fmt.Errorf("drainer: %w", err)
	}
	if err := daemon.CheckAddrs(o.Addr, o.AdvertiseAddr, "pumps and operators"); err != nil {
		return o, fmt.Errorf("drainer: %w", err)
	}
	return o, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
