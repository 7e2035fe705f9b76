package console

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/pd"
)

// clockInterval is how often PD is asked for the time.
const clockInterval = time.Second

// pdClock tells the time by PD's clock, which nodes stamp their records with: whether
// one of them is silent must not depend on how well this machine's clock is set. It
// learns the difference in the background and keeps what it knows while PD is away;
// before the first answer it is this machine's clock.
type pdClock struct {
	client *pd.Client
	ahead  atomic.Int64 // nanoseconds that PD's clock is ahead of ours
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	err   error     // why PD gave no timestamp when it was asked last; nil: it did
	since time.Time // since when it gives none
}

// startClock takes the client over and closes it.
func startClock(client *pd.Client) *pdClock {
	ctx, cancel := context.WithCancel(context.Background())
	c := &pdClock{client: client, cancel: cancel}
	c.wg.Go(func() { c.keep(ctx) })
	return c
}

// now is the time by PD's clock, to some milliseconds.
func (c *pdClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *pdClock) keep(ctx context.Context) {
	for {
		asked := time.Now()
		ts, err := c.client.TSO(ctx)
		if err == nil {
			c.ahead.Store(int64(ts.Time().Sub(asked.Add(time.Since(asked) / 2))))
		}
		c.note(err)
		if !nodes.Sleep(ctx, clockInterval) {
			return
		}
	}
}

// note keeps what came of asking PD.
func (c *pdClock) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && c.err == nil {
		c.since = time.Now()
	}
	c.err = err
}

// failing gives since when and why PD gives no timestamps; a nil error: it does.
func (c *pdClock) failing() (since time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since, c.err
}

// difference is how much PD's clock is ahead of this machine's.
func (c *pdClock) difference() time.Duration { return time.Duration(c.ahead.Load()) }

func (c *pdClock) close() error {
	c.cancel()
	c.wg.Wait()
	return c.client.Close()
}
