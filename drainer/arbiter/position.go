package arbiter

import (
	"context"
	"errors"
	"fmt"

	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/kafkaclient"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/nodes"
)

// bounds are what a topic has.
type bounds struct {
	first, end int64 // offsets of the first message, and after the last one
}

func (t *topic) bounds(ctx context.Context) (b bounds, err error) {
	if b.first, err = kafkaclient.Offset(ctx, t.client, t.opts.Topic, 0, kafkaclient.Earliest); err == nil {
		b.end, err = kafkaclient.Offset(ctx, t.client, t.opts.Topic, 0, kafkaclient.Latest)
	}
	if err != nil {
		return b, fmt.Errorf("ask for the offsets of topic %q of kafka at %s: %w%s", t.opts.Topic, t.addrs(), err, cure(err))
	}
	return b, nil
}

// find is an offset from which on everything is that has commit TS ts or a later one, as far as the topic has it;
// see the package comment.
func (t *topic) find(ctx context.Context, b bounds, ts nodes.TSO) (int64, error) {
	if ts == 0 {
		return b.first, nil // everything
	}
	from, to := b.first, b.end
	for from < to {
		middle := from + (to-from)/2
		s, ok, err := t.at(ctx, middle, to)
		switch {
		case err != nil:
			return 0, err
		case !ok || s.commitTS >= ts:
			to = middle
		default:
			from = s.offset + 1
		}
	}
	return from, nil
}

// begin is where a run begins.
type begin struct {
	mysql.ArbiterPosition
	saved bool // it is a checkpoint
	next  int64
	end   int64 // of the topic
	// until is where the topic ends; 0: it is empty.
	until nodes.TSO
}

// safeUntil: what is at or before it may be downstream without a record of it.
func (b *begin) safeUntil() nodes.TSO {
	if b.saved && b.Foreign && b.Running {
		return b.until
	}
	return 0
}

// position reads the checkpoint and finds its place in the topic.
func position(ctx context.Context, t *topic, store *mysql.ArbiterStore) (*begin, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*t.opts.StartTimeout, fmt.Errorf("no answer within %v", 2*t.opts.StartTimeout))
	defer cancel()
	p, err := store.Load(ctx)
	start := &begin{ArbiterPosition: p, saved: err == nil}
	if errors.Is(err, checkpoint.ErrNone) {
		start.CommitTS = t.opts.InitialCommitTS
	} else if err != nil {
		return nil, err
	}
	b, err := t.bounds(ctx)
	if err != nil {
		return nil, err
	}
	start.end = b.end
	if start.next, err = t.find(ctx, b, start.CommitTS); err != nil {
		return nil, err
	}
	if !start.saved && start.CommitTS == 0 {
		start.Offset = start.next - 1 // from now on everything after it is needed
	}
	last, ok, err := t.last(ctx, b)
	if ok {
		start.until = last.commitTS
	}
	if err != nil {
		return nil, err
	}
	return start, t.complete(ctx, b, start)
}

// last is the last message that decodes.
func (t *topic) last(ctx context.Context, b bounds) (stamp, bool, error) {
	for offset := b.end - 1; offset >= b.first; offset-- {
		if s, ok, err := t.at(ctx, offset, b.end); ok || err != nil {
			return s, ok, err
		}
	}
	return stamp{}, false, nil
}

// complete checks that the topic has everything after a position.
func (t *topic) complete(ctx context.Context, b bounds, start *begin) error {
	switch {
	case start.saved && start.Offset >= b.end:
		return fmt.Errorf("topic %q of kafka at %s ends before offset %d, and arbiter has read up to offset %d of it, commit TS %s: the topic has lost messages, or was recreated. "+
			"If the drainer has written everything after that commit TS again, %s -up.initial-commit-ts %s; otherwise restore a dump downstream and start with its position",
			t.opts.Topic, t.addrs(), b.end, start.Offset, stamped(start.CommitTS), t.forget(), start.CommitTS)
	case start.next > b.first || start.CommitTS == 0 && (!start.saved || start.Foreign):
		return nil // a message before it is there, or nobody says what is needed
	case start.Offset == b.first-1:
		return nil // what was removed had been read; -1: none was ever removed
	}
	first, ok, err := t.at(ctx, b.first, b.end)
	switch {
	case err != nil:
		return err
	case ok && first.commitTS == start.CommitTS:
		return nil
	case !ok:
		return fmt.Errorf("topic %q of kafka at %s has no messages any more: those up to offset %d have been removed, and whether they were all at or before commit TS %s is not known. "+
			"If they were, %s no -up.initial-commit-ts; otherwise restore a dump downstream and start with its position", t.opts.Topic, t.addrs(), b.end-1, stamped(start.CommitTS), t.forget())
	}
	why := "the messages before have been removed"
	if start.Offset >= b.first { // there was one at or before the position
		why = "it was recreated"
	}
	return fmt.Errorf("topic %q of kafka at %s begins with offset %d, commit TS %s, and %s: what was committed after %s, the position of arbiter, may be missing. "+
		"Restore a dump downstream that was taken at or after %s, %s -up.initial-commit-ts and its position; the topic's retention.ms says how long messages are kept",
		t.opts.Topic, t.addrs(), b.first, stamped(first.commitTS), why, stamped(start.CommitTS), first.commitTS, t.forget())
}

// forget is how an operator gives arbiter another position.
func (t *topic) forget() string {
	return fmt.Sprintf("delete the row with topic_name = '%s' from tidb_binlog.arbiter_checkpoint downstream, if there is one, and start arbiter with", t.opts.Topic)
}

// stamped is a commit TS for people.
func stamped(ts nodes.TSO) string { return fmt.Sprintf("%s (%s)", ts, ts.Time()) }
