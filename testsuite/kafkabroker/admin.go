package kafkabroker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	minAge = 100 * time.Millisecond
	// timeout is how long a change in the cluster may take: the machine may be busy.
	timeout = 4 * time.Minute
)

// fresh is for questions about metadata whose answers are not to come from the client's memory, as they do
// unless rights are asked for.
func fresh(ctx context.Context) context.Context { return kadm.WithAuthorizedOps(ctx) }

// eventually waits until ok is true.
func (c *Cluster) eventually(what string, ok func(ctx context.Context) (bool, string)) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), timeout)
	defer cancel()
	for {
		done, last := ok(ctx)
		if done {
			return
		}
		select {
		case <-ctx.Done():
			for _, n := range c.Nodes {
				c.t.Logf("kafka's node %d said:\n%s", n.ID, n.out.tail())
			}
			c.t.Fatalf("%s: not within %v; last: %s", what, timeout, last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// AwaitNodes waits until so many brokers take part.
func (c *Cluster) AwaitNodes(count int) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("%d brokers", count), func(ctx context.Context) (bool, string) {
		one, cancel := context.WithTimeout(fresh(ctx), 10*time.Second)
		defer cancel()
		m, err := c.admin.BrokerMetadata(one)
		return err == nil && len(m.Brokers) == count, fmt.Sprintf("%d brokers, %v", len(m.Brokers), err)
	})
}

// CreateTopic makes a topic with one partition, which is on so many brokers.
func (c *Cluster) CreateTopic(name string, replicas int, settings map[string]string) {
	c.t.Helper()
	values := make(map[string]*string)
	for key, value := range settings {
		values[key] = &value
	}
	c.eventually("topic "+name, func(ctx context.Context) (bool, string) {
		_, err := c.admin.CreateTopic(ctx, 1, int16(replicas), values, name)
		return err == nil || errors.Is(err, kerr.TopicAlreadyExists), fmt.Sprint(err)
	})
}

// SetTopic changes a setting of a topic.
func (c *Cluster) SetTopic(name, key, value string) {
	c.t.Helper()
	answers, err := c.admin.AlterTopicConfigs(c.t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, name)
	if err == nil {
		_, err = answers.On(name, nil)
	}
	if err != nil {
		c.t.Fatalf("set %s of topic %s: %v", key, name, err)
	}
}

// Leader is the node that leads partition 0 of a topic, and InSync how many replicas have everything.
func (c *Cluster) Leader(topic string) *Node {
	c.t.Helper()
	var leader *Node
	c.eventually("leader of "+topic, func(ctx context.Context) (bool, string) {
		p, err := c.partition(ctx, topic)
		if err == nil && p.Leader > 0 && int(p.Leader) <= len(c.Nodes) {
			leader = c.Nodes[p.Leader-1]
		}
		return leader != nil, fmt.Sprint(p.Leader, err)
	})
	return leader
}

// AwaitInSync waits until so many replicas of a topic have everything.
func (c *Cluster) AwaitInSync(topic string, count int) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("%d replicas of %s in sync", count, topic), func(ctx context.Context) (bool, string) {
		p, err := c.partition(ctx, topic)
		return err == nil && len(p.ISR) == count, fmt.Sprint(p.ISR, err)
	})
}

func (c *Cluster) partition(ctx context.Context, topic string) (kadm.PartitionDetail, error) {
	ctx, cancel := context.WithTimeout(fresh(ctx), 10*time.Second)
	defer cancel()
	m, err := c.admin.Metadata(ctx, topic)
	if err != nil {
		return kadm.PartitionDetail{}, err
	}
	p, ok := m.Topics[topic].Partitions[0]
	if !ok {
		return p, fmt.Errorf("no partition: %w", m.Topics[topic].Err)
	}
	return p, nil
}
