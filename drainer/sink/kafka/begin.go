package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pumphouse/drainer/kafkaclient"
)

// limits are sizes in bytes.
type limits struct {
	message int // larger messages are refused before they are sent; 0: the brokers are asked
	batch   int // how large batches of more than one message are
}

const (
	defaultMax = 1_000_000 // a little less than what topics take if nobody says otherwise
	maxBatch   = 1_000_000
)

// begin makes the sink ready: topic, limits, what is in the topic.
func (s *Sink) begin(ctx context.Context) error {
	timeout := fmt.Errorf("no answer within %v", s.opts.StartTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.StartTimeout, timeout)
	defer cancel()
	if err := s.opts.brokers().Connect(ctx, s.client, s.opts.StartTimeout); err != nil {
		return err
	}
	if err := s.openTopic(ctx); err != nil {
		return err
	}
	if err := s.fence(ctx); err != nil {
		return err
	}
	max, err := s.topicSetting(ctx, "max.message.bytes")
	if err != nil {
		s.opts.Logger.WithError(err).WithField("topic", s.opts.Topic).
			Info("how large messages may be is not known before the topic refuses one")
	}
	s.limits = s.limitsFor(max)
	partitions, err := s.partitions(ctx)
	if err != nil {
		return err
	}
	if err := s.look(ctx, partitions); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("read the last messages of %s: %w", s.opts.where(), context.Cause(ctx))
	}
	return nil
}

// limitsFor combines the topic's limit, 0 when it is not known, with the configured one.
func (s *Sink) limitsFor(max int) limits {
	l := limits{message: s.opts.MaxMessageBytes, batch: defaultMax}
	if max <= 0 {
		return l
	}
	l.batch = min(max, maxBatch)
	// What is compressed may be larger; but rows with their key alone have to be made before they are sent.
	known := s.opts.Compression == "" || s.opts.Compression == "none" || s.opts.LargeMessages == LargeKeyOnly
	if known && (l.message <= 0 || max < l.message) {
		l.message = max
	}
	return l
}

// openTopic makes sure that there is the topic.
func (s *Sink) openTopic(ctx context.Context) error {
	found, err := s.findTopic(ctx)
	if err != nil || found {
		return err
	}
	if err := s.createTopic(ctx); err != nil {
		return fmt.Errorf("%s does not exist and could not be made: %w: %s, or make it with kafka-topics.sh --bootstrap-server %s --create --topic %s",
			s.opts.where(), err, cureOfCreate(err), s.opts.Addrs[0], s.opts.Topic)
	}
	s.opts.Logger.WithField("topic", s.opts.Topic).Info("the topic has been made")
	return nil
}

// cureOfCreate is what to do when a topic cannot be made.
func cureOfCreate(err error) string {
	switch {
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return "set topic-replication-factor to at most the number of brokers"
	case errors.Is(err, kerr.PolicyViolation):
		return "set topic-partitions and topic-replication-factor as the brokers' policy wants them"
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return "allow the drainer Create on the topic"
	}
	return "correct topic-name, topic-partitions and topic-replication-factor"
}

// findTopic asks for the topic. It need not have a leader at the moment.
func (s *Sink) findTopic(ctx context.Context) (bool, error) {
	found, err := kafkaclient.FindTopic(ctx, s.client, s.opts.Topic)
	if err != nil {
		return false, fmt.Errorf("ask for %s: %w%s", s.opts.where(), err, cure(err))
	}
	return found, nil
}

// createTopic makes the topic; what is not configured is as the brokers have it by default.
func (s *Sink) createTopic(ctx context.Context) error {
	if s.opts.Replicas > 0 {
		return s.createTopicWith(ctx, s.opts.Replicas)
	}
	err := s.createTopicWith(ctx, -1)
	if errors.Is(err, kerr.InvalidReplicationFactor) || errors.Is(err, kerr.UnsupportedVersion) {
		err = s.createTopicWith(ctx, 1) // Kafka before 2.4 has no default
	}
	return err
}

func (s *Sink) createTopicWith(ctx context.Context, replicas int16) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = s.opts.Topic, s.opts.Partitions, replicas
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, s.client)
	if err != nil {
		return kafkaclient.OrCause(ctx, err)
	}
	for i := range resp.Topics {
		err := kerr.ErrorForCode(resp.Topics[i].ErrorCode)
		switch text := resp.Topics[i].ErrorMessage; {
		case errors.Is(err, kerr.TopicAlreadyExists):
		case err != nil && text != nil:
			return fmt.Errorf("%w (%s)", err, *text)
		case err != nil:
			return err
		}
	}
	return nil
}

// topicSetting is a number among the topic's settings.
func (s *Sink) topicSetting(ctx context.Context, name string) (int, error) {
	const ofTopic = kmsg.ConfigResourceTypeTopic
	req := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName, resource.ConfigNames = ofTopic, s.opts.Topic, []string{name}
	req.Resources = append(req.Resources, resource)
	resp, err := req.RequestWith(ctx, s.client)
	if err != nil {
		return 0, kafkaclient.OrCause(ctx, err)
	}
	for i := range resp.Resources {
		if err := kerr.ErrorForCode(resp.Resources[i].ErrorCode); err != nil {
			return 0, err
		}
		for _, c := range resp.Resources[i].Configs {
			if c.Name == name && c.Value != nil {
				return strconv.Atoi(*c.Value)
			}
		}
	}
	return 0, fmt.Errorf("the topic has no %s", name)
}
