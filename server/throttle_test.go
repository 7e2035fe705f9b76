package server

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"
)

// forget empties the table.
func (t *throttle) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.guessed)
}

// clockwork is a throttle whose time passes when the test says so.
type clockwork struct {
	*throttle
	at     time.Time
	timers []alarm
}

type alarm struct {
	at time.Time
	f  func()
}

func newClockwork() *clockwork {
	c := &clockwork{throttle: newThrottle(), at: time.Unix(1000, 0)}
	c.now = func() time.Time { return c.at }
	c.after = func(d time.Duration, f func()) { c.timers = append(c.timers, alarm{c.at.Add(d), f}) }
	return c
}

// next lets time pass up to the next timer; false: there is none before end.
func (c *clockwork) next(end time.Time) bool {
	if len(c.timers) == 0 {
		return false
	}
	i := 0
	for k := range c.timers {
		if c.timers[k].at.Before(c.timers[i].at) {
			i = k
		}
	}
	a := c.timers[i]
	if a.at.After(end) {
		return false
	}
	c.timers = slices.Delete(c.timers, i, i+1)
	c.at = a.at
	a.f()
	return true
}

func from(ip string) peer { return peer{ip: netip.MustParseAddr(ip)} }

// mustBegin begins an attempt that may go on at once.
func (c *clockwork) mustBegin(t *testing.T, user, ip string) *attempt {
	t.Helper()
	a := c.begin(keyOf(user, from(ip)))
	if a == nil || a.waits() {
		t.Fatalf("%s from %s has to wait", user, ip)
	}
	return a
}

// TestGuessesInTenSeconds: so many passwords are looked at, however they are tried.
func TestGuessesInTenSeconds(t *testing.T) {
	for how, c := range map[string]struct {
		parallel int
		hang     bool // the attempts never end
		other    bool // somebody logs in under another name, again and again
		want     int
	}{
		"one after the other":     {parallel: 1, want: 12},
		"250 at a time":           {parallel: 250, want: 12},
		"with a login between":    {parallel: 1, other: true, want: 12},
		"attempts without an end": {parallel: 250, hang: true, want: 9},
	} {
		t.Run(how, func(t *testing.T) {
			w := newClockwork()
			end := w.at.Add(10 * time.Second)
			var tries []*attempt
			looked := 0
			for {
				for len(tries) < c.parallel {
					tries = append(tries, w.begin(keyOf("victim", from("192.0.2.1"))))
				}
				went := false
				for i, a := range tries {
					if a.waits() {
						continue
					}
					looked, went = looked+1, true
					if !c.hang {
						a.end(false)
					}
					tries = slices.Delete(tries, i, i+1)
					break
				}
				if went {
					if c.other {
						w.mustBegin(t, "known", "192.0.2.1").end(true)
					}
					continue
				}
				if !w.next(end) {
					break
				}
			}
			if looked != c.want {
				t.Errorf("%d passwords were looked at, want %d", looked, c.want)
			}
		})
	}
}

// TestWhoIsNotSlowedDown: guesses hold up nobody else, and nobody who knows the password.
func TestWhoIsNotSlowedDown(t *testing.T) {
	w := newClockwork()
	for range freeFailures {
		w.mustBegin(t, "ops", "192.0.2.1").end(false)
	}
	if a := w.begin(keyOf("ops", from("192.0.2.1"))); !a.waits() || a.leave() {
		t.Error("the sixth guess does not wait")
	}
	w.mustBegin(t, "ops", "192.0.2.2").end(true)
	w.mustBegin(t, "monitor", "192.0.2.1").end(true)
	if a := w.begin(guessKey{user: "ops", network: netip.MustParseAddr("127.0.0.1"), unix: true}); a.waits() {
		t.Error("the Unix socket waits")
	}
	if a := w.begin(keyOf("ops", from("192.0.2.1"))); !a.waits() || a.leave() {
		t.Error("others' success was taken for the guesser's")
	}
	w.next(w.at.Add(time.Minute))
	w.mustBegin(t, "ops", "192.0.2.1").end(true)
	for range freeFailures {
		w.mustBegin(t, "ops", "192.0.2.1").end(false) // forgotten by the success
	}
	w.at = w.at.Add(forgetFailures + time.Second)
	w.mustBegin(t, "ops", "192.0.2.1").end(false)

	for i := range freeFailures { // one customer's IPv6 addresses count as one
		w.mustBegin(t, "six", fmt.Sprintf("2001:db8::%d", i)).end(false)
	}
	if a := w.begin(keyOf("six", from("2001:db8::ffff"))); !a.waits() {
		t.Error("another address of the same /64 does not wait")
	}

	// A pool connects at once: no time passes.
	var pool []*attempt
	for range 200 {
		pool = append(pool, w.begin(keyOf("pool", from("192.0.2.9"))))
	}
	for i, a := range pool {
		if a.waits() {
			t.Fatalf("connection %d of a pool waits though those before it are in", i)
		}
		a.end(true)
	}
	if _, ok := w.guessed[keyOf("pool", from("192.0.2.9"))]; ok {
		t.Error("successes fill the table")
	}
}

// TestThrottleIsBounded: neither names nor attempts without number fill the memory, and a
// flood of names does not make it forget whom somebody guesses at.
func TestThrottleIsBounded(t *testing.T) {
	w := newClockwork()
	for range freeFailures {
		w.mustBegin(t, "victim", "192.0.2.1").end(false)
	}
	w.next(w.at.Add(time.Second))
	w.at = w.at.Add(time.Second)
	w.mustBegin(t, "victim", "192.0.2.1").end(false)
	for i := range 3 * maxGuessed {
		w.mustBegin(t, fmt.Sprint("name", i)+strings.Repeat("x", 1000), "192.0.2.1").end(false)
	}
	if n := len(w.guessed); n > maxGuessed {
		t.Errorf("the table has %d entries", n)
	}
	for key := range w.guessed {
		if len(key.user) > maxNameShown {
			t.Fatalf("a name of %d bytes is kept", len(key.user))
		}
	}
	if a := w.begin(keyOf("victim", from("192.0.2.1"))); !a.waits() || a.leave() {
		t.Error("a flood of names has made room for guesses")
	}
	var waiting []*attempt
	for {
		a := w.begin(keyOf("victim", from("192.0.2.1")))
		if a == nil {
			break
		}
		waiting = append(waiting, a)
	}
	if len(waiting) != maxWaiting {
		t.Errorf("%d attempts wait, want at most %d", len(waiting), maxWaiting)
	}
	w.mustBegin(t, "ops", "192.0.2.1").end(true) // who needs not wait comes in
	for _, a := range waiting {
		if a.leave() {
			t.Fatal("it was its turn")
		}
	}
	if w.waiting != 0 {
		t.Errorf("%d wait though all have left", w.waiting)
	}
}

// stopClock has nobody's turn come by time, before anybody logs in.
func stopClock(h *house) {
	now := time.Now()
	h.throttle.now, h.throttle.after = func() time.Time { return now }, func(time.Duration, func()) {}
}

// TestWaitingLoginsHoldNoPlace: while more guesses wait than there are places for clients on
// their way in, others come in, those that wait are not dropped, and only the free guesses
// have been looked at.
func TestWaitingLoginsHoldNoPlace(t *testing.T) {
	h := open(t, Options{Users: testUsers(t), MaxHandshakes: 4}, nil)
	stopClock(h)
	const guesses = 20
	answers := make(chan error, guesses)
	for i := range guesses {
		db := h.db("watch:wrong", "")
		go func() { answers <- db.Ping() }()
		waitUntil(t, func() bool { // one after the other, so that none is dropped before it waits
			h.throttle.mu.Lock()
			defer h.throttle.mu.Unlock()
			return int(h.counters.denied.Load())+h.throttle.waiting == i+1
		})
	}
	if n := h.counters.denied.Load(); n != freeFailures {
		t.Errorf("%d guesses were looked at, want %d", n, freeFailures)
	}
	for range 10 {
		if err := h.db("boss:bpass", "").Ping(); err != nil {
			t.Fatalf("an operator is locked out: %v", err)
		}
	}
	h.mu.Lock()
	inside := len(h.handshakes)
	h.mu.Unlock()
	h.throttle.mu.Lock()
	waiting := h.throttle.waiting
	h.throttle.mu.Unlock()
	if waiting != guesses-freeFailures || inside != 0 {
		t.Errorf("%d wait, %d places are taken", waiting, inside)
	}
	for range freeFailures {
		var e *mysql.MySQLError
		if err := <-answers; !errors.As(err, &e) || e.Number != gomysql.ER_ACCESS_DENIED_ERROR {
			t.Errorf("a guess is answered %v", err)
		}
	}
	h.throttle.mu.Lock() // their turn: with one failure less, one goes on
	g := h.throttle.guessed[guessKey{user: "watch", network: netip.MustParseAddr("127.0.0.1")}]
	g.failures--
	h.throttle.serveLocked(g)
	h.throttle.mu.Unlock()
	var e *mysql.MySQLError
	if err := <-answers; !errors.As(err, &e) || e.Number != gomysql.ER_ACCESS_DENIED_ERROR {
		t.Errorf("a guess that has waited is answered %v", err)
	}
	if n := h.counters.denied.Load(); n != freeFailures+1 {
		t.Errorf("%d guesses were looked at, want %d", n, freeFailures+1)
	}
}

// TestGoneClientsLeaveTheQueue: attempts whose clients have hung up keep nobody waiting.
func TestGoneClientsLeaveTheQueue(t *testing.T) {
	h := open(t, Options{Users: testUsers(t)}, nil)
	stopClock(h)
	for range freeFailures {
		h.throttle.begin(keyOf("watch", from("127.0.0.1"))).end(false)
	}
	waiting := func() int {
		h.throttle.mu.Lock()
		defer h.throttle.mu.Unlock()
		return h.throttle.waiting
	}
	var clients []*rawClient
	for range 10 {
		c := dialRaw(t, h)
		c.send(1, response(rawCaps, "watch", "12345678901234567890", gomysql.AUTH_NATIVE_PASSWORD))
		clients = append(clients, c)
	}
	waitUntil(t, func() bool { return waiting() == len(clients) })
	for _, c := range clients {
		_ = c.nc.Close()
	}
	waitUntil(t, func() bool { return waiting() == 0 })
}

// TestBrokenOffLoginsCount: who hangs up in the middle of the exchange has failed.
func TestBrokenOffLoginsCount(t *testing.T) {
	h := open(t, Options{Users: testUsers(t)}, nil)
	h.throttle.after = func(time.Duration, func()) {} // it counts at once, not when its time is over
	for range freeFailures {
		c := dialRaw(t, h)
		c.send(1, response(rawCaps, "guest", strings.Repeat("x", 32), gomysql.AUTH_CACHING_SHA2_PASSWORD))
		c.read() // it asks for the whole password
		_ = c.nc.Close()
	}
	waitUntil(t, func() bool {
		h.throttle.mu.Lock()
		defer h.throttle.mu.Unlock()
		g := h.throttle.guessed[keyOf("guest", from("127.0.0.1"))]
		return g != nil && g.failures == freeFailures
	})
}

// TestTheTurnComes: an operator whose name was guessed at from the same network gets in.
func TestTheTurnComes(t *testing.T) {
	h := open(t, Options{Users: testUsers(t)}, nil)
	for range freeFailures {
		h.throttle.begin(keyOf("watch", from("127.0.0.1"))).end(false)
	}
	if err := h.db("watch:wpass", "").Ping(); err != nil {
		t.Error(err)
	}
}

// TestTooManyWait: who finds too many before it is told so, the same for every name.
func TestTooManyWait(t *testing.T) {
	h := open(t, Options{Users: testUsers(t)}, nil)
	stopClock(h)
	for _, user := range []string{"watch", "nobody"} {
		key := keyOf(user, from("127.0.0.1"))
		for range freeFailures {
			h.throttle.begin(key).end(false)
		}
	}
	h.throttle.mu.Lock()
	h.throttle.waiting += maxWaiting
	h.throttle.mu.Unlock()
	for _, user := range []string{"watch", "nobody"} {
		e := wantError(t, h.db(user+":wpass", "").Ping(), gomysql.ER_USER_LIMIT_REACHED)
		if !strings.Contains(e.Message, "'"+user+"'@'127.0.0.1'") || !strings.Contains(e.Message, "Unix socket") {
			t.Errorf("%s is told %s", user, e.Message)
		}
	}
	if err := h.db("boss:bpass", "").Ping(); err != nil {
		t.Error(err)
	}
}
