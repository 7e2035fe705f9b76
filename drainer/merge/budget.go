package merge

import (
	"sync"
	"sync/atomic"
)

// budget counts bytes up to a limit.
type budget struct {
	limit   int64
	used    atomic.Int64
	waiting atomic.Int64

	mu    sync.Mutex
	freed chan struct{} // closed and replaced when bytes were released while somebody waited
}

func newBudget(limit int64) *budget { return &budget{limit: limit, freed: make(chan struct{})} }

// try takes n bytes if they fit, or if nothing else is taken.
func (b *budget) try(n int64) bool {
	for {
		used := b.used.Load()
		if used > 0 && used+n > b.limit {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// force takes n bytes whether they fit or not.
func (b *budget) force(n int64) { b.used.Add(n) }

func (b *budget) release(n int64) {
	if n == 0 {
		return
	}
	// Not at every byte that comes free: those who wait would do nothing but wake and sleep.
	if used := b.used.Add(-n); used <= b.limit/4*3 && b.waiting.Load() > 0 {
		b.mu.Lock()
		defer b.mu.Unlock()
		close(b.freed)
		b.freed = make(chan struct{})
	}
}

// await gives a channel that is closed when, after this call, bytes are released and a
// quarter of the limit is free. The caller tries once more before it waits, and calls
// leave when it is through.
func (b *budget) await() (freed <-chan struct{}, leave func()) {
	b.waiting.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.freed, func() { b.waiting.Add(-1) }
}

// full reports whether nothing more fits.
func (b *budget) full() bool { return b.used.Load() >= b.limit }
