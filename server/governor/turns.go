package governor

import (
	"context"
	"slices"
	"sync"
	"time"
)

// quantum is how long a statement keeps its place while others wait.
const quantum = 20 * time.Millisecond

// turns hands out places to run. A user who waits gets one after every other user who waits has
// had one, whatever the number of sessions that wait for each.
type turns struct {
	mu     sync.Mutex
	free   int
	order  []*user             // those who wait, in turn
	queues map[*user][]*waiter // their sessions, in turn
}

// waiter is a session that waits: granted is closed when it has its place.
type waiter struct{ granted chan struct{} }

// place is what a share has of them. It is used by the session's goroutine only.
type place struct {
	has   bool
	since time.Time
}

// Work is called by a statement that has computed for a while, and again and again as it goes on.
// It returns when the statement may go on, or with ctx's error when ctx ends first.
func (s *Share) Work(ctx context.Context) error {
	if s == nil {
		return ctx.Err()
	}
	t := &s.g.turns
	if s.has {
		if time.Since(s.since) < quantum || t.waiting() == 0 {
			return ctx.Err()
		}
		s.Yield()
	}
	if err := t.acquire(ctx, s.user); err != nil {
		return err
	}
	s.has, s.since = true, time.Now()
	return nil
}

// Yield gives the place up: the statement has ended, or waits for something else.
func (s *Share) Yield() {
	if s != nil && s.has {
		s.has = false
		s.g.turns.release()
	}
}

func (t *turns) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, q := range t.queues {
		n += len(q)
	}
	return n
}

func (t *turns) acquire(ctx context.Context, u *user) error {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	w := &waiter{make(chan struct{})}
	if len(t.queues[u]) == 0 {
		t.order = append(t.order, u)
	}
	t.queues[u] = append(t.queues[u], w)
	t.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	i := slices.Index(t.queues[u], w)
	if i >= 0 {
		t.queues[u] = slices.Delete(t.queues[u], i, i+1)
		t.dropEmptyLocked(u)
	}
	t.mu.Unlock()
	if i < 0 { // granted meanwhile
		t.release()
	}
	return ctx.Err()
}

// release gives a place to whoever is next.
func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) == 0 {
		t.free++
		return
	}
	u := t.order[0]
	w := t.queues[u][0]
	t.queues[u] = t.queues[u][1:]
	t.order = append(t.order[1:], u)
	t.dropEmptyLocked(u)
	close(w.granted)
}

func (t *turns) dropEmptyLocked(u *user) {
	if len(t.queues[u]) == 0 {
		delete(t.queues, u)
		t.order = slices.DeleteFunc(t.order, func(o *user) bool { return o == u })
	}
}
