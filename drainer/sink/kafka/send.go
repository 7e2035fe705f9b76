package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pumphouse/drainer/kafkaclient"
	"pumphouse/nodes"
)

// markHeader is the name of the header that has the drainer's mark.
const markHeader = "pumphouse-drainer"

// recordOverhead is more than what Kafka's format adds to a message and to a batch, the mark
// left aside.
const recordOverhead = 128

// sender sends what is in the queue, a batch after the other.
func (s *Sink) sender() {
	for {
		select {
		case <-s.work:
		case <-s.ctx.Done():
			return
		}
		for {
			batch := s.take()
			if len(batch) == 0 {
				break
			}
			if err := s.send(batch); err != nil {
				s.fail(err)
				return
			}
			s.sent(batch)
		}
	}
}

// take takes the next batch from the queue: as many messages as the topic is sure to take at
// once, or one. Those of one group only.
func (s *Sink) take() []*outgoing {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, recordOverhead
	for n < len(s.queue) && n < s.opts.MaxMessages && !s.closing {
		m := s.queue[n]
		size += len(m.value) + len(m.mark) + recordOverhead
		if n > 0 && (size > s.limits.batch || m.group != s.queue[0].group) {
			break
		}
		n++
	}
	s.sending, s.since = s.queue[:n:n], time.Now()
	if s.queue = s.queue[n:]; len(s.queue) == 0 {
		s.queue = nil
	}
	return s.sending
}

// sent says that a batch is in the topic for good.
func (s *Sink) sent(batch []*outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var upTo nodes.TSO
	for _, m := range batch {
		s.waiting -= len(m.value)
		if !m.part {
			upTo = m.commitTS
		}
	}
	s.sending = nil
	s.advanceLocked(upTo)
	s.changed.Broadcast()
}

// send sends a batch and returns when the brokers have it.
func (s *Sink) send(batch []*outgoing) error {
	batch, err := s.deliver(batch)
	for mayPass(err) {
		s.setRetried(err)
		if !nodes.Sleep(s.ctx, time.Second) {
			break
		}
		batch, err = s.deliver(batch)
	}
	s.setRetried(nil)
	if len(batch) == 0 {
		return nil
	}
	switch {
	case errors.Is(err, kerr.MessageTooLarge) && len(batch) > 1:
		// The topic's limit is not known, or has been lowered.
		half := len(batch) / 2
		if err := s.send(batch[:half]); err != nil {
			return err
		}
		return s.send(batch[half:])
	case errors.Is(err, kerr.MessageTooLarge):
		return fmt.Errorf("%w: %w", tooLarge(s.opts, batch[0], s.limits.message), err)
	case errors.Is(err, ErrTakenOver):
		return fmt.Errorf("write the transaction with commit TS %s to %s: %w", batch[0].commitTS, s.opts.where(), err)
	case err != nil:
		return fmt.Errorf("write the transaction with commit TS %s to %s: %w%s", batch[0].commitTS, s.opts.where(), err, cure(err))
	}
	return nil
}

// mayPass reports whether an error that the Kafka client gives up on may pass: a login that is refused until a file has
// another secret, and what brokers answer whose disk is full.
func mayPass(err error) bool {
	return kafkaclient.LoginRefused(err) || errors.Is(err, kerr.UnknownServerError) || errors.Is(err, errAborted)
}

// setRetried notes why a batch is sent again, for watch.
func (s *Sink) setRetried(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retried = err
}

// produce is send without a second try; what can be tried again, the client does. It gives the messages that the brokers
// have not taken, which without an error are none, and after one those of a partition from the first refused on. Mostly that
// is all of a partition or none; but what the client still had in hand from the batch before it may send the first few alone.
func (s *Sink) produce(batch []*outgoing) (left []*outgoing, err error) {
	var mu sync.Mutex
	taken, errs := make([]bool, len(batch)), make([]error, len(batch))
	for i, m := range batch {
		r := &kgo.Record{Topic: s.opts.Topic, Partition: m.partition, Value: m.value, Headers: m.headers()}
		s.client.Produce(s.ctx, r, func(_ *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			taken[i], errs[i] = err == nil, err
		})
	}
	err = s.client.Flush(s.ctx)
	mu.Lock()
	defer mu.Unlock()
	refused := make(map[int32]bool)
	for i, m := range batch {
		if !taken[i] && !refused[m.partition] {
			if len(left) == 0 {
				err = cmp.Or(errs[i], err)
			}
			refused[m.partition] = true
		}
		if refused[m.partition] {
			left = append(left, m)
		}
	}
	return left, err
}

func (m *outgoing) headers() []kgo.RecordHeader {
	if m.mark != "" {
		return []kgo.RecordHeader{{Key: markHeader, Value: []byte(m.mark)}}
	}
	return nil
}

// cure is what to do about an error of the brokers, if that is known.
func cure(err error) string {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return ": allow the drainer to write to and to describe the topic"
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return ": allow the drainer IdempotentWrite on the cluster (or Write on the topic, from Kafka 3.0 on)"
	case errors.Is(err, kerr.UnsupportedVersion):
		return ": the brokers have to be Kafka 0.11 at least; see kafka-version"
	case errors.Is(err, kerr.UnknownServerError):
		return ": look at the log of the brokers; a disk may be full"
	}
	return kafkaclient.Cure(err)
}

// stallTold is how long messages may wait for the brokers before Options.Stalled is told.
const stallTold = 2 * time.Second

// watch tells Options.Stalled when brokers do not take messages, and says so now and then, with why.
func (s *Sink) watch() {
	tick := time.NewTicker(min(s.opts.StallLog, time.Second))
	defer tick.Stop()
	stalled := false
	var said time.Time
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		m, since := s.oldest()
		waiting := time.Since(since)
		if m == nil || waiting < min(stallTold, s.opts.StallLog) {
			if stalled {
				s.opts.Stalled(nil)
			}
			if stalled && !said.IsZero() {
				s.opts.Logger.WithField("topic", s.opts.Topic).Info("kafka takes messages again")
			}
			stalled, said = false, time.Time{}
			continue
		}
		if !stalled {
			stalled = true
			s.stalled(m, fmt.Errorf("no acknowledgement for %s", waiting.Round(time.Second)))
		}
		if waiting < s.opts.StallLog || time.Since(said) < s.opts.StallLog {
			continue
		}
		why := s.diagnose()
		if s.ctx.Err() != nil {
			return
		}
		said = time.Now()
		s.stalled(m, why)
		s.opts.Logger.WithError(why).WithField("topic", s.opts.Topic).WithField("commit_ts", m.commitTS).
			WithField("waiting", time.Since(since).Round(time.Second).String()).
			Warn("kafka does not take messages: the drainer retries until it does")
	}
}

// stalled tells that brokers do not take a message.
func (s *Sink) stalled(m *outgoing, why error) {
	s.opts.Stalled(nodes.WithProblem(fmt.Errorf("%s does not take the message with commit TS %s for topic %q: %w",
		s.opts.brokers(), m.commitTS, s.opts.Topic, why), nodes.ProblemDownstreamDown,
		"check that the brokers run and that this machine reaches them; messages are retried until they are taken"))
}

// oldest is the first message on its way, nil if there is none, and since when it is.
func (s *Sink) oldest() (*outgoing, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sending) == 0 {
		return nil, time.Time{}
	}
	return s.sending[0], s.since
}

// diagnose looks for the reason of a stall.
func (s *Sink) diagnose() error {
	ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
	defer cancel()
	s.mu.Lock()
	retried := s.retried
	s.mu.Unlock()
	switch found, err := s.findTopic(ctx); {
	case err != nil:
		return err
	case !found:
		return errors.New("the topic does not exist any more")
	case retried != nil:
		return fmt.Errorf("%w%s", retried, cure(retried))
	}
	return s.missingReplicas(ctx)
}

// missingReplicas says what the topic lacks to take messages, as far as that is known. Of several partitions it looks
// at the one with the fewest replicas in sync.
func (s *Sink) missingReplicas(ctx context.Context) error {
	partitions, err := kafkaclient.Partitions(ctx, s.client, s.opts.Topic)
	if err != nil {
		return fmt.Errorf("the brokers know the topic but do not acknowledge, and do not say which replicas are in sync: %w%s", err, cure(err))
	}
	if s.canal == nil {
		partitions = partitions[:1]
	}
	p := slices.MinFunc(partitions, func(a, b kafkaclient.Partition) int { return cmp.Compare(len(a.InSync), len(b.InSync)) })
	const setting = "min.insync.replicas"
	if least, err := s.topicSetting(ctx, setting); err == nil && len(p.InSync) < least {
		return fmt.Errorf("of the topic's replicas, on the brokers %v, only those on %v are in sync, and %s is %d: start the others", p.Replicas, p.InSync, setting, least)
	}
	if len(p.InSync) == 0 {
		return fmt.Errorf("none of the topic's replicas, on the brokers %v, is in sync: start these brokers", p.Replicas)
	}
	return fmt.Errorf("the brokers know the topic but do not acknowledge; its replicas on %v are in sync, of those on %v (min.insync.replicas): look at the log of these brokers", p.InSync, p.Replicas)
}
