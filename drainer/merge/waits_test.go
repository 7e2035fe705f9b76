package merge

import (
	"context"
	"testing"
	"testing/synctest"
)

// Whoever wakes pumps hears once in each sleep that transactions wait for one, whatever came first, and nothing while none do.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		m := New(Options{Waits: func() { told++ }})
		idle, busy := add(t, m, "idle", 10), add(t, m, "busy", 20)
		came := make(chan Batch)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				b, err := m.Next(ctx)
				if err != nil {
					return
				}
				came <- b
			}
		}()
		<-came // everything up to 10 has passed
		want := func(n int, what string) {
			t.Helper()
			if synctest.Wait(); told != n {
				t.Errorf("%s: told %d times, want %d", what, told, n)
			}
		}
		want(0, "nothing is queued")
		push(t, busy, fake(30))
		want(0, "only the time came")
		push(t, busy, txn(40), txn(50))
		want(1, "transactions came while it sleeps for another pump")
		push(t, idle, fake(45))
		<-came
		want(2, "one came out, and the next still waits")
		push(t, idle, fake(60))
		<-came
		want(2, "nothing waits any more")
		push(t, idle, txn(70))
		want(3, "the merge sleeps for the other one")
		cancel()
		<-done
	})
}
