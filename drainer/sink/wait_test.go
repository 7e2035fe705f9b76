package sink_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"pumphouse/drainer/sink"
)

// TestCond: a broadcast wakes everybody who waits, and nobody who comes later; who waits no
// longer than a context lasts gets its cause. Everybody has the mutex again.
func TestCond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var cond sink.Cond
		woken := 0
		wait := func(ctx context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			err := cond.Wait(ctx, &mu)
			if err == nil {
				woken++
			}
			return err
		}
		look := func(want int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if woken != want {
				t.Errorf("%d have been woken, want %d", woken, want)
			}
		}
		broadcast := func() {
			mu.Lock()
			defer mu.Unlock()
			cond.Broadcast()
		}
		broadcast() // to nobody
		for range 3 {
			go wait(context.Background())
		}
		look(0)
		broadcast()
		look(3)

		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(context.Background())
		over := make(chan error, 1)
		go func() { over <- wait(ctx) }()
		look(3)
		cancel(why)
		if err := <-over; !errors.Is(err, why) {
			t.Errorf("got %v, want the cause", err)
		}
		broadcast()
		look(3)
	})
}
