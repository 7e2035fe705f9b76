package logs

import (
	"sync"
	"time"
)

// repeatEvery is how often a problem that goes on is logged again.
const repeatEvery = 30 * time.Second

// Repeated keeps a problem that comes again and again from filling the log: it is logged at
// once, then once in 30 s with how often it has come, and once when it is over.
//
//	if n := r.Again(); n > 0 {
//		log.WithError(err).WithField("times", n).Warn("cannot …; retrying")
//	}
//	…
//	if n := r.Over(); n > 0 {
//		log.WithField("times", n).Info("… again")
//	}
//
// The zero value is ready to use, by any number of goroutines.
type Repeated struct {
	mu    sync.Mutex
	times int           // since the problem began
	said  time.Duration // when it was logged last, since begun
	begun time.Time
}

// Again counts the problem. It gives how often it has come since it began if it is to be
// logged now, else 0.
func (r *Repeated) Again() (times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times++
	if r.times == 1 {
		r.begun, r.said = time.Now(), 0
		return 1
	}
	if since := time.Since(r.begun); since-r.said >= repeatEvery {
		r.said = since
		return r.times
	}
	return 0
}

// Over ends the problem. It gives how often it had come, 0 if it had not.
func (r *Repeated) Over() (times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	times, r.times = r.times, 0
	return times
}
