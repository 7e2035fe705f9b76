package nodes

import (
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Pauses between attempts to follow PD.
const (
	minFollowPause = 50 * time.Millisecond
	maxFollowPause = time.Second
)

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
		if !lost && !errors.Is(err, ErrNewHistory) {
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
	return c.reg.follow(c.ctx, list.Revision+1, c.opts.Probe, c.opts.Window, &cacheWatch{c: c, epoch: epoch, said: proven})
}

// cacheWatch serves a cache with one watch.
type cacheWatch struct {
	c     *Cache
	epoch int // the history the watch belongs to
	said  func()
}

func (w *cacheWatch) horizon() horizon { return w.c.cur.Load().horizon() }

// take publishes the view once for all events.
func (w *cacheWatch) take(events []*clientv3.Event) error {
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != w.epoch {
		return ErrNewHistory
	}
	cur := c.cur.Load()
	if s := cur.after(events); s != cur {
		c.publishLocked(s)
	}
	return nil
}

func (w *cacheWatch) covers(p probe) (bool, error) {
	cur, epoch := w.c.position()
	if epoch != w.epoch {
		return false, ErrNewHistory
	}
	return cur.covers(p), nil
}

func (w *cacheWatch) proven(p probe) {
	w.c.freshUntil.Store(int64(p.began.Sub(w.c.start) + w.c.opts.Window))
	w.said()
}

// covers reports whether a snapshot includes everything that happened up to a probe. A
// write after the snapshot shows in the newest mod revision, a deletion in the count.
func (s *Snapshot) covers(p probe) bool {
	return s.Revision >= p.revision || p.newest <= s.Revision && p.count == s.size()
}

// horizon is how far a snapshot has seen.
func (s *Snapshot) horizon() horizon {
	if s == nil {
		return horizon{}
	}
	return horizon{s.Revision, s.cluster}
}
