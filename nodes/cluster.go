package nodes

import (
	"context"
	"io"

	"github.com/sirupsen/logrus"
)

// Cluster is what a front end needs of the nodes: cheap fresh reads from a [Cache],
// writes through its [Registry].
type Cluster struct {
	cache *Cache
	reg   *Registry
}

// NewCluster joins the two. It owns neither: the cache is closed by who opened it.
func NewCluster(reg *Registry, cache *Cache) *Cluster { return &Cluster{cache: cache, reg: reg} }

// View gives the records no older than revision; see [Cache.View].
func (c *Cluster) View(ctx context.Context, revision int64) (*Snapshot, error) {
	return c.cache.View(ctx, revision)
}

// SetState writes one node's state and nothing else; see [Registry.SetState].
func (c *Cluster) SetState(ctx context.Context, kind Kind, nodeID string, state State) (Record, int64, error) {
	return c.reg.SetState(ctx, kind, nodeID, state)
}

// Endpoints are PD's addresses; see [Registry.Endpoints].
func (c *Cluster) Endpoints() []string { return c.reg.Endpoints() }

// silentLogger is for those who were given none.
func silentLogger() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	l.SetLevel(logrus.PanicLevel)
	return l
}
