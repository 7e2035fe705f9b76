package nodes

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// How often a watch of changes is proven, and in which time it must bring what PD holds.
const (
	changesProbe  = 5 * time.Second
	changesWindow = 15 * time.Second
)

// Changes hands over every change of a record, with what stood there before. It remembers
// where it is, so that Run can be called again after a failure.
type Changes struct {
	reg    *Registry
	handle func(*clientv3.Event) error
	next   int64 // first revision not handed over
	high   horizon
	probe  time.Duration
	window time.Duration
}

// NewChanges begins after a revision of PD's cluster (etcd's ID of it). handle is called for one
// change after the other; one for which it fails comes again.
func NewChanges(reg *Registry, revision int64, cluster uint64, handle func(*clientv3.Event) error) *Changes {
	return &Changes{reg: reg, handle: handle, next: revision + 1, high: horizon{revision, cluster}, probe: changesProbe, window: changesWindow}
}

// Run follows PD until something fails or ctx ends. Errors: [ErrNewHistory] and
// rpctypes.ErrCompacted, after which there is nothing to go on from; what handle gave; a
// watch that broke, or that does not bring what PD holds.
func (c *Changes) Run(ctx context.Context) error {
	return c.reg.follow(ctx, c.next, c.probe, c.window, c, clientv3.WithPrevKV())
}

func (c *Changes) horizon() horizon { return c.high }

func (c *Changes) take(events []*clientv3.Event) error {
	for _, ev := range events {
		if err := c.handle(ev); err != nil {
			return err
		}
		c.next = ev.Kv.ModRevision + 1
		c.high.revision = max(c.high.revision, ev.Kv.ModRevision)
	}
	return nil
}

// covers takes no notice of a record that was deleted: the next heartbeat of any node shows
// a watch that is late.
func (c *Changes) covers(p probe) (bool, error) { return p.newest < c.next, nil }

func (c *Changes) proven(p probe) { c.high.revision = max(c.high.revision, p.revision) }
