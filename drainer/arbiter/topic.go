package arbiter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/drainer/kafkaclient"
	"pumphouse/nodes"
)

// topic reads partition 0 of a topic, which is the one that drainers write to.
type topic struct {
	opts   *Options
	client *kgo.Client
	// probe reads single messages, to find a place; it fetches little at once.
	probe *kgo.Client
}

// What is read at once, and so about what is in memory; a larger message is read alone.
const (
	fetchBytes = 16 << 20
	pollTxns   = 4096
	probeBytes = 64 << 10
)

// openTopic connects to the brokers and makes sure that there is the topic.
func openTopic(ctx context.Context, opts *Options) (*topic, error) {
	list, err := opts.Brokers.Options()
	if err != nil {
		return nil, err
	}
	reader := func(bytes int32) (*kgo.Client, error) {
		return kgo.NewClient(append(slices.Clip(list), kgo.FetchMaxBytes(bytes), kgo.FetchMaxPartitionBytes(bytes),
			kgo.ConsumeResetOffset(kgo.NoResetOffset()))...) // what is gone is an error
	}
	t := &topic{opts: opts}
	if t.client, err = reader(fetchBytes); err != nil {
		return nil, err
	}
	if t.probe, err = reader(probeBytes); err != nil {
		t.close()
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, opts.StartTimeout, fmt.Errorf("no answer within %v", opts.StartTimeout))
	defer cancel()
	if err = opts.Brokers.Connect(ctx, t.client, opts.StartTimeout); err == nil {
		err = t.exists(ctx)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *topic) close() {
	t.client.Close()
	if t.probe != nil {
		t.probe.Close()
	}
}

// startTimeout is how long brokers that start may know of no topic.
const startTimeout = 5 * time.Second

func (t *topic) exists(ctx context.Context) error {
	for begun := time.Now(); ; {
		found, err := kafkaclient.FindTopic(ctx, t.client, t.opts.Topic)
		switch {
		case found:
			return nil
		case err != nil:
			return fmt.Errorf("ask for topic %q of kafka at %s: %w%s", t.opts.Topic, t.addrs(), err, cure(err))
		case time.Since(begun) > startTimeout || !nodes.Sleep(ctx, 200*time.Millisecond):
			return fmt.Errorf("topic %q does not exist at kafka %s: check -up.topic, which is the drainer's topic-name, by default <cluster ID>_obinlog; the drainer makes it when it starts", t.opts.Topic, t.addrs())
		}
	}
}

func (t *topic) addrs() string { return strings.Join(t.opts.Brokers.Addrs, ",") }

// cure is what to do about an error of the brokers, if that is known.
func cure(err error) string {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return ": allow arbiter to read and to describe the topic"
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.UnknownTopicOrPartition):
		return ": the topic was deleted or recreated while arbiter ran; start arbiter again, which says whether messages are missing"
	}
	return kafkaclient.Cure(err)
}

// seek makes the message at an offset the next one.
func (t *topic) seek(offset int64) { t.seekOf(t.client, offset) }

func (t *topic) seekOf(client *kgo.Client, offset int64) {
	t.leave(client)
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{t.opts.Topic: {0: kgo.NewOffset().At(offset)}})
}

// leave ends the reading of a client.
func (t *topic) leave(client *kgo.Client) {
	client.RemoveConsumePartitions(map[string][]int32{t.opts.Topic: {0}})
}

// next gives the messages that come next: none if none come within a time.
func (t *topic) next(ctx context.Context, timeout time.Duration, most int) ([]*kgo.Record, error) {
	return nextOf(ctx, t.client, timeout, most)
}

func nextOf(ctx context.Context, client *kgo.Client, timeout time.Duration, most int) ([]*kgo.Record, error) {
	wait, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	fetches := client.PollRecords(wait, most)
	for _, e := range fetches.Errors() {
		if wait.Err() == nil || !errors.Is(e.Err, wait.Err()) {
			return nil, e.Err
		}
	}
	return fetches.Records(), nil
}

// stamp is a message's place in the topic and in the order of commits.
type stamp struct {
	offset   int64
	commitTS nodes.TSO
}

// at is the first message at an offset or after it, before end; ok: there is one that decodes.
func (t *topic) at(ctx context.Context, offset, end int64) (s stamp, ok bool, err error) {
	defer t.leave(t.probe)
	for offset < end {
		t.seekOf(t.probe, offset)
		list, err := nextOf(ctx, t.probe, t.opts.StartTimeout, 1)
		switch {
		case ctx.Err() != nil:
			return s, false, context.Cause(ctx)
		case err != nil:
			return s, false, fmt.Errorf("read the message at %s: %w%s", t.opts.where(offset), err, cure(err))
		case len(list) == 0:
			return s, false, fmt.Errorf("read the message at %s: no answer within %v", t.opts.where(offset), t.opts.StartTimeout)
		}
		if err := t.opts.canal(list[0]); err != nil {
			return s, false, err
		}
		b := new(pbkafka.Binlog)
		if list[0].Offset < end && proto.Unmarshal(list[0].Value, b) == nil {
			return stamp{list[0].Offset, nodes.TSO(b.GetCommitTs())}, true, nil
		}
		offset = list[0].Offset + 1 // if it matters it is said when its turn comes
	}
	return s, false, nil
}

// canal is the error of a message in the drainer's other protocol, nil for others.
func (o *Options) canal(r *kgo.Record) error {
	if !bytes.HasPrefix(r.Value, []byte(`{"id":`)) {
		return nil
	}
	return fmt.Errorf("the message at %s is Canal-JSON, which arbiter does not read: name in -up.topic a topic that a drainer writes with protocol = \"binlog\", which is its default", o.where(r.Offset))
}
