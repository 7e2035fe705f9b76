package downstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"

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
	Compression     string   // of batches; "": none
	Partitions      int32    // of a topic that is made; 0: 1
	Replicas        int16    // of a topic that is made; 0: the brokers' default
	Protocol        string   // of messages; "": the sink's default, as of the three that follow
	Partition       string   // how rows are spread over partitions
	Extension       bool     // messages have _tidb
	LargeMessages   string   // what is done with rows that are too large
	TLS             *tls.Config
	SASL            sasl.Mechanism // nil: no login
	Hidden          []string       // what must not be in a text that the drainer publishes
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

// Secrets are the passwords that must not be in a text that the drainer publishes.
func (k Kafka) Secrets() []string { return k.Hidden }

// Zone implements drainer.Downstream: messages have timestamps in the local time zone, and name it.
func (Kafka) Zone() *time.Location { return localZone(time.Local, "/etc/localtime") }

// Checkpoint implements drainer.Downstream.
func (k Kafka) Checkpoint(ctx context.Context, site drainer.Site) (checkpoint.Store, error) {
	if site.Shared != nil && k.CheckpointTable == nil {
		return site.Shared, nil
	}
	return k.CheckpointTable.open(ctx, site)
}

// CheckStandby implements drainer.Standbys: Kafka refuses a producer whose place another one has taken. What consumers of Canal-JSON see of
// a batch that was aborted has not been tested.
func (k Kafka) CheckStandby() error {
	if k.Protocol == kafka.ProtocolCanalJSON {
		return errors.New("standby: syncer.to.protocol = \"canal-json\" does not go with a standby yet: leave standby out, or use protocol = \"binlog\"")
	}
	return nil
}

// Open implements drainer.Downstream.
func (k Kafka) Open(ctx context.Context, site drainer.Site, from, _ nodes.TSO) (sink.Sink, error) {
	return opened(kafka.New(ctx, kafka.Options{Addrs: k.Addrs, ClusterID: site.ClusterID, NodeID: site.NodeID, Standby: site.Shared != nil, From: from, Topic: k.Topic,
		Partitions: k.Partitions, Replicas: k.Replicas, Protocol: k.Protocol, Partition: k.Partition, Extension: k.Extension, LargeMessages: k.LargeMessages, Version: k.Version, ClientID: k.ClientID, Compression: k.Compression,
		MaxMessages: k.MaxMessages, MaxMessageBytes: k.MaxMessageBytes, TimeZone: k.Zone(), TLS: k.TLS, SASL: k.SASL, Logger: site.Logger, Stalled: site.Trouble}))
}
