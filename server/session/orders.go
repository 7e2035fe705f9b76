package session

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// What of a client's own words is logged at most, in bytes.
const (
	maxLoggedName  = 128
	maxLoggedError = 1024
)

// logged is a client's text as the log shows it: not longer than n bytes.
func logged(text string, n int) string {
	if short := clip(text, n); len(short) < len(text) {
		return short + "…"
	}
	return text
}

// failedOrder logs that an order failed.
func failedOrder(log logrus.FieldLogger, what string, err error) {
	log.WithField(logrus.ErrorKey, logged(err.Error(), maxLoggedError)).WithField("result", "failed").Warn(what + " failed")
}

// mayOrder refuses an order to nodes (CHANGE, PAUSE, RESOLVE …) from who may not give one,
// and in a transaction that is READ ONLY: a guard that people set before they look around.
func (s *Session) mayOrder(log logrus.FieldLogger, what string) error {
	if s.acc.Role != Admin {
		if ok, more := s.opts.Denials.next(s.acc.Name, s.opts.Now()); ok {
			if more > 0 {
				log = log.WithField("not_logged", more)
			}
			log.WithField("result", "denied").Warn(what + " refused")
		}
		return denied("SUPER")
	}
	if s.takeReadOnly() {
		return errf(errReadOnlyTransaction, "Cannot execute statement in a READ ONLY transaction.")
	}
	return nil
}

// How many refusals of a user are logged: the first ones, then one at a time.
const (
	denialBurst = 10
	denialPause = 10 * time.Second
)

// Denials bounds what users who may not give orders can write into the log. It may be used
// by many goroutines.
type Denials struct {
	mu    sync.Mutex
	users map[string]*denial // only users who have logged in: as many as are configured
}

// denial is one user's account.
type denial struct {
	left   int       // lines that may be logged at once
	filled time.Time // up to when left was filled up
	more   int       // refusals since the last line
}

// NewDenials makes an empty one.
func NewDenials() *Denials { return &Denials{users: map[string]*denial{}} }

// next counts a refusal and reports whether it is to be logged, and how many before it were
// not.
func (d *Denials) next(user string, now time.Time) (ok bool, more int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.users[user]
	if u == nil {
		u = &denial{left: denialBurst, filled: now}
		d.users[user] = u
	}
	if n := int(now.Sub(u.filled) / denialPause); n > 0 {
		u.left = min(u.left+n, denialBurst)
		u.filled = u.filled.Add(time.Duration(n) * denialPause)
	}
	if u.left == 0 {
		u.more++
		return false, 0
	}
	more = u.more
	u.left, u.more = u.left-1, 0
	return true, more
}
