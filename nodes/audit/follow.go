package audit

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/nodes"
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

// follow writes down the changes of records for as long as ctx lasts, through failures.
func (l *Log) follow(ctx context.Context) {
	var changes *nodes.Changes // nil: begin with what happens from now on
	for ctx.Err() == nil {
		err := l.followOnce(ctx, &changes)
		if ctx.Err() != nil {
			return
		}
		switch {
		case errors.Is(err, nodes.ErrNewHistory) || errors.Is(err, rpctypes.ErrCompacted):
			changes = nil
			l.opts.Logger.WithError(err).Warn("the audit may lack what others did until now: it goes on from here")
		default:
			l.opts.Logger.WithError(err).Debug("the audit loses PD's watch and starts it again")
		}
		nodes.Sleep(ctx, followRetry)
	}
}

func (l *Log) followOnce(ctx context.Context, changes **nodes.Changes) error {
	if *changes == nil {
		revision, cluster, err := l.begin(ctx)
		if err != nil {
			return err
		}
		*changes = nodes.NewChanges(l.opts.Registry, revision, cluster, func(ev *clientv3.Event) error { return l.observe(ctx, ev) })
	}
	return (*changes).Run(ctx)
}

// begin makes the floor exist, which [Log.observe] compares with, and finds where to start.
func (l *Log) begin(ctx context.Context) (revision int64, cluster uint64, err error) {
	resp, err := l.opts.Registry.Txn(ctx, "open the audit",
		[]clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(floorKey), "=", 0)}, clientv3.OpPut(floorKey, nodes.PadRevision(0)))
	if err != nil {
		return 0, 0, err
	}
	return resp.Header.Revision, resp.Header.ClusterId, nil
}

// observe writes down one change of a record unless it is in the audit, or was. A
// heartbeat is none.
func (l *Log) observe(ctx context.Context, ev *clientv3.Event) error {
	e, key, ok := observed(ev)
	if !ok {
		return nil
	}
	l.stamp(&e)
	if err := l.explain(ctx, &e); err != nil {
		return err
	}
	text, err := encode(e)
	if err != nil {
		return nil // not reached: it was decoded from JSON
	}
	resp, err := l.opts.Registry.Txn(ctx, "write the audit", []clientv3.Cmp{
		clientv3.Compare(clientv3.CreateRevision(key), "=", 0),
		clientv3.Compare(clientv3.Value(floorKey), "<", nodes.PadRevision(e.Revision)),
	}, clientv3.OpPut(key, text))
	switch {
	case err != nil:
		return err
	case resp.Succeeded:
		l.wrote.Add(1)
		return nil
	}
	return l.checkFloor(ctx)
}

// explain gives the end of a node the reason with which it exited, where that was an error: nodes write it
// before their final state.
func (l *Log) explain(ctx context.Context, e *Event) error {
	if e.Source != Node || e.New != nodes.Paused && e.New != nodes.Offline {
		return nil
	}
	exit, found, err := l.opts.Registry.Exit(ctx, e.Kind, e.NodeID)
	if p, failed := exit.Problem(); err == nil && found && failed && e.At.Sub(exit.Time).Abs() < exitBelongs {
		e.Result = "exited with an error: " + p.String()
	}
	return err
}

// exitBelongs is how far the times of an exit, by the node's clock, and of the change of state that it
// belongs to, by PD's, may be from each other.
const exitBelongs = time.Minute

// checkFloor makes the floor anew when it is gone, with the history that it belonged to; the
// error makes the event come again.
func (l *Log) checkFloor(ctx context.Context) error {
	floor, err := l.opts.Registry.Read(ctx, "read the audit", floorKey)
	if err != nil || len(floor.Kvs) > 0 {
		return err
	}
	if _, _, err := l.begin(ctx); err != nil {
		return err
	}
	return errEmptied
}

// errEmptied says that somebody has removed what the audit keeps in PD.
var errEmptied = errors.New("the audit in PD was emptied")

// observed tells what a watch's event means for the audit. A record whose updateTS is
// new was written by its node, which then also says when.
func observed(ev *clientv3.Event) (e Event, key string, ok bool) {
	kind, id, ok := nodeOf(string(ev.Kv.Key))
	if !ok {
		return Event{}, "", false
	}
	e = Event{Kind: kind, NodeID: nodes.Shown(id), Revision: ev.Kv.ModRevision, Source: Other, Result: Done}
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
