package nodes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Pauses between attempts to follow PD.
const (
	minFollowPause = 50 * time.Millisecond
	maxFollowPause = time.Second
)

// errNewHistory ends a watch whose revisions mean nothing any more.
var errNewHistory = errors.New("PD has another history than before")

// follow keeps the view current until the cache is closed: list, watch from there,
// and begin again when the watch breaks for whatever reason.
func (c *Cache) follow() {
	wait, lost := minFollowPause, false
	for c.ctx.Err() == nil {
		proven := false
		err := c.followOnce(func() {
			if lost {
				c.opts.Logger.WithField("pd", c.reg.endpoints).Info("the view of the nodes follows PD again")
			}
			if !proven {
				c.setTrouble(nil)
			}
			proven, lost = true, false
		})
		c.freshUntil.Store(0)
		c.setTrouble(err)
		if c.ctx.Err() != nil {
			return
		}
		if !lost && !errors.Is(err, errNewHistory) {
			lost = true
			c.opts.Logger.WithField("pd", c.reg.endpoints).WithError(err).
				Warn("the view of the nodes has no watch on PD: every read goes to PD until it is back")
		}
		if proven {
			wait = minFollowPause
		}
		Sleep(c.ctx, wait)
		wait = min(2*wait, maxFollowPause)
	}
}

// followOnce lists, watches and probes until something fails. It calls proven whenever
// the view has been found current.
func (c *Cache) followOnce(proven func()) error {
	list, err := c.read()
	if err != nil {
		return err
	}
	_, epoch := c.position()
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(c.ctx))
	f := follower{c: c, epoch: epoch, proven: proven, probes: make(chan probe, 1)}
	defer func() {
		cancel()
		f.drain()
	}()
	// One watch spans both prefixes, so that events arrive in the order of revisions.
	watch := c.reg.client.Watch(ctx, Drainer.Prefix(),
		clientv3.WithRange(clientv3.GetPrefixRangeEnd(Pump.Prefix())),
		clientv3.WithRev(list.Revision+1), clientv3.WithCreatedNotify())
	return f.run(ctx, watch)
}

// follower is one watch with the probes that prove it.
type follower struct {
	c       *Cache
	epoch   int // the history the watch belongs to
	proven  func()
	probes  chan probe // results
	probing bool       // one is under way
	waiting *probe     // a result whose events the watch has yet to bring
}

// probe is what PD holds, in three numbers read at one revision.
type probe struct {
	at       time.Duration // since the cache's start, before PD was asked
	before   *Snapshot     // the view at that time
	revision int64
	cluster  uint64
	newest   int64 // mod revision of the key changed last, 0 if there is no key
	count    int   // keys
	err      error
}

func (f *follower) run(ctx context.Context, watch clientv3.WatchChan) error {
	tick := time.NewTicker(f.c.opts.Probe)
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
			} else if time.Since(began) > f.c.reg.timeout {
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

// events applies a response and whatever is waiting behind it, then publishes once.
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
	if err := f.publish(events); err != nil || f.waiting == nil {
		return err
	}
	p := *f.waiting
	f.waiting = nil
	return f.judge(p)
}

func (f *follower) publish(events []*clientv3.Event) error {
	c := f.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != f.epoch {
		return errNewHistory
	}
	cur := c.cur.Load()
	if s := cur.after(events); s != cur {
		c.publishLocked(s)
	}
	return nil
}

// startProbe asks PD in the background what it holds, unless a probe is under way or
// waiting for its events.
func (f *follower) startProbe(ctx context.Context) {
	if f.probing || f.waiting != nil {
		return
	}
	f.probing = true
	at, before := time.Since(f.c.start), f.c.cur.Load()
	ctx, cancel := context.WithTimeout(ctx, f.c.opts.Window)
	f.c.wg.Go(func() {
		defer cancel()
		p := f.c.reg.probe(ctx)
		p.at, p.before = at, before
		f.probes <- p
	})
}

// drain waits for the probe that is under way.
func (f *follower) drain() {
	if f.probing {
		<-f.probes
		f.probing = false
	}
}

// judge compares what PD holds with the view. If the view lacks nothing it was current
// when the probe began; if it lacks something, the watch should be about to bring it.
func (f *follower) judge(p probe) error {
	if p.err != nil {
		return p.err
	}
	cur, epoch := f.c.position()
	if epoch != f.epoch || newHistory(p.before, p.revision, p.cluster) {
		return errNewHistory
	}
	if !cur.covers(p) {
		f.waiting = &p
		return nil
	}
	f.c.freshUntil.Store(int64(p.at + f.c.opts.Window))
	f.proven()
	return nil
}

// covers tells whether a snapshot includes everything that happened up to a probe. A
// write after the snapshot shows in the newest mod revision, a deletion in the count.
func (s *Snapshot) covers(p probe) bool {
	return s.Revision >= p.revision || p.newest <= s.Revision && p.count == s.size()
}

// overdue tells that the watch did not bring what a probe saw in PD a window ago.
func (f *follower) overdue() error {
	if f.waiting != nil && time.Since(f.c.start) > f.waiting.at+f.c.opts.Window {
		return errors.New("the watch does not bring what PD holds")
	}
	return nil
}

// probe asks PD for the newest mod revision and the number of node records.
func (r *Registry) probe(ctx context.Context) (p probe) {
	p.err = r.do(ctx, "probe the node records", false, func(ctx context.Context, _ bool) error {
		resp, err := r.client.Txn(ctx).Then(rangeOps(clientv3.WithKeysOnly(),
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
