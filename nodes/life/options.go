package life

import (
	"cmp"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"pumphouse/internal/certfile"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
	"pumphouse/nodes/port"
)

// PD is what a node needs of PD beside the node records.
type PD interface {
	// ClusterID is never 0.
	ClusterID(ctx context.Context) (uint64, error)
	// TSO gives a timestamp larger than all it gave before.
	TSO(ctx context.Context) (nodes.TSO, error)
}

// Options are what pumps and drainers are told alike. The zero value of every field but those marked required is good.
type Options struct {
	NodeID        string // default <hostname>:<port>, kept in DataDir
	Addr          string // host:port to listen on, default [port.DefaultAddr] with the kind's port, 8250 or 8249; port 0 means any
	AdvertiseAddr string // host:port that others dial, default: the address listened on
	DataDir       string // default data.pump or data.drainer

	Registry *nodes.Registry   // required
	PD       PD                // required
	Security certfile.Security // TLS of the port and towards other nodes
	Admin    port.Admin        // who may change the node over HTTP; default: anybody
	Config   map[string]any    // what GET /config answers: see [setting.Shown]
	// EnableDebug answers /debug/pprof to other machines too.
	EnableDebug bool
	// AcceptLoss starts the node although its data know less than its record in PD; else that is an error.
	AcceptLoss bool

	Heartbeat time.Duration // default 2 s

	Logger  logrus.FieldLogger   // default: nothing is logged
	Metrics *prometheus.Registry // no other node's; default: one that nobody else sees
	Now     func() time.Time     // default time.Now
}

// Callers are who dials a node of a kind, as errors name them.
func Callers(kind nodes.Kind) string {
	if kind == nodes.Pump {
		return "TiDB and drainers"
	}
	return "pumps and operators"
}

// Complete sets what is not given, for a node of a kind, and reports what is wrong, before a node ID is kept for good in the data directory.
func (o *Options) Complete(kind nodes.Kind) error {
	defaultPort := 8249
	if kind == nodes.Pump {
		defaultPort = 8250
	}
	o.Addr = cmp.Or(o.Addr, port.DefaultAddr(defaultPort, o.AdvertiseAddr))
	o.DataDir = cmp.Or(o.DataDir, "data."+kind.String())
	o.Heartbeat = cmp.Or(o.Heartbeat, nodes.DefaultHeartbeat)
	o.Logger = logs.OrSilent(o.Logger)
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := port.CheckNode(o.NodeID, o.Addr, o.AdvertiseAddr, Callers(kind)); err != nil {
		return err
	}
	return o.Admin.Check(o.Security)
}
