package privilege

import (
	"sync"
	"time"
)

// How many refusals of one origin are logged: the first DenialBurst, then one every DenialPause.
const (
	DenialBurst = 10
	DenialPause = 10 * time.Second
	maxOrigins  = 16 // that have an account of their own; the others share one
)

// Denials bounds what those who are refused can write into the log: users who may not give
// orders, networks from which nobody may log in. It may be used by many goroutines.
type Denials struct {
	mu      sync.Mutex
	origins map[string]*denial
}

// denial is the account of one origin.
type denial struct {
	left   int       // lines that may be logged at once
	filled time.Time // up to when left was filled up
	more   int       // refusals since the last line
}

// NewDenials makes an empty one.
func NewDenials() *Denials { return &Denials{origins: map[string]*denial{}} }

// Next counts a refusal of an origin (a user, a network) and reports whether it is to be logged,
// and how many before it were not.
func (d *Denials) Next(origin string, now time.Time) (ok bool, more int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.accountLocked(origin, now)
	if u.left == 0 {
		u.more++
		return false, 0
	}
	more = u.more
	u.left, u.more = u.left-1, 0
	return true, more
}

// accountLocked gives the account of an origin, filled up.
func (d *Denials) accountLocked(origin string, now time.Time) *denial {
	if d.origins[origin] == nil && len(d.origins) >= maxOrigins {
		for name, u := range d.origins {
			if u.fill(now); u.left == DenialBurst {
				delete(d.origins, name) // as good as new
			}
		}
		if len(d.origins) >= maxOrigins {
			origin = ""
		}
	}
	u := d.origins[origin]
	if u == nil {
		u = &denial{left: DenialBurst, filled: now}
		d.origins[origin] = u
	}
	u.fill(now)
	return u
}

// fill adds what the time since the last call allows.
func (u *denial) fill(now time.Time) {
	if n := int(now.Sub(u.filled) / DenialPause); n > 0 {
		u.left = min(u.left+n, DenialBurst)
		u.filled = u.filled.Add(time.Duration(n) * DenialPause)
	}
}
