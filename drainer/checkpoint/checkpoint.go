package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pumphouse/nodes"
)

// Errors of the package.
var (
	// ErrNone says that no checkpoint has been saved yet.
	ErrNone = errors.New("there is no checkpoint")
	// ErrCorrupt says that a checkpoint cannot be read. It is wrapped with where and the cure.
	ErrCorrupt = errors.New("the checkpoint is damaged")
)

// Position is what a checkpoint holds.
type Position struct {
	CommitTS  nodes.TSO // everything up to here is downstream
	ClusterID uint64    // of PD; 0: not known
	// Reached are the DDL jobs that count already although they ended after CommitTS, and Exact
	// tells that the list is complete: see schema.Position. Checkpoints of old drainers, and
	// those that a person wrote, have none.
	Reached []int64
	Exact   bool
}

// Store keeps a position.
type Store interface {
	// Load gives the position saved last. The error is [ErrNone] when there is none.
	Load(ctx context.Context) (Position, error)
	// Save replaces it; when it returns nil, that is durable.
	Save(ctx context.Context, p Position) error
	// String names the place in messages.
	String() string
}

// ClusterError says that a checkpoint is of another cluster.
type ClusterError struct {
	Store       string
	Saved, Want uint64 // cluster IDs
}

// Problem implements [nodes.Problematic].
func (e *ClusterError) Problem() nodes.Problem {
	return nodes.Problem{Code: nodes.ProblemClusterMismatch}
}

func (e *ClusterError) Error() string {
	return fmt.Sprintf("the checkpoint in %s is of cluster %d, but PD's cluster ID is %d: "+
		"check -pd-urls and -data-dir; if the cluster was rebuilt, remove the checkpoint and begin with a new dump (-initial-commit-ts)",
		e.Store, e.Saved, e.Want)
}

// Checkpoint is a store whose position never goes back. It may be used by many goroutines.
type Checkpoint struct {
	store Store

	mu    sync.Mutex
	last  Position
	saved bool // the store has last
}

// Open reads what store holds, for cluster clusterID. When there is nothing yet, the
// checkpoint begins at initial, which is not saved before Save. The errors are the
// store's and a [*ClusterError].
func Open(ctx context.Context, store Store, clusterID uint64, initial nodes.TSO) (*Checkpoint, error) {
	p, err := store.Load(ctx)
	saved := err == nil
	switch {
	case errors.Is(err, ErrNone):
		p = Position{CommitTS: initial}
	case err != nil:
		return nil, err
	case p.ClusterID != 0 && clusterID != 0 && p.ClusterID != clusterID:
		return nil, &ClusterError{Store: store.String(), Saved: p.ClusterID, Want: clusterID}
	}
	p.ClusterID = clusterID
	return &Checkpoint{store: store, last: p, saved: saved}, nil
}

// Saved reports whether the store holds the position.
func (c *Checkpoint) Saved() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saved
}

// CommitTS is the position: what was saved last, or where the checkpoint begins.
func (c *Checkpoint) CommitTS() nodes.TSO {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.CommitTS
}

// Position is what was saved last, or where the checkpoint begins.
func (c *Checkpoint) Position() Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Save moves the checkpoint to p, whose cluster ID is filled in. One that is not after
// the present one is not written: what is saved stands. While nothing is saved, the position
// where the checkpoint begins is.
func (c *Checkpoint) Save(ctx context.Context, p Position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.CommitTS < c.last.CommitTS || c.saved && p.CommitTS == c.last.CommitTS {
		return nil
	}
	p.ClusterID = c.last.ClusterID
	if err := c.store.Save(ctx, p); err != nil {
		return fmt.Errorf("save the checkpoint %s in %s: %w", p.CommitTS, c.store, err)
	}
	c.last, c.saved = p, true
	return nil
}
