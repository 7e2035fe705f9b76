package kafka

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"

	"pumphouse/drainer/kafkaclient"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// Options say where and how a [Sink] writes. Addrs and ClusterID are required.
type Options struct {
	Addrs     []string // kafka-addrs: some brokers, host:port
	ClusterID uint64   // of PD
	// NodeID is the drainer's. With it a restart finds out what is in the topic already; without
	// it messages have no mark.
	NodeID string
	// Standby: another process may take this one's place (transaction.go). NodeID is required then.
	Standby bool
	// From is the drainer's checkpoint.
	From nodes.TSO
	// Topic is topic-name. Default <ClusterID>_obinlog. It is made when it is not there.
	Topic string
	// Partitions and Replicas are those of a topic that is made. With [ProtocolBinlog] messages are in partition 0 whatever there
	// are. Defaults: 1, and the brokers' default.
	Partitions int32
	Replicas   int16
	// Protocol is the format of messages: [ProtocolBinlog] (default) or [ProtocolCanalJSON]. What follows is for the second.
	Protocol string
	// Partition says how rows are spread over the topic's partitions: [ByTable] (default) or [ByIndexValue].
	Partition string
	// Extension is enable-tidb-extension: messages have _tidb, and there are watermarks.
	Extension bool
	// LargeMessages is large-message-handle-option, what is done with a row that is too large: [LargeNone] (default), it stops
	// the sink, or [LargeKeyOnly], its message has the columns of its key alone. That needs Extension.
	LargeMessages string
	// WatermarkEvery is how often watermarks are written at most. Default 1 s.
	WatermarkEvery time.Duration
	// Version is kafka-version: the newest version of the protocol to be used, like "2.4.0".
	// Default: what the brokers say. Below 0.11, which is too old, it is taken for the default:
	// many configurations still have upstream's default of 0.8.2.0.
	Version string
	// ClientID is kafka-client-id: how brokers call this client in their logs and quotas. Default
	// pumphouse-drainer.
	ClientID string
	// MaxMessages is kafka-max-messages: how many messages are sent in one request at most.
	// Default 1024.
	MaxMessages int
	// MaxMessageBytes is kafka-max-message-size: larger messages are refused before they are
	// sent. What the topic takes is another limit. Default: the topic's alone.
	MaxMessageBytes int
	// Compression is none (default), gzip, snappy, lz4 or zstd. With one the topic's limit is for
	// the compressed message.
	Compression string
	// TimeZone is that of the timestamps in rows and of defaults. Default UTC.
	TimeZone *time.Location
	TLS      *tls.Config    // nil: plain TCP
	SASL     sasl.Mechanism // nil: no login

	// StartTimeout is how long brokers are tried to be reached at the start. Default 30 s.
	StartTimeout time.Duration
	// StallLog is after what time, and then how often, it is logged that brokers do not take
	// messages. Default 10 s.
	StallLog time.Duration
	// Stalled is called with why brokers do not take messages, soon after that has begun, and with nil when they do
	// again. nil: nobody is told.
	Stalled func(error)
	Logger  logrus.FieldLogger // default: nothing is logged
}

// The values of Options.Protocol.
const (
	ProtocolBinlog    = "binlog"     // upstream's: a message a transaction
	ProtocolCanalJSON = "canal-json" // TiCDC's: a message a row
)

// The values of Options.Partition.
const (
	ByTable      = "table"       // all rows of a table are in one
	ByIndexValue = "index-value" // all rows with the same primary key, or unique key without NULLs, are in one
)

// The values of Options.LargeMessages.
const (
	LargeNone    = "none"
	LargeKeyOnly = "handle-key-only"
)

// CheckProtocol reports what does not go together in Protocol, Partition, Extension and LargeMessages, by the keys of the
// configuration.
func (o Options) CheckProtocol() error {
	switch o.Protocol {
	case "", ProtocolBinlog:
		for _, k := range []struct {
			name string
			set  bool
		}{{"partition", o.Partition != ""}, {"enable-tidb-extension", o.Extension}, {"large-message-handle-option", o.LargeMessages != ""}} {
			if k.set {
				return fmt.Errorf("%s is for protocol %s: set that, or remove the key", k.name, ProtocolCanalJSON)
			}
		}
		return nil
	case ProtocolCanalJSON:
	default:
		return fmt.Errorf("protocol %q: use %s or %s", o.Protocol, ProtocolBinlog, ProtocolCanalJSON)
	}
	switch o.Partition {
	case "", ByTable, ByIndexValue:
	default:
		return fmt.Errorf("partition %q: use %s or %s", o.Partition, ByTable, ByIndexValue)
	}
	switch o.LargeMessages {
	case "", LargeNone:
	case LargeKeyOnly:
		if !o.Extension {
			return fmt.Errorf("large-message-handle-option %s needs enable-tidb-extension = true, by which consumers tell such messages", LargeKeyOnly)
		}
	default:
		return fmt.Errorf("large-message-handle-option %q: use %s or %s", o.LargeMessages, LargeNone, LargeKeyOnly)
	}
	return nil
}

// protocol is the one of messages.
func (o Options) protocol() string { return cmp.Or(o.Protocol, ProtocolBinlog) }

// canal reports whether messages are Canal-JSON.
func (o Options) canal() bool { return o.Protocol == ProtocolCanalJSON }

func (o Options) withDefaults() (Options, error) {
	if err := o.CheckProtocol(); err != nil {
		return o, fmt.Errorf("kafka sink: %w", err)
	}
	switch {
	case len(o.Addrs) == 0:
		return o, errors.New("kafka sink: kafka-addrs in [syncer.to] is required")
	case o.Standby && o.NodeID == "":
		return o, errors.New("kafka sink: with a standby the drainer needs a node ID")
	case o.ClusterID == 0 && o.Topic == "":
		return o, errors.New("kafka sink: the cluster ID is not known and topic-name in [syncer.to] is empty")
	}
	if o.Topic == "" {
		o.Topic = strconv.FormatUint(o.ClusterID, 10) + "_obinlog"
	}
	if o.ClientID == "" {
		o.ClientID = "pumphouse-drainer"
	}
	if o.Partitions <= 0 {
		o.Partitions = 1
	}
	if o.WatermarkEvery <= 0 {
		o.WatermarkEvery = time.Second
	}
	if o.MaxMessages <= 0 {
		o.MaxMessages = 1024
	}
	if o.TimeZone == nil {
		o.TimeZone = time.UTC
	}
	if o.StartTimeout <= 0 {
		o.StartTimeout = 30 * time.Second
	}
	if o.Stalled == nil {
		o.Stalled = func(error) {}
	}
	if o.StallLog <= 0 {
		o.StallLog = 10 * time.Second
	}
	o.Logger = logs.OrSilent(o.Logger)
	return o, nil
}

// where names the topic for errors.
func (o Options) where() string { return fmt.Sprintf("topic %q of %s", o.Topic, o.brokers()) }

// mark is what the drainer's messages carry; empty: nothing.
func (o Options) mark() string {
	if o.NodeID == "" {
		return ""
	}
	return strconv.FormatUint(o.ClusterID, 10) + "/" + o.NodeID
}

// brokers are those that the sink writes to.
func (o Options) brokers() kafkaclient.Brokers {
	return kafkaclient.Brokers{Addrs: o.Addrs, ClientID: o.ClientID, Version: o.Version, TLS: o.TLS, SASL: o.SASL, Logger: o.Logger}
}

// maxBatchBytes is the most that a Kafka client sends as one.
const maxBatchBytes = 1 << 30

// client gives the options of the Kafka client.
func (o Options) client() ([]kgo.Opt, error) {
	codec, err := codec(o.Compression)
	if err != nil {
		return nil, fmt.Errorf("kafka sink: %w", err)
	}
	opts, err := o.brokers().Options()
	if err != nil {
		return nil, fmt.Errorf("kafka sink: %w", err)
	}
	if o.Standby {
		opts = append(opts, kgo.TransactionalID(o.transactionalID()), kgo.TransactionTimeout(transactionTimeout))
	}
	return append(opts,
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(codec),
		// The sink makes the batches: nothing leaves before it says so, and all of it as one.
		kgo.ManualFlushing(),
		kgo.MaxBufferedRecords(o.MaxMessages+1),
		kgo.ProducerBatchMaxBytes(maxBatchBytes),
		kgo.UnknownTopicRetries(-1), // brokers that start say so of every topic
	), nil
}

// CheckCompression reports a value of [Options].Compression that there is not.
func CheckCompression(name string) error {
	_, err := codec(name)
	return err
}

func codec(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "", "none":
		return kgo.NoCompression(), nil
	case "gzip":
		return kgo.GzipCompression(), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	}
	return kgo.NoCompression(), fmt.Errorf("compression %q: use none, gzip, snappy, lz4 or zstd", name)
}
