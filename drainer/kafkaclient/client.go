// Package kafkaclient is what the Kafka sink and the reader of topics share: how they reach brokers, and
// what they ask them.
package kafkaclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl"

	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// Brokers are where Kafka is. Addrs and Logger are required.
type Brokers struct {
	Addrs    []string // of some brokers, host:port
	ClientID string   // what brokers call this client in their logs and quotas
	// Version is the newest version of the protocol to be used, like "2.4.0"; "": what the brokers speak. Below
	// 0.11, which is too old, it is ignored: many configurations have upstream's default of 0.8.2.0.
	Version string
	TLS     *tls.Config    // nil: plain TCP
	SASL    sasl.Mechanism // nil: no login
	Logger  logrus.FieldLogger
}

// String is the brokers as errors name them.
func (b Brokers) String() string { return "kafka at " + strings.Join(b.Addrs, ",") }

// maxBytes is the most that a Kafka client sends or reads as one.
const maxBytes = 1 << 30

// Options are those of a client of these brokers. It never gives up on what may pass.
func (b Brokers) Options() ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(b.Addrs...),
		kgo.ClientID(b.ClientID),
		kgo.DialTimeout(5 * time.Second),
		kgo.MetadataMinAge(100 * time.Millisecond), // a new leader is to be found soon
		kgo.RetryBackoffFn(func(tries int) time.Duration { // for ever, so not too often, and not too late
			return min(100*time.Millisecond<<min(tries, 5), 2*time.Second)
		}),
		kgo.BrokerMaxWriteBytes(maxBytes),
		kgo.BrokerMaxReadBytes(maxBytes),
	}
	if b.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(b.TLS))
	}
	if b.SASL != nil {
		opts = append(opts, kgo.SASL(b.SASL))
	}
	versions, err := b.versions()
	if versions != nil {
		opts = append(opts, kgo.MaxVersions(versions))
	}
	return opts, err
}

// versions is the newest version of each request, nil for what the brokers say.
func (b Brokers) versions() (*kversion.Versions, error) {
	if b.Version == "" {
		return nil, nil
	}
	v := kversion.FromString(b.Version)
	if v == nil {
		return nil, fmt.Errorf("kafka-version %q is not the version of a Kafka release, like 2.4.0", b.Version)
	}
	const initProducerID = 22
	if !v.HasKey(initProducerID) {
		b.Logger.WithField("kafka-version", b.Version).
			Warn("kafka-version is too old for an idempotent producer and is ignored: what the brokers speak is used, which has to be Kafka 0.11 at least")
		return nil, nil
	}
	return v, nil
}

// Connect waits until any broker answers. A login that is refused is an error at once. timeout is how long ctx
// leaves, for the log.
func (b Brokers) Connect(ctx context.Context, client *kgo.Client, timeout time.Duration) error {
	var failures logs.Repeated
	var last error // why no broker has answered: the newest reason with a cure, if there was one
	for {
		err := client.Ping(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			if last == nil || cureOf(err) != "" || cureOf(last) == "" {
				last = err
			}
			if n := failures.Again(); n > 0 {
				b.Logger.WithError(err).WithField("addrs", strings.Join(b.Addrs, ",")).WithField("times", n).
					Warnf("no broker of kafka answers yet; retrying for %s", timeout)
			}
		}
		refused := LoginRefused(err) || errors.Is(err, kerr.UnsupportedSaslMechanism)
		if !refused && nodes.Sleep(ctx, 200*time.Millisecond) {
			continue
		}
		if !refused {
			err = context.Cause(ctx)
			if last != nil {
				err = fmt.Errorf("%w: %w", err, last)
			}
		}
		return fmt.Errorf("connect to %s: %w%s", b, err, cmp.Or(cureOf(err), ": check kafka-addrs, and whether they run"))
	}
}

// FindTopic asks for a topic. It need not have a leader at the moment.
func FindTopic(ctx context.Context, client *kgo.Client, name string) (bool, error) {
	t, err := describe(ctx, client, name)
	if err != nil {
		return false, err
	}
	err = kerr.ErrorForCode(t.ErrorCode)
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return false, nil
	case err != nil && !kerr.IsRetriable(err):
		return false, err
	}
	return true, nil
}

// Partition is a partition of a topic.
type Partition struct {
	ID       int32
	InSync   []int32 // the brokers that have all of it
	Replicas []int32 // the brokers that are to have it
}

// Partitions are those of a topic, by their IDs.
func Partitions(ctx context.Context, client *kgo.Client, name string) (list []Partition, err error) {
	t, err := describe(ctx, client, name)
	if err != nil {
		return nil, err
	}
	for i := range t.Partitions {
		p := &t.Partitions[i]
		list = append(list, Partition{ID: p.Partition, InSync: p.ISR, Replicas: p.Replicas})
	}
	if len(list) == 0 {
		return nil, cmp.Or(kerr.ErrorForCode(t.ErrorCode), error(kerr.UnknownTopicOrPartition))
	}
	slices.SortFunc(list, func(a, b Partition) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// describe asks for a topic.
func describe(ctx context.Context, client *kgo.Client, name string) (*kmsg.MetadataResponseTopic, error) {
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, OrCause(ctx, err)
	}
	if len(resp.Topics) != 1 {
		return nil, fmt.Errorf("the brokers answer for %d topics", len(resp.Topics))
	}
	return &resp.Topics[0], nil
}

// What [Offset] can be asked for.
const (
	Latest   = -1
	Earliest = -2
)

// Offset is the offset after the last message of a partition, or that of its first one. It waits
// while the partition has no leader.
func Offset(ctx context.Context, client *kgo.Client, name string, partition int32, at int64) (int64, error) {
	for {
		offset, err := offsetNow(ctx, client, name, partition, at)
		if err == nil || !kerr.IsRetriable(err) {
			return offset, err
		}
		select {
		case <-ctx.Done():
			return 0, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func offsetNow(ctx context.Context, client *kgo.Client, name string, number int32, at int64) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = name
	partition := kmsg.NewListOffsetsRequestTopicPartition()
	partition.Partition, partition.Timestamp = number, at
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return 0, OrCause(ctx, err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, errors.New("the brokers answer for another partition")
	}
	p := resp.Topics[0].Partitions[0]
	return p.Offset, kerr.ErrorForCode(p.ErrorCode)
}

// Cure is what to do about an error of the brokers that has the same cause for all that use them, "" if that is not
// known.
func Cure(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	remote, ok := errors.AsType[*net.OpError](err)
	switch {
	case LoginRefused(err):
		return ": check sasl-mechanism, and user and password or token, which may have expired"
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return ": choose a sasl-mechanism that the brokers have (sasl.enabled.mechanisms)"
	case errors.As(err, &authority):
		return ": name the authority that has signed the brokers' certificate in ssl-ca"
	case errors.As(err, &name):
		return ": name the brokers in kafka-addrs as in their certificate; those that they advertise (advertised.listeners) have to be in it, too"
	case ok && remote.Op == "remote error": // an alert of TLS
		return ": the brokers want a certificate of this side, or another one: check ssl-cert and ssl-key"
	}
	return ""
}

// cureOf is what to do while no connection comes about, "" if that is not known.
func cureOf(err error) string { return cmp.Or(Cure(err), cureOfClosed(err)) }

// cureOfClosed is what to do when brokers close a connection that has just begun.
func cureOfClosed(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ": the brokers close the connection: they may want TLS (ssl-ca, or ssl = true) or a login (sasl-mechanism) on this port, or none"
	}
	return ""
}

// OrCause is err, or the context's cause when that is why.
func OrCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
