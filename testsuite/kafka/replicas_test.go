package kafka

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"pumphouse/drainer/sink/kafka"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/kafkabroker"
)

// TestThreeBrokers: leaders die and move while transactions are sent, and replicas are missing.
func TestThreeBrokers(t *testing.T) {
	c := kafkabroker.Start(t, kafkabroker.Options{Nodes: 3, Old: form.Long()})
	t.Run("shape", func(t *testing.T) { shape(t, c) })
	t.Run("canal-json", func(t *testing.T) {
		canalJSON(t, c, "canal-by-key", kafka.ByIndexValue, 3, func(topic string) {
			leader := c.Leader(topic)
			leader.Kill()
			leader.Launch()
		})
	})
	const topic = "three"
	c.CreateTopic(topic, 3, map[string]string{"min.insync.replicas": "2"})
	var tr trouble
	s := newStream(t, c, topic)
	s.opts.Stalled = tr.say
	s.open()
	stop := s.feed()
	for range rounds(1) {
		for _, end := range []func(*kafkabroker.Node){(*kafkabroker.Node).Kill, (*kafkabroker.Node).Stop} {
			s.reaches(300)
			leader := c.Leader(topic)
			end(leader)
			s.reaches(600) // with another leader
			leader.Launch()
			c.AwaitInSync(topic, 3)
		}
		if _, err := c.Admin().ElectLeaders(t.Context(), kadm.ElectPreferredReplica, kadm.TopicsSet{topic: {0: {}}}); err != nil {
			t.Error(err)
		}
	}
	s.reaches(300)
	stop()
	s.flush()

	c.SetTopic(topic, "min.insync.replicas", "3")
	leader := c.Leader(topic)
	follower := c.Nodes[leader.ID%3]
	follower.Kill()
	c.AwaitInSync(topic, 2)
	s.must(10)
	tr.names(t, nil, "kafka at "+strings.Join(s.opts.Addrs, ","), `topic "three"`, "are in sync, and min.insync.replicas is 3: start the others")
	follower.Launch()
	s.flush()
	if n := s.exact(); n > 0 {
		t.Errorf("%d messages are there twice in one life of the sink", n)
	}
}
