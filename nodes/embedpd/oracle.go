package embedpd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pumphouse/nodes"
)

// Window is how far ahead of the timestamps in use the persisted upper bound is moved.
const Window = 3 * time.Second

// errCount: a request for a number of timestamps that cannot be had.
var errCount = errors.New("cannot give so many timestamps at once")

// boundStore keeps the oracle's upper bound: milliseconds since the Unix epoch.
type boundStore interface {
	// loadBound gives the bound, 0 if there was never one.
	loadBound(ctx context.Context) (int64, error)
	// saveBound returns when the bound is on disk.
	saveBound(ctx context.Context, bound int64) error
}

// oracle hands out timestamps that only grow.
//
// Invariant: every timestamp ever handed out has a physical part below the bound on
// disk. A new oracle begins at that bound, hence above all of them.
type oracle struct {
	store boundStore
	now   func() time.Time

	mu       sync.Mutex
	physical int64 // ms of the last timestamp handed out
	logical  int64 // its logical part
	bound    int64 // first physical part that may not be handed out yet; on disk
}

// newOracle continues where the store's bound ends.
func newOracle(ctx context.Context, store boundStore, now func() time.Time) (*oracle, error) {
	bound, err := store.loadBound(ctx)
	if err != nil {
		return nil, err
	}
	return &oracle{store: store, now: now, physical: bound, bound: bound}, nil
}

// ahead is how far the next timestamp stands before the clock; not positive is normal.
func (o *oracle) ahead() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.UnixMilli(o.physical).Sub(o.now())
}

// allocate hands out count timestamps and gives the last of them; the others have the
// same physical part and the count-1 logical parts below. count must be between 1 and
// [nodes.MaxLogical].
func (o *oracle) allocate(ctx context.Context, count uint32) (physical, logical int64, err error) {
	if count == 0 || count > nodes.MaxLogical {
		return 0, 0, fmt.Errorf("%w: %d, want 1 to %d", errCount, count, nodes.MaxLogical)
	}
	o.mu.Lock()
	defer o.mu.Unlock()

	physical, logical = o.physical, o.logical
	if now := o.now().UnixMilli(); now > physical {
		physical, logical = now, 0
	}
	// The clock may stand still or go back for long: then this millisecond is used up
	// and the next one begun, whatever the clock says.
	if logical+int64(count) > nodes.MaxLogical {
		physical, logical = physical+1, 0
	}
	if physical >= o.bound {
		bound := physical + Window.Milliseconds()
		if err := o.store.saveBound(ctx, bound); err != nil {
			return 0, 0, fmt.Errorf("save the upper bound of timestamps: %w", err)
		}
		o.bound = bound
	}
	o.physical, o.logical = physical, logical+int64(count)
	return o.physical, o.logical, nil
}
