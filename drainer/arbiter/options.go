package arbiter

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"pumphouse/drainer/kafkaclient"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/nodes"
)

// Options say what is applied, and where. Brokers, Topic, Server and Logger are required.
type Options struct {
	Brokers kafkaclient.Brokers
	Topic   string
	// InitialCommitTS is where to begin while there is no checkpoint: after it. 0: with the first message.
	InitialCommitTS nodes.TSO
	// Zone is the time zone of the timestamps in messages. Nil: what a message says, else this machine's.
	Zone *time.Location
	// IgnoreOffsets are messages that are left out.
	IgnoreOffsets []int64

	Server            mysql.Server
	Workers, TxnBatch int // as the MySQL sink has them; 0: its defaults
	SafeMode          bool
	StopAtDivergence  bool
	IgnoreTxns        []nodes.TSO

	// StartTimeout is how long brokers are tried to be reached at the start. Default 30 s.
	StartTimeout time.Duration
	Metrics      *prometheus.Registry // nil: nobody reads them
	Logger       logrus.FieldLogger
}

// where names a place in the topic for errors.
func (o *Options) where(offset int64) string {
	return fmt.Sprintf("offset %d of topic %q, partition 0, of kafka at %s", offset, o.Topic, strings.Join(o.Brokers.Addrs, ","))
}

// zone is that of the timestamps in a message that names one.
func (o *Options) zone(name string) (*time.Location, error) {
	if o.Zone != nil {
		return o.Zone, nil
	}
	if name == "" {
		return time.Local, nil
	}
	if t, err := time.Parse("-07:00", name); err == nil {
		return t.Location(), nil
	}
	return time.LoadLocation(name)
}
