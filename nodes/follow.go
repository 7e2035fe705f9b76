package nodes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// ErrNewHistory ends a watch whose revisions mean nothing any more: PD was wiped, restored
// or replaced. A watch alone does not notice: it waits for a revision that PD may reach in
// years.
var ErrNewHistory = errors.New("PD has another history than before (wiped, restored or replaced)")

// horizon is how far a reader of PD has seen: a revision of one history.
type horizon struct {
	revision int64
	cluster  uint64 // etcd's cluster ID; 0 = nothing was seen
}

// lost reports whether a linearizable read, begun when h was known, shows another history
// of PD: revisions of one history never go back.
func (h horizon) lost(revision int64, cluster uint64) bool {
	return h.cluster != 0 && (revision < h.revision || cluster != h.cluster)
}

// subject is who is served by a watch of the node records.
type subject interface {
	// horizon is what it has seen; PD is asked afterwards.
	horizon() horizon
	// take handles changes, in the order of revisions.
	take(events []*clientv3.Event) error
	// covers reports whether it has seen everything that PD held at a probe.
	covers(p probe) (bool, error)
	// proven tells it that it lacked nothing when the probe began.
	proven(p probe)
}

// follower is one watch of the node records with the probes that prove it.
type follower struct {
	reg           *Registry
	subject       subject
	every, window time.Duration // of probes; of the time in which the watch must bring what a probe saw

	probes  chan probe // results
	probing bool       // one is under way
	waiting *probe     // a result whose events the watch has yet to bring
}

// probe is what PD holds, in three numbers read at one revision.
type probe struct {
	began    time.Time // before PD was asked
	before   horizon   // of the subject at that time
	revision int64
	cluster  uint64
	newest   int64 // mod revision of the key changed last, 0 if there is no key
	count    int   // keys
	err      error
}

// follow watches the records from a revision on and probes the watch, until ctx ends or the
// watch cannot be trusted: it broke, does not bring what PD holds, or [ErrNewHistory].
func (r *Registry) follow(ctx context.Context, from int64, every, window time.Duration, s subject, opts ...clientv3.OpOption) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	f := follower{reg: r, subject: s, every: every, window: window, probes: make(chan probe, 1)}
	defer func() {
		cancel()
		f.drain()
	}()
	// One watch spans both prefixes, so that events arrive in the order of revisions.
	opts = append(opts, clientv3.WithRange(clientv3.GetPrefixRangeEnd(Pump.Prefix())), clientv3.WithRev(from), clientv3.WithCreatedNotify())
	return f.run(ctx, r.client.Watch(ctx, Drainer.Prefix(), opts...))
}

func (f *follower) run(ctx context.Context, watch clientv3.WatchChan) error {
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	created, began := false, time.Now()
	for {
		var err error
		select {
		case resp, ok := <-watch:
			if !ok {
				return errors.New("the watch ended")
			}
			if !created && resp.Created {
				created = true
				f.startProbe(ctx)
			}
			err = f.events(resp, watch)
		case <-tick.C:
			if created {
				f.startProbe(ctx)
			} else if time.Since(began) > f.reg.timeout {
				return errors.New("PD does not take the watch")
			}
		case p := <-f.probes:
			f.probing = false
			err = f.judge(p)
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := f.overdue(); err != nil {
			return err
		}
	}
}

// events hands over a response and whatever has arrived after it at once.
func (f *follower) events(resp clientv3.WatchResponse, watch clientv3.WatchChan) error {
	var events []*clientv3.Event
	for more := true; more; {
		if err := resp.Err(); err != nil {
			return fmt.Errorf("watch the node records: %w", err)
		}
		events = append(events, resp.Events...)
		select {
		case resp, more = <-watch:
		default:
			more = false
		}
	}
	if err := f.subject.take(events); err != nil || f.waiting == nil {
		return err
	}
	p := *f.waiting
	f.waiting = nil
	return f.judge(p)
}

// startProbe asks PD in the background what it holds, unless a probe is under way or
// waiting for its events.
func (f *follower) startProbe(ctx context.Context) {
	if f.probing || f.waiting != nil {
		return
	}
	f.probing = true
	began, before := time.Now(), f.subject.horizon()
	go func() {
		ctx, cancel := context.WithTimeout(ctx, f.window)
		defer cancel()
		p := f.reg.probe(ctx)
		p.began, p.before = began, before
		f.probes <- p
	}()
}

// drain waits for the probe that is under way.
func (f *follower) drain() {
	if f.probing {
		<-f.probes
		f.probing = false
	}
}

// judge compares what PD holds with what the subject has seen. If that lacks nothing it was
// current when the probe began; if it lacks something, the watch should be about to bring it.
func (f *follower) judge(p probe) error {
	if p.err != nil {
		return p.err
	}
	if p.before.lost(p.revision, p.cluster) {
		return ErrNewHistory
	}
	covered, err := f.subject.covers(p)
	switch {
	case err != nil:
		return err
	case !covered:
		f.waiting = &p
	default:
		f.subject.proven(p)
	}
	return nil
}

// overdue reports that the watch did not bring what a probe saw in PD a window ago.
func (f *follower) overdue() error {
	if f.waiting != nil && time.Since(f.waiting.began) > f.window {
		return errors.New("the watch does not bring what PD holds")
	}
	return nil
}

// probe asks PD for the newest mod revision and the number of node records.
func (r *Registry) probe(ctx context.Context) (p probe) {
	p.err = r.do(ctx, "probe the node records", false, func(ctx context.Context, _ bool) error {
		resp, err := r.client.Txn(ctx).Then(rangeOps(Kinds(), clientv3.WithKeysOnly(),
			clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend), clientv3.WithLimit(1))...).Commit()
		if err != nil {
			return err
		}
		p.revision, p.cluster = resp.Header.Revision, resp.Header.ClusterId
		p.newest, p.count = 0, 0
		for _, part := range resp.Responses {
			p.add(part.GetResponseRange())
		}
		return nil
	})
	return p
}

func (p *probe) add(r *etcdserverpb.RangeResponse) {
	p.count += int(r.Count)
	for _, kv := range r.Kvs {
		p.newest = max(p.newest, kv.ModRevision)
	}
}
