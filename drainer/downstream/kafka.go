package downstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"pumphouse/drainer"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/kafka"
	"pumphouse/nodes"
)

// Kafka writes to a topic; the checkpoint is in the drainer's data directory, or in a table.
type Kafka struct {
	Addrs           []string // of some brokers, host:port
	Topic           string   // "": <cluster ID>_obinlog
	Version         string   // of the protocol; "": what the brokers say
	MaxMessages     int      // in one request; 0: the sink's default
	MaxMessageBytes int      // 0: what the topic takes
	ClientID        string   // that brokers see; "": the sink's
	TLS             *tls.Config
	// CheckpointTable is where the checkpoint is; nil: in the data directory.
	CheckpointTable *CheckpointTable
}

var _ drainer.Downstream = Kafka{}

// String implements drainer.Downstream.
func (k Kafka) String() string {
	topic := k.Topic
	if topic == "" {
		topic = "<cluster ID>_obinlog"
	}
	return fmt.Sprintf("topic %s of kafka at %s", topic, strings.Join(k.Addrs, ","))
}

// Zone implements drainer.Downstream: messages have timestamps in the local time zone, and name it.
func (Kafka) Zone() *time.Location { return localZone(time.Local, "/etc/localtime") }

// Checkpoint implements drainer.Downstream.
func (k Kafka) Checkpoint(ctx context.Context, site drainer.Site) (checkpoint.Store, error) {
	return k.CheckpointTable.open(ctx, site)
}

// Open implements drainer.Downstream.
func (k Kafka) Open(ctx context.Context, site drainer.Site, from, _ nodes.TSO) (sink.Sink, error) {
	return opened(kafka.New(ctx, kafka.Options{Addrs: k.Addrs, ClusterID: site.ClusterID, NodeID: site.NodeID, From: from, Topic: k.Topic,
		Version: k.Version, ClientID: k.ClientID, MaxMessages: k.MaxMessages, MaxMessageBytes: k.MaxMessageBytes, TimeZone: k.Zone(), TLS: k.TLS, Logger: site.Logger, Stalled: site.Trouble}))
}
