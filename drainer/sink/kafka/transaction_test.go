package kafka

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/nodes"
)

// standbyOptions are those of a drainer with a standby.
func standbyOptions(c *kfake.Cluster) Options {
	o := options(c)
	o.Standby = true
	return o
}

func write(t *testing.T, s *Sink, ts nodes.TSO) error {
	t.Helper()
	if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(ts)}, Passed: ts}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return s.Flush(ctx)
}

// committedIn gives the commit TSs that readers with isolation.level=read_committed see.
func committedIn(t *testing.T, s *Sink) (list []int64) {
	t.Helper()
	end, err := s.endOffset(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.opts.Addrs...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for {
		for _, r := range client.PollFetches(ctx).Records() {
			if !r.Attrs.IsControl() {
				b := new(pbkafka.Binlog)
				if err := proto.Unmarshal(r.Value, b); err != nil {
					t.Fatal(err)
				}
				list = append(list, b.GetCommitTs())
			}
			if r.Offset >= end-1 {
				return list
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("the topic has %d offsets, and only %v could be read", end, list)
		}
	}
}

// TestStandbyTakesOver: what a sink sends whose place another one has taken is refused, and what is in the topic is not sent again.
func TestStandbyTakesOver(t *testing.T) {
	c := brokers(t)
	first := open(t, standbyOptions(c))
	if err := write(t, first, 10); err != nil {
		t.Fatal(err)
	}
	second := open(t, standbyOptions(c)) // its checkpoint is before 10
	if got := second.Applied(); got != 10 {
		t.Errorf("the second finds %d in the topic, want 10", got)
	}
	if err := write(t, first, 20); !errors.Is(err, ErrTakenOver) || nodes.ProblemOf(err).Code != nodes.ProblemTakeover {
		t.Errorf("the first: %v", err)
	}
	for _, ts := range []nodes.TSO{10, 20, 30} {
		if err := write(t, second, ts); err != nil {
			t.Fatal(err)
		}
	}
	if got := committedIn(t, second); !slices.Equal(got, []int64{10, 20, 30}) {
		t.Errorf("in the topic: %v", got)
	}
	second.Close()
	alone := options(c) // without a standby again: the last offset is the end of a transaction
	if s := open(t, alone); s.Applied() != 30 {
		t.Errorf("without a standby %d is found in the topic, want 30", s.Applied())
	}
}

// TestUncommittedIsNotThere: messages of a transaction that was not committed are sent again by the next one.
func TestUncommittedIsNotThere(t *testing.T) {
	c := brokers(t)
	first := open(t, standbyOptions(c))
	if err := write(t, first, 10); err != nil {
		t.Fatal(err)
	}
	reached := make(chan struct{})
	c.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(reached)
		return nil, errors.New("the connection breaks"), true
	})
	go func() { _ = write(t, first, 20) }()
	<-reached
	second := open(t, standbyOptions(c))
	if err := errors.Join(write(t, second, 20), write(t, second, 30)); err != nil {
		t.Fatal(err)
	}
	if got := committedIn(t, second); !slices.Equal(got, []int64{10, 20, 30}) {
		t.Errorf("in the topic: %v", got)
	}
}

// TestCommitFails: messages of a transaction that brokers did not commit are sent again, and are in the topic once.
func TestCommitFails(t *testing.T) {
	c := brokers(t)
	s := open(t, standbyOptions(c))
	if err := write(t, s, 10); err != nil {
		t.Fatal(err)
	}
	c.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = kerr.UnknownServerError.Code
		return resp, nil, true
	})
	for _, ts := range []nodes.TSO{20, 30} {
		if err := write(t, s, ts); err != nil {
			t.Fatal(err)
		}
	}
	if got := committedIn(t, s); !slices.Equal(got, []int64{10, 20, 30}) {
		t.Errorf("in the topic: %v", got)
	}
}
