package sink

import (
	"context"
	"sync"
)

// Cond is for those who wait for a change of what a mutex guards, but no longer than a context
// lasts. Its zero value is ready. Both methods are called with the mutex held.
type Cond struct {
	changed chan struct{} // closed by the next Broadcast; nil: nobody waits
}

// Wait gives the mutex free until the next Broadcast, and has it again when it returns. The
// error is ctx's cause.
func (c *Cond) Wait(ctx context.Context, mu *sync.Mutex) error {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	changed := c.changed
	mu.Unlock()
	defer mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Broadcast wakes everybody who waits.
func (c *Cond) Broadcast() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// Wake leaves a word for the goroutine that receives from a channel of capacity 1, unless one
// is there already.
func Wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
