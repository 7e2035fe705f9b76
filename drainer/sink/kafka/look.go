package kafka

import (
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

// partitions is how many of the topic's partitions are written to.
func (s *Sink) partitions(ctx context.Context) (int, error) {
	if s.canal == nil {
		return 1, nil
	}
	for {
		list, err := kafkaclient.Partitions(ctx, s.client, s.opts.Topic)
		if err == nil {
			return len(list), nil
		}
		if !kerr.IsRetriable(err) || !nodes.Sleep(ctx, 100*time.Millisecond) {
			return 0, fmt.Errorf("ask for the partitions of %s: %w%s", s.opts.where(), err, cure(err))
		}
	}
}

// look finds out what the topic has already. What is not known is sent again, which is no error; messages of another protocol are
// one.
func (s *Sink) look(ctx context.Context, partitions int) error {
	have := make([]nodes.TSO, partitions)
	defer func() { s.existing = slices.Min(have) }()
	if s.canal != nil {
		defer func() { s.canal.begin(s.opts, have) }()
		s.canal.layout = s.opts.layout(partitions)
	}
	if s.mark == "" {
		return nil
	}
	last, err := s.lastMessages(ctx, partitions)
	if err != nil {
		s.unknown(err)
	}
	for p, r := range last {
		ts, err := s.upTo(r)
		if errors.Is(err, errProtocol) {
			return err
		}
		if err != nil {
			s.unknown(err)
			continue
		}
		if ts <= s.opts.From { // of no use
			continue
		}
		have[p] = ts
		s.opts.Logger.WithField("topic", s.opts.Topic).WithField("partition", p).WithField("commit_ts", ts).
			Info("the topic is ahead of the checkpoint: what it has is not sent again")
	}
	return nil
}

func (s *Sink) unknown(err error) {
	s.opts.Logger.WithError(err).WithField("topic", s.opts.Topic).
		Info("what is in the topic already is not known: transactions after the checkpoint are sent again")
}

// errProtocol is wrapped by errors that say that the topic has messages of this drainer in another protocol.
var errProtocol = errors.New("the topic has messages of this drainer in another protocol")

// upTo is the commit TS up to which a partition has everything, by its last message. The error says
// why it is not known.
func (s *Sink) upTo(r *kgo.Record) (nodes.TSO, error) {
	mark := markIn(r)
	switch {
	case s.canal != nil && mark == s.mark:
		return 0, s.otherProtocol(ProtocolBinlog)
	case s.canal == nil && strings.HasPrefix(mark, s.opts.canalMark()):
		return 0, s.otherProtocol(ProtocolCanalJSON)
	case s.canal != nil && strings.HasPrefix(mark, s.opts.canalMark()):
		ts, ok := s.canal.upTo(mark)
		if !ok {
			return 0, errors.New("the rows in the topic were spread over its partitions in another way")
		}
		if r.Partition == 0 {
			s.found = foundCanal(r.Value)
		}
		return ts, nil
	case s.canal != nil || mark != s.mark:
		return 0, fmt.Errorf("the last message of partition %d is another producer's", r.Partition)
	}
	b := new(pbkafka.Binlog)
	if err := proto.Unmarshal(r.Value, b); err != nil {
		return 0, fmt.Errorf("the last message: %w", err)
	}
	if b.GetType() == pbkafka.BinlogType_DDL {
		s.found = b.GetDdlData().GetSchemaName() + " " + string(b.GetDdlData().GetDdlQuery())
	}
	return nodes.TSO(b.GetCommitTs()), nil
}

func (s *Sink) otherProtocol(name string) error {
	return fmt.Errorf("%w: those in %s are %s, and protocol in [syncer.to] is %s: consumers could not read both; name another topic in topic-name",
		errProtocol, s.opts.where(), name, s.opts.protocol())
}

// markIn is the value of the drainer's header, "" without one.
func markIn(r *kgo.Record) string {
	for _, h := range r.Headers {
		if h.Key == markHeader {
			return string(h.Value)
		}
	}
	return ""
}

// lastMessages are the last ones of the partitions that have any, by partition. What could be read is there besides an error.
func (s *Sink) lastMessages(ctx context.Context, partitions int) (map[int32]*kgo.Record, error) {
	if s.opts.Standby {
		return s.lastCommitted(ctx, partitions)
	}
	at := make(map[int32]kgo.Offset)
	for p := range int32(partitions) {
		end, err := s.endOffset(ctx, p)
		if err != nil {
			return nil, err
		}
		if end > 0 {
			at[p] = kgo.NewOffset().At(end - 1)
		}
	}
	if len(at) == 0 {
		return nil, nil
	}
	list, err := s.readAt(ctx, at)
	for _, r := range list {
		if err == nil && r.Attrs.IsControl() { // the end of a transaction, from a life with a standby
			return s.lastCommitted(ctx, partitions)
		}
	}
	return list, err
}

// endOffset is the offset after the last message of a partition, 0 when it is empty.
func (s *Sink) endOffset(ctx context.Context, partition int32) (int64, error) {
	end, err := kafkaclient.Offset(ctx, s.client, s.opts.Topic, partition, kafkaclient.Latest)
	if err != nil {
		return 0, err
	}
	start, err := kafkaclient.Offset(ctx, s.client, s.opts.Topic, partition, kafkaclient.Earliest)
	if err != nil || start >= end {
		return 0, err
	}
	return end, nil
}

// readAt reads the messages at the offsets, which may be gone by now.
func (s *Sink) readAt(ctx context.Context, at map[int32]kgo.Offset) (map[int32]*kgo.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	opts, err := s.opts.client()
	if err != nil {
		return nil, err
	}
	opts = append(opts, kgo.KeepControlRecords(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.opts.Topic: at}))
	reader, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	list := make(map[int32]*kgo.Record)
	for seen := make(map[int32]bool); len(seen) < len(at); {
		fetches := reader.PollRecords(ctx, len(at))
		if err := fetches.Err(); err != nil {
			return list, kafkaclient.OrCause(ctx, err)
		}
		for _, r := range fetches.Records() {
			if seen[r.Partition] = true; r.Offset == at[r.Partition].EpochOffset().Offset {
				list[r.Partition] = r
			}
		}
	}
	if len(list) < len(at) {
		return list, errors.New("the last message of a partition is gone")
	}
	return list, nil
}

const readTimeout = 10 * time.Second
