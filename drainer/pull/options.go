package pull

import (
	"crypto/tls"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/binlogpb"
	"pumphouse/drainer/merge"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// Options say how a [Group] pulls. The zero value of every field but those marked
// required is good.
type Options struct {
	Registry  *nodes.Registry // required
	Cache     *nodes.Cache    // required: of the same PD
	Merger    *merge.Merger   // required
	ClusterID uint64          // required: PD's
	// From is the commit TS after which pumps are pulled from that were not before: the
	// drainer's checkpoint.
	From nodes.TSO

	TLS  *tls.Config // nil: no TLS
	Gzip bool        // let pumps compress what they send
	// MinPause and MaxPause are the first and the longest pause before a pump is tried
	// again. Default 50 ms and 2 s.
	MinPause, MaxPause time.Duration

	// Received hears of everything that arrives, fake binlogs too, before the merge does.
	// It is called by the pumps' goroutines, must be quick and must not keep d.
	Received func(pump string, d binlogpb.Delivery)
	Logger   logrus.FieldLogger // default: nothing is logged
}

func (o Options) withDefaults() (Options, error) {
	if o.Registry == nil || o.Cache == nil || o.Merger == nil || o.ClusterID == 0 {
		return o, errors.New("pull: a registry, a cache, a merger and a cluster ID are required")
	}
	if o.MinPause <= 0 {
		o.MinPause = 50 * time.Millisecond
	}
	if o.MaxPause < o.MinPause {
		o.MaxPause = max(2*time.Second, o.MinPause)
	}
	if o.Received == nil {
		o.Received = func(string, binlogpb.Delivery) {}
	}
	o.Logger = logs.OrSilent(o.Logger)
	return o, nil
}
