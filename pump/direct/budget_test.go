package direct

import (
	"testing"
	"testing/synctest"
	"time"
)

// asked is a claim of a test, and what it has heard.
type asked struct {
	*claim
	granted bool
	evicted int // times
}

func (b *budget) ask(size int64, member bool) *asked {
	a := new(asked)
	a.claim, a.granted, _ = b.claim(size, member, func() { a.granted = true }, func() { a.evicted++ })
	return a
}

// TestBudgetIsInOrder: a claim gets all of its size or nothing, members before strangers, who share a quarter;
// one message of any size is granted when there is no other.
func TestBudgetIsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100)
		var all []*asked
		hears := func(when string, want ...bool) {
			t.Helper()
			synctest.Wait()
			for i, a := range all {
				if a.granted != want[i] {
					t.Errorf("%s: claim %d is granted: %v, want %v", when, i, a.granted, want[i])
				}
			}
		}
		for _, c := range []struct {
			size   int64
			member bool
		}{{70, false}, {10, false}, {20, true}, {40, true}, {5, true}} {
			all = append(all, b.ask(c.size, c.member))
		}
		hears("at first", true, false, true, false, false) // 5 fits, and 40 was before it
		all[2].end()
		hears("20 are free", true, false, true, false, false)
		all[0].end()
		hears("a stranger has gone", true, true, true, true, true)
		for _, a := range all {
			a.end()
			a.end() // changes nothing
		}
		b.mu.Lock()
		if b.used != 0 || b.strangers != 0 || len(b.granted)+len(b.waiting) != 0 {
			t.Errorf("%d bytes are used, %d of strangers, %d and %d claims", b.used, b.strangers, len(b.granted), len(b.waiting))
		}
		b.mu.Unlock()
		if a := b.ask(1000, true); !a.granted {
			t.Error("a message that is larger than the budget never comes")
		} else {
			a.end()
		}
	})
}

// TestWhoStopsWaitingHasNoRoom: a claim that ends while it waits is not granted later.
func TestWhoStopsWaitingHasNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(10)
		has, gone, next := b.ask(10, true), b.ask(10, true), b.ask(5, true)
		gone.end()
		has.end()
		synctest.Wait()
		if gone.granted || !next.granted {
			t.Errorf("granted: %v to who has gone, %v to the next", gone.granted, next.granted)
		}
		next.end()
		sleepLooks(b, 1)
	})
}

// sleepLooks waits until it was looked so often whether messages go on.
func sleepLooks(b *budget, n int) { time.Sleep(time.Duration(n)*b.slow + time.Second) }

// TestSlowMessagesGiveWay: who has the budget and does not go on loses it while others wait, and only then.
func TestSlowMessagesGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(8 << 20)
		idle, quick := b.ask(6<<20, true), b.ask(2<<20, true)
		sleepLooks(b, 3)
		if idle.evicted > 0 {
			t.Fatal("it gives way to nobody")
		}
		waits := b.ask(6<<20, true)
		for range 4 {
			sleepLooks(b, 1)
			quick.got.Add(slowBytes)
		}
		synctest.Wait()
		if idle.evicted != 1 || quick.evicted > 0 || waits.granted {
			t.Fatalf("idle gives way %d times, the one that goes on %d times; the other is granted: %v", idle.evicted, quick.evicted, waits.granted)
		}
		idle.end() // what its connection does
		synctest.Wait()
		if !waits.granted {
			t.Error("nobody has it now")
		}
		quick.end()
		waits.end()
		sleepLooks(b, 1)
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.watch != nil {
			t.Error("it goes on looking")
		}
	})
}

// TestFewMayWait: claims beyond so many are refused, strangers' sooner.
func TestFewMayWait(t *testing.T) {
	b := newBudget(10)
	b.ask(10, true)
	for _, member := range []bool{false, true} {
		refused := 0
		for range maxWaiting + maxStrange {
			if _, _, no := b.claim(1, member, func() {}, func() {}); no {
				refused++
			}
		}
		want := maxWaiting
		if member {
			want = maxStrange
		}
		if refused != want {
			t.Errorf("member %v: %d are refused, want %d", member, refused, want)
		}
	}
}
