package audit

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// Prefix is where events live in PD. Nothing else does.
const Prefix = nodes.EventsPrefix

// floorKey holds the newest revision that was ever trimmed.
const floorKey = nodes.TrimmedKey

// Defaults of [Options].
const (
	DefaultKeep    = 1000
	DefaultTimeout = time.Second
)

// Options are what a Log needs.
type Options struct {
	Registry *nodes.Registry    // the way to PD
	Timeout  time.Duration      // of writing an event that goes by itself; default [DefaultTimeout]
	Keep     int                // how many events are kept; default [DefaultKeep]
	Now      func() time.Time   // PD's clock; default time.Now
	Logger   logrus.FieldLogger // for events that could not be written; nil: nobody hears
}

// Log is the audit. It may be used by many goroutines. A nil Log keeps nothing and lists
// nothing.
type Log struct {
	opts  Options
	wrote atomic.Int64 // since the last trim, roughly

	mu     sync.Mutex
	cancel context.CancelFunc // of what Open started
	wg     sync.WaitGroup
}

// New makes a Log. It starts nothing; see [Log.Open].
func New(opts Options) *Log {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	if opts.Keep <= 0 {
		opts.Keep = DefaultKeep
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.Logger = logs.OrSilent(opts.Logger)
	return &Log{opts: opts}
}

// Note gives the event that goes with a change of a record: for [nodes.Registry.SetState]
// and Drop. Its node, address and old state are the record's; its time is now unless it is
// set.
func (l *Log) Note(e Event) nodes.Note {
	if l == nil {
		return nil
	}
	l.stamp(&e)
	return func(old nodes.Entry, operation string) string {
		e.Kind, e.NodeID, e.Host, e.Old = old.Kind, old.Record.NodeID, old.Record.Host, old.Record.State
		e.Operation = operation
		text, err := encode(e)
		if err != nil {
			l.opts.Logger.WithError(err).Warn("failed to record an audit event")
			return ""
		}
		l.wrote.Add(1)
		return text
	}
}

func (l *Log) stamp(e *Event) {
	if e.At.IsZero() {
		e.At = l.opts.Now()
	}
}

// Record writes an event that goes with no write of ours. It takes no longer than
// Options.Timeout, does so even when ctx has ended, and logs a failure.
func (l *Log) Record(ctx context.Context, e Event) {
	if l == nil {
		return
	}
	l.stamp(&e)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.opts.Timeout)
	defer cancel()
	text, err := encode(e)
	if err == nil {
		key := fmt.Sprintf("%sasked-%020d-%s", nodes.EventsOf(e.Kind, e.NodeID), e.At.UnixMilli(), rand.Text()[:8])
		_, err = l.opts.Registry.Txn(ctx, "write the audit", nil, clientv3.OpPut(key, text))
	}
	if err != nil {
		l.opts.Logger.WithFields(logrus.Fields{"kind": e.Kind.String(), "node": e.NodeID}).WithError(err).
			Warn("failed to record an audit event")
		return
	}
	l.wrote.Add(1)
}

// List gives the newest events, newest first, at most limit of them and never more than
// are kept; 0 = all. What is no event is left out.
func (l *Log) List(ctx context.Context, limit int) ([]Event, error) {
	if l == nil {
		return nil, nil
	}
	if limit <= 0 || limit > l.opts.Keep {
		limit = l.opts.Keep
	}
	resp, err := l.opts.Registry.Read(ctx, "read the audit", Prefix, clientv3.WithPrefix(),
		clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortDescend), clientv3.WithLimit(int64(limit)))
	if err != nil {
		return nil, err
	}
	events := make([]Event, 0, len(resp.Kvs))
	for _, kv := range resp.Kvs {
		if e, err := decode(kv.Value, kv.CreateRevision); err == nil {
			events = append(events, e)
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(b.Revision, a.Revision) })
	return events, nil
}

// newKey is that of the write that made a record where there was none.
func newKey(kind nodes.Kind, nodeID string, revision int64) string {
	return nodes.EventsOf(kind, nodeID) + "new-" + nodes.PadRevision(revision)
}

// maxTrimmed is how many events one trim deletes: PD's etcd takes 128 operations in a
// transaction.
const maxTrimmed = 100

// Trim deletes the oldest events beyond those that are kept. Several may trim at once:
// one of them does it.
func (l *Log) Trim(ctx context.Context) error {
	if l == nil {
		return nil
	}
	for {
		more, err := l.trimSome(ctx)
		if err != nil || !more {
			return err
		}
	}
}

func (l *Log) trimSome(ctx context.Context) (more bool, err error) {
	const op = "trim the audit"
	l.wrote.Store(0)
	// The floor first: when it is still the same at the end, nobody has trimmed since, and
	// what was counted in between still stands.
	floor, err := l.opts.Registry.Read(ctx, op, floorKey)
	if err != nil {
		return false, err
	}
	count, err := l.opts.Registry.Read(ctx, op, Prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return false, err
	}
	excess := count.Count - int64(l.opts.Keep)
	if excess <= 0 {
		return false, nil
	}
	oldest, err := l.opts.Registry.Read(ctx, op, Prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly(),
		clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend), clientv3.WithLimit(min(excess, maxTrimmed)))
	if err != nil || len(oldest.Kvs) == 0 {
		return false, err
	}
	// Newest first in time of what goes: nothing up to there comes back.
	upTo := nodes.PadRevision(oldest.Kvs[len(oldest.Kvs)-1].CreateRevision)
	standing := int64(0)
	if len(floor.Kvs) > 0 {
		standing, upTo = floor.Kvs[0].ModRevision, max(upTo, string(floor.Kvs[0].Value))
	}
	ops := []clientv3.Op{clientv3.OpPut(floorKey, upTo)}
	for _, kv := range oldest.Kvs {
		ops = append(ops, clientv3.OpDelete(string(kv.Key)))
	}
	resp, err := l.opts.Registry.Txn(ctx, op, []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(floorKey), "=", standing)}, ops...)
	if err != nil {
		return false, err
	}
	// Otherwise somebody else is at it.
	return resp.Succeeded && excess > maxTrimmed, nil
}

// errClosed says that a Log was opened twice or after its end.
var errClosed = errors.New("the audit is open already, or closed")
