package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pumphouse/nodes"
)

// ErrTakenOver means: another process writes with the same transactional ID.
var ErrTakenOver = errors.New("another process writes to this topic in this drainer's place: kafka has fenced this one off (its transactional ID has a newer epoch), " +
	"or it has ended a transaction that was open for longer than " + transactionTimeout.String())

// transactionTimeout is after what time brokers end a transaction that its producer has left open. Readers with
// isolation.level=read_committed may have to wait for that when nobody takes the drainer's place.
const transactionTimeout = time.Minute

// transactionalID is by what brokers know this drainer, whichever process it is.
func (o Options) transactionalID() string { return "pumphouse-drainer/" + o.mark() }

// fence takes the topic over: from when it returns on, brokers refuse what the process before sends, and what that one had not
// committed is aborted.
func (s *Sink) fence(ctx context.Context) error {
	if !s.opts.Standby {
		return nil
	}
	_, epoch, err := s.client.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("take over the transactional ID %q of %s: %w%s", s.opts.transactionalID(), s.opts.where(), err, cureOfTransactions(err))
	}
	s.opts.Logger.WithField("transactional_id", s.opts.transactionalID()).WithField("epoch", epoch).Info("the topic is taken over")
	return nil
}

// cureOfTransactions is what to do when brokers do not let a transactional producer in.
func cureOfTransactions(err error) string {
	if errors.Is(err, kerr.TransactionalIDAuthorizationFailed) {
		return ": allow the drainer Write and Describe on this transactional ID"
	}
	return cure(err)
}

// deliver is produce; with a standby in a transaction, of which the brokers take all or nothing.
func (s *Sink) deliver(batch []*outgoing) (left []*outgoing, err error) {
	if !s.opts.Standby {
		return s.produce(batch)
	}
	if err := s.client.BeginTransaction(); err != nil {
		return batch, takenOver(err)
	}
	if _, err := s.produce(batch); err != nil {
		return batch, errors.Join(takenOver(err), s.abort())
	}
	err = takenOver(s.client.EndTransaction(s.ctx, kgo.TryCommit))
	if err == nil {
		return nil, nil
	}
	if errors.Is(err, ErrTakenOver) {
		return batch, err
	}
	if err := s.abort(); err != nil {
		return batch, err
	}
	switch in, err := s.committed(batch[len(batch)-1]); {
	case err != nil:
		return batch, err
	case !in:
		return batch, errAborted
	}
	return nil, nil
}

// errAborted says that brokers have not committed a transaction, whose messages are to be sent again.
var errAborted = errors.New("the brokers have aborted the transaction")

// takenOver is ErrTakenOver for what brokers say to a producer with an old epoch.
func takenOver(err error) error {
	if errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) {
		return fmt.Errorf("%w: %w", ErrTakenOver, err)
	}
	return err
}

// abort ends a transaction without its messages, however long brokers take. If they had committed it, it stays so.
func (s *Sink) abort() error {
	for {
		err := takenOver(s.client.EndTransaction(s.ctx, kgo.TryAbort))
		if err == nil || errors.Is(err, ErrTakenOver) {
			return err
		}
		s.setRetried(err)
		if !nodes.Sleep(s.ctx, time.Second) {
			return err
		}
	}
}

// committed finds out whether the transaction that ends with a message was committed.
func (s *Sink) committed(m *outgoing) (bool, error) {
	for {
		end, err := s.endOffset(s.ctx, m.partition)
		var r *kgo.Record
		if err == nil && end > 0 {
			r, err = s.lastBefore(s.ctx, m.partition, end)
		}
		if err == nil {
			return r != nil && markIn(r) == m.mark && bytes.Equal(r.Value, m.value), nil
		}
		s.setRetried(err)
		if !nodes.Sleep(s.ctx, time.Second) {
			return false, err
		}
	}
}
