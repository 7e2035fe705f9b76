package nodes

import (
	"context"
	"sync/atomic"
)

// Cluster is what a front end needs of the nodes: cheap fresh reads from a [Cache],
// writes through its [Registry]. Everybody who reads through it sees what has been
// written through it.
type Cluster struct {
	cache *Cache
	reg   *Registry
	wrote atomic.Int64 // newest revision written through it
}

// NewCluster joins the two. It owns neither: the cache is closed by who opened it.
func NewCluster(reg *Registry, cache *Cache) *Cluster { return &Cluster{cache: cache, reg: reg} }

// View gives the records no older than revision, nor than what SetState has written; see
// [Cache.View].
func (c *Cluster) View(ctx context.Context, revision int64) (*Snapshot, error) {
	wrote := c.wrote.Load()
	s, err := c.cache.View(ctx, max(revision, wrote))
	if err == nil && s.Revision < wrote {
		// PD was wiped or restored: the revision belongs to a history that is gone.
		c.wrote.CompareAndSwap(wrote, 0)
	}
	return s, err
}

// SetState writes one node's state and nothing else; see [Registry.SetState].
func (c *Cluster) SetState(ctx context.Context, kind Kind, nodeID string, state State, note Note) (Record, int64, error) {
	old, revision, err := c.reg.SetState(ctx, kind, nodeID, state, note)
	if err == nil {
		c.noteWrite(revision)
	}
	return old, revision, err
}

func (c *Cluster) noteWrite(revision int64) {
	for wrote := c.wrote.Load(); wrote < revision && !c.wrote.CompareAndSwap(wrote, revision); {
		wrote = c.wrote.Load()
	}
}

// Endpoints are PD's addresses; see [Registry.Endpoints].
func (c *Cluster) Endpoints() []string { return c.reg.Endpoints() }
