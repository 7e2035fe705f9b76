package mysql

import (
	"testing"
	"time"
)

// TestLimitsOverADistance: more goes in a transaction the longer a round trip takes, up to a bound; the nearest of all
// connections counts, and it counts again what a new connection measures.
func TestLimitsOverADistance(t *testing.T) {
	s := newScheduler(limits{workers: 2, rows: 320, text: 1000, bytes: 1 << 20, inFlight: 2000}, 0)
	for _, c := range []struct {
		worker               int
		trip                 time.Duration
		rows, text, inFlight int
	}{
		{0, 300 * time.Millisecond, 2560, 8000, 10240},
		{1, 40 * time.Millisecond, 960, 3000, 3840},
		{0, 10 * time.Hour, 960, 3000, 3840},
		{1, 10 * time.Hour, 2560, 8000, 10240},
		{1, time.Microsecond, 320, 1000, 2000},
	} {
		s.measured(c.worker, c.trip)
		if l := s.limits; l.rows != c.rows || l.text != c.text || l.inFlight != c.inFlight || s.textBytes() != c.text || l.bytes != 1<<20 || l.workers != 2 {
			t.Errorf("worker %d is %v away: %+v, want %d rows, texts of %d, %d in flight", c.worker, c.trip, l, c.rows, c.text, c.inFlight)
		}
	}
}

// TestLimitsOfASlowServer: one that is far away and slow as well is not given more than it works off.
func TestLimitsOfASlowServer(t *testing.T) {
	s := newScheduler(limits{workers: 2, rows: 320, text: 1000, bytes: 1 << 20, inFlight: 2000}, 0)
	s.measured(0, 300*time.Millisecond)
	for range 100 {
		s.worked(100, 300*time.Millisecond+100*2*time.Millisecond)
	}
	if s.limits.rows != 320 {
		t.Errorf("%d rows for a server that takes 2 ms for each, want 320", s.limits.rows)
	}
	for range 100 {
		s.worked(320, 300*time.Millisecond+320*500*time.Microsecond)
	}
	if n := s.limits.rows; n < 1150 || n > 1210 { // two round trips' worth
		t.Errorf("%d rows for a server that takes 0.5 ms for each, want about 1200", n)
	}
	for range 100 {
		s.worked(1000, 310*time.Millisecond)
	}
	if s.limits.rows != 2560 {
		t.Errorf("%d rows for a fast server, want 2560", s.limits.rows)
	}
}
