package audit

import (
	"context"
	"errors"
	"strings"
	"time"

	"pumphouse/nodes"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// How often the audit is trimmed if something was written, and how long the follower waits
// after a failure.
const (
	trimInterval = 10 * time.Second
	followRetry  = time.Second
)

// Open starts to write down, in the background, the changes of state that others make:
// the nodes themselves and tools that are not ours. It also trims. Everything it does is
// repeated while PD is away. An error means that it was open, or closed, already.
func (l *Log) Open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		return errClosed
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.wg.Go(func() { l.follow(ctx) })
	l.wg.Go(func() { l.trimNowAndThen(ctx) })
	return nil
}

// Close ends what Open has started, and returns when it has gone.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	if l.cancel == nil {
		l.cancel = func() {}
	}
	l.cancel()
	l.mu.Unlock()
	l.wg.Wait()
	return nil
}

func (l *Log) trimNowAndThen(ctx context.Context) {
	for nodes.Sleep(ctx, trimInterval) {
		if l.wrote.Load() == 0 {
			continue
		}
		if err := l.Trim(ctx); err != nil && ctx.Err() == nil {
			l.opts.Logger.WithError(err).Debug("the audit is not trimmed now")
		}
	}
}

// follow watches the records for as long as ctx lasts, through failures.
func (l *Log) follow(ctx context.Context) {
	next := int64(0) // the first revision not looked at; 0 = begin now
	for ctx.Err() == nil {
		err := l.watch(ctx, &next)
		if ctx.Err() == nil {
			l.opts.Logger.WithError(err).Debug("the audit loses PD's watch and starts it again")
			nodes.Sleep(ctx, followRetry)
		}
	}
}

// watch follows the records from a revision on until something fails, and moves the
// revision behind what it has seen to.
func (l *Log) watch(ctx context.Context, next *int64) error {
	if *next == 0 {
		if err := l.begin(ctx, next); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for resp := range l.opts.Registry.Watch(ctx, recordsPrefix(), clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithRev(*next)) {
		if resp.CompactRevision > 0 {
			*next = 0 // what happened in between is lost
		}
		if err := resp.Err(); err != nil {
			return err
		}
		for _, ev := range resp.Events {
			if err := l.observe(ctx, ev); err != nil {
				return err
			}
		}
		if n := len(resp.Events); n > 0 {
			*next = resp.Events[n-1].Kv.ModRevision + 1
		}
	}
	return errors.New("the watch ended")
}

// begin makes the floor exist, which [Log.observe] compares with, and finds where to start.
func (l *Log) begin(ctx context.Context, next *int64) error {
	resp, err := l.opts.Registry.Txn(ctx, "open the audit",
		[]clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(floorKey), "=", 0)}, clientv3.OpPut(floorKey, nodes.PadRevision(0)))
	if err == nil {
		*next = resp.Header.Revision + 1
	}
	return err
}

// recordsPrefix is above the records of all kinds.
func recordsPrefix() string {
	prefix := nodes.Pump.Prefix()
	for !strings.HasPrefix(nodes.Drainer.Prefix(), prefix) {
		prefix = prefix[:len(prefix)-1]
	}
	return prefix
}

// observe writes down one change of a record unless it is in the audit, or was. A
// heartbeat is none.
func (l *Log) observe(ctx context.Context, ev *clientv3.Event) error {
	e, key, ok := observed(ev)
	if !ok {
		return nil
	}
	l.stamp(&e)
	text, err := encode(e)
	if err != nil {
		return nil // not reached: it was decoded from JSON
	}
	resp, err := l.opts.Registry.Txn(ctx, "write the audit", []clientv3.Cmp{
		clientv3.Compare(clientv3.CreateRevision(key), "=", 0),
		clientv3.Compare(clientv3.Value(floorKey), "<", nodes.PadRevision(e.Revision)),
	}, clientv3.OpPut(key, text))
	if err == nil && resp.Succeeded {
		l.wrote.Add(1)
	}
	return err
}

// observed tells what a watch's event means for the audit. A record whose updateTS is
// new was written by its node, which then also says when.
func observed(ev *clientv3.Event) (e Event, key string, ok bool) {
	kind, id, ok := nodeOf(string(ev.Kv.Key))
	if !ok {
		return Event{}, "", false
	}
	e = Event{Kind: kind, NodeID: id, Revision: ev.Kv.ModRevision, Source: Other, Result: Done}
	before, had := record(ev.PrevKv)
	after, has := record(ev.Kv)
	if ev.Type == clientv3.EventTypeDelete {
		has = false
	} else if !has {
		return Event{}, "", false // somebody wrote nonsense; SHOW warns of it
	}
	if had {
		e.Host, e.Old = before.Host, before.State
	}
	if has {
		e.Host, e.New = after.Host, after.State
		if after.UpdateTS != before.UpdateTS {
			e.Source, e.At = Node, after.UpdateTS.Time()
		}
	}
	switch {
	case ev.IsCreate():
		return e, newKey(kind, id, ev.Kv.ModRevision), has
	case ev.PrevKv == nil: // PD has compacted what stood there before
		return Event{}, "", false
	}
	return e, nodes.EventKey(kind, id, ev.PrevKv.ModRevision), e.Old != e.New
}

func record(kv *mvccpb.KeyValue) (nodes.Record, bool) {
	if kv == nil {
		return nodes.Record{}, false
	}
	r, err := nodes.DecodeRecord(kv.Value)
	return r, err == nil
}

// nodeOf tells whose record a key holds.
func nodeOf(key string) (nodes.Kind, string, bool) {
	for _, k := range nodes.Kinds() {
		if id, ok := strings.CutPrefix(key, k.Prefix()); ok {
			return k, id, true
		}
	}
	return 0, "", false
}
