package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"pumphouse/drainer/kafkaclient"
)

// spans are how many of the last offsets are read to find the last message, one after the other, as long as they have
// only what transactions leave: their ends, and messages of those that were aborted.
var spans = [...]int64{8, 4096, 1 << 20}

// lastCommitted are the last messages of the partitions that have any, by partition, without those of transactions that were aborted.
func (s *Sink) lastCommitted(ctx context.Context, partitions int) (map[int32]*kgo.Record, error) {
	list := make(map[int32]*kgo.Record)
	for p := range int32(partitions) {
		end, err := s.endOffset(ctx, p)
		if err != nil {
			return list, err
		}
		if end == 0 {
			continue
		}
		r, err := s.lastBefore(ctx, p, end)
		if err != nil {
			return list, err
		}
		if r != nil {
			list[p] = r
		}
	}
	return list, nil
}

// lastBefore is the last message of a partition before an offset that was committed, nil if the messages near it were all aborted.
func (s *Sink) lastBefore(ctx context.Context, partition int32, end int64) (*kgo.Record, error) {
	start, err := kafkaclient.Offset(ctx, s.client, s.opts.Topic, partition, kafkaclient.Earliest)
	if err != nil {
		return nil, err
	}
	for _, span := range spans {
		from := max(start, end-span)
		r, err := s.readCommitted(ctx, partition, from, end)
		if err != nil || r != nil || from == start {
			return r, err
		}
	}
	return nil, nil
}

// readCommitted gives the last message of a partition with an offset from one up to another, nil if there is none.
func (s *Sink) readCommitted(ctx context.Context, partition int32, from, end int64) (last *kgo.Record, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	reading := s.opts
	reading.Standby = false // it writes nothing
	opts, err := reading.client()
	if err != nil {
		return nil, err
	}
	opts = append(opts, kgo.KeepControlRecords(), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.opts.Topic: {partition: kgo.NewOffset().At(from)}}))
	reader, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	for {
		fetches := reader.PollRecords(ctx, 1000)
		if err := fetches.Err(); err != nil {
			return nil, kafkaclient.OrCause(ctx, err)
		}
		for _, r := range fetches.Records() {
			if r.Offset < end && !r.Attrs.IsControl() {
				last = r
			}
			if r.Offset >= end-1 {
				return last, nil
			}
		}
	}
}
