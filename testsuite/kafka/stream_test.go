package kafka

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kgo"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/kafka"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/kafkabroker"
)

// timeout is how long what has to come may take: the machine may be busy.
const timeout = 4 * time.Minute

// stream writes transactions to a topic, the next one each time, and reads what is there.
type stream struct {
	testing.TB
	cluster *kafkabroker.Cluster
	opts    kafka.Options
	sink    *kafka.Sink
	next    nodes.TSO // commit TS of the next transaction
}

// newStream is one to a topic of its own. Nothing is opened yet.
func newStream(t testing.TB, c *kafkabroker.Cluster, topic string) *stream {
	log := logrus.New()
	log.SetOutput(t.Output())
	return &stream{TB: t, cluster: c, next: 10, opts: kafka.Options{Addrs: c.Addrs(), ClusterID: 7, NodeID: "drainer1", Topic: topic,
		StartTimeout: timeout, StallLog: time.Second, Logger: log}}
}

// open opens the sink as a drainer does that starts with the checkpoint that it had.
func (s *stream) open() {
	s.Helper()
	if err := s.tryOpen(); err != nil {
		s.Fatal(err)
	}
}

func (s *stream) tryOpen() error {
	if s.sink != nil {
		s.opts.From = s.sink.Applied()
		s.sink.Close()
	}
	return s.openFrom()
}

// openFrom is tryOpen with the checkpoint in the options.
func (s *stream) openFrom() error {
	opened, err := kafka.New(s.Context(), s.opts)
	if err == nil {
		s.sink = opened
		s.Cleanup(func() { opened.Close() })
	}
	return err
}

// send gives count transactions to the sink. It does not wait for the brokers.
func (s *stream) send(count int) error {
	for range count {
		if err := s.sink.Apply(s.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(s.next)}, Passed: s.next}); err != nil {
			return err
		}
		s.next++
	}
	return nil
}

// must is send without an error.
func (s *stream) must(count int) {
	s.Helper()
	if err := s.send(count); err != nil {
		s.Fatal(err)
	}
}

// restart closes the sink and opens another with an older checkpoint, to which everything after that is sent again.
func (s *stream) restart(from nodes.TSO) {
	s.Helper()
	s.sink.Close()
	s.opts.From = from
	if err := s.openFrom(); err != nil {
		s.Fatal(err)
	}
	count := int(s.next - from - 1)
	s.next = from + 1
	s.must(count)
}

// feed sends transactions until it is told to stop, never many more than the brokers have.
func (s *stream) feed() (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if s.next-s.sink.Applied() > 500 {
				nodes.Sleep(ctx, 5*time.Millisecond)
				continue
			}
			if err := s.send(20); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	return func() {
		s.Helper()
		cancel()
		if err := <-done; err != nil {
			s.Fatal(err)
		}
	}
}

// reaches waits until the brokers have acknowledged count transactions more.
func (s *stream) reaches(count int) {
	s.Helper()
	want := s.sink.Applied() + nodes.TSO(count)
	eventually(s, "the sink goes on", func() (bool, string) {
		at := s.sink.Applied()
		return at >= want, at.String()
	})
}

// flush waits until the brokers have everything.
func (s *stream) flush() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), timeout)
	defer cancel()
	if err := s.sink.Flush(ctx); err != nil {
		s.Fatal(err)
	}
}

// exact checks that readers who drop what they have seen have every transaction once and in order. It
// gives how many messages were there twice.
func (s *stream) exact() (twice int) {
	s.Helper()
	all := len(read(s, s.cluster, s.opts.Topic))
	got := commits(s, s.cluster, s.opts.Topic)
	var want []nodes.TSO
	for ts := nodes.TSO(10); ts < s.next; ts++ {
		want = append(want, ts)
	}
	if !slices.Equal(got, want) {
		s.Errorf("topic %s has %d transactions, want %d:\n%v", s.opts.Topic, len(got), len(want), got)
	}
	return all - len(got)
}

// read is everything in partition 0 of a topic, by franz-go.
func read(t testing.TB, c *kafkabroker.Cluster, topic string) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	var end int64
	for {
		offsets, err := c.Admin().ListEndOffsets(ctx, topic)
		if o, ok := offsets.Lookup(topic, 0); err == nil && ok && o.Err == nil {
			end = o.Offset
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the end of topic %s: %v %v", topic, err, offsets.Error())
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.AdminAddrs()...), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var list []*kgo.Record
	for int64(len(list)) < end {
		list = append(list, client.PollFetches(ctx).Records()...)
		if ctx.Err() != nil {
			t.Fatalf("topic %s has %d messages and only %d could be read", topic, end, len(list))
		}
	}
	return list
}

// eventually waits until ok is true.
func eventually(t testing.TB, what string, ok func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		done, last := ok()
		switch {
		case done:
			return
		case time.Now().After(deadline):
			t.Fatalf("%s: not within %v; last: %s", what, timeout, last)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// rounds is how often a fault comes: that often, or ten times that in the long form.
func rounds(short int) int {
	if form.Long() {
		return 10 * short
	}
	return short
}
