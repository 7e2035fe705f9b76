package governor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pumphouse/server/engine"
)

func enter(t *testing.T, g *Governor, user string, admin bool) *Share {
	t.Helper()
	s, err := g.Enter(user, admin)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantCode(t *testing.T, err error, code uint16, setting string) {
	t.Helper()
	var e *engine.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, setting) {
		t.Errorf("%v, want error %d with %s", err, code, setting)
	}
}

// TestMemory: one session, one user, all users; and what has been given back can be had again.
func TestMemory(t *testing.T) {
	g := New(Limits{Memory: 64 << 20, SessionMemory: 20 << 20})
	a, b := enter(t, g, "greedy", false), enter(t, g, "greedy", false)
	wantCode(t, a.Take(21<<20), 1038, "max-session-memory (20971520)")
	for range 19 {
		if err := a.Take(1 << 20); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	for err == nil {
		err = b.Take(1 << 20)
	}
	wantCode(t, err, 1038, "share of max-memory (67108864,")
	if held := g.Usage().Bytes; held > 32<<20 {
		t.Errorf("one user holds %d bytes, more than half", held)
	}
	// The others find something, and so does a further session of the same user.
	for i := range 20 {
		s := enter(t, g, fmt.Sprint("user", i), false)
		if err := s.Take(base / 2); err != nil {
			t.Errorf("user %d: %v", i, err)
		}
	}
	if err := enter(t, g, "other", false).Take(8 << 20); err != nil {
		t.Error(err)
	}
	if err := enter(t, g, "greedy", false).Take(base / 2); err != nil {
		t.Error(err)
	}
	a.Leave()
	a.Leave()
	if err := b.Take(10 << 20); err != nil {
		t.Errorf("after the other session has left: %v", err)
	}
}

// TestConnections: all users, one user, and what is kept for admins.
func TestConnections(t *testing.T) {
	g := New(Limits{Connections: 4, UserConnections: 3})
	refused := func(user string, admin bool, code uint16, setting string) {
		t.Helper()
		_, err := g.Enter(user, admin)
		wantCode(t, err, code, setting)
	}
	for range 3 {
		enter(t, g, "many", false)
	}
	refused("many", false, 1226, "max-user-connections")
	one := enter(t, g, "one", false)
	refused("late", false, 1040, "max-connections (4)")
	for i := range AdminConnections {
		enter(t, g, fmt.Sprint("admin", i), true)
	}
	refused("admin", true, 1040, "max-connections (4)")
	one.Leave()
	enter(t, g, "admin", true)
}

// TestAdminsStayWithinTheMemory: what is kept for admins is not beyond what there is.
func TestAdminsStayWithinTheMemory(t *testing.T) {
	g := New(Limits{Memory: 4 << 20})
	var err error
	for n := 0; err == nil; n++ {
		var s *Share
		if s, err = g.Enter(fmt.Sprint("admin", n), true); err == nil {
			err = s.Take(base / 2)
		}
	}
	wantCode(t, err, 1038, "max-memory (4194304,")
	if held := g.Usage().Bytes; held > 4<<20 {
		t.Errorf("%d bytes are held, more than there are", held)
	}
}

// TestEverythingComesBack: whatever sessions take, and however often they leave.
func TestEverythingComesBack(t *testing.T) {
	g := New(Limits{})
	for i := range 50 {
		s := enter(t, g, fmt.Sprint(i%7), i%2 == 0)
		_ = s.Take(int64(i) << 16)
		s.Give(int64(i) << 17) // more than it has
		s.Leave()
		s.Leave()
		s.Give(1 << 20)
	}
	if u := g.Usage(); u.Bytes != 0 || u.Connections != 0 || len(g.byName) != 0 || u.MostConnections != 1 {
		t.Errorf("%+v, %d users", u, len(g.byName))
	}
}

// TestManyUsersLeaveSomething: the more users take what they can get, the less each gets.
func TestManyUsersLeaveSomething(t *testing.T) {
	g := New(Limits{})
	for i := range 30 {
		s := enter(t, g, fmt.Sprint(i), false)
		for s.Take(64<<10) == nil {
		}
	}
	if err := enter(t, g, "late", false).Take(64 << 10); err != nil {
		t.Error(err)
	}
	if err := enter(t, g, "late", true).Take(base / 2); err != nil {
		t.Error(err)
	}
}

// TestTurns: with one place, the one statement of a user comes after at most one of the many of
// another.
func TestTurns(t *testing.T) {
	g := New(Limits{Running: 1})
	first := enter(t, g, "many", false)
	if err := first.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	order := make(chan string, 10)
	wait := func(user string) {
		s := enter(t, g, user, false)
		before := g.Usage().Waiting
		go func() {
			if err := s.Work(context.Background()); err != nil {
				order <- err.Error()
				return
			}
			order <- user
			s.Leave()
		}()
		for g.Usage().Waiting == before {
			time.Sleep(time.Millisecond)
		}
	}
	for range 5 {
		wait("many")
	}
	wait("one")
	// Whoever gives up is no longer in the way.
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	quitter := enter(t, g, "quitter", false)
	go func() { gone <- quitter.Work(ctx) }()
	for g.Usage().Waiting < 7 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	first.Yield()
	got := make([]string, 6)
	for i := range got {
		got[i] = <-order
	}
	if got[0] != "many" || got[1] != "one" {
		t.Errorf("order %v", got)
	}
	if err := first.Work(t.Context()); err != nil { // the place is free again
		t.Fatal(err)
	}
	first.Leave()
	if n := g.turns.free; n != 1 {
		t.Errorf("%d places", n)
	}
}
