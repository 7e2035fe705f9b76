package tikv

import (
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// orphans knows since when each transaction is asked about. It measures from the first
// question: a transaction may be old when it prewrites, so its start TS says nothing.
type orphans struct {
	timeout time.Duration
	log     logrus.FieldLogger

	mu     sync.Mutex
	first  map[nodes.TSO]time.Time // when each was asked about first
	said   time.Time
	unsaid int
}

// forgetAfter is how many timeouts after its first question a transaction is forgotten
// that is not asked about any more, because its end came after all.
const forgetAfter = 2

// leftLocked is how long a transaction may still stay without an end; it is noted when it
// is asked about for the first time.
func (o *orphans) leftLocked(startTS nodes.TSO, now time.Time) time.Duration {
	if o.first == nil {
		o.first = make(map[nodes.TSO]time.Time)
	}
	first, known := o.first[startTS]
	if !known {
		for ts, since := range o.first {
			if now.Sub(since) > forgetAfter*o.timeout {
				delete(o.first, ts)
			}
		}
		first, o.first[startTS] = now, now
	}
	return o.timeout - now.Sub(first)
}

// overdue tells whether a transaction that TiKV has never seen must be settled by now.
func (o *orphans) overdue(startTS nodes.TSO, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.leftLocked(startTS, now) <= 0
}

// judge rolls back what has waited long enough, and otherwise answers with noTiKV. It
// decides where there is no TiKV.
func (o *orphans) judge(startTS nodes.TSO, now time.Time, noTiKV error) (storage.Verdict, nodes.TSO, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if left := o.leftLocked(startTS, now); left > 0 {
		return storage.Unknown, 0, fmt.Errorf("%w: if it stays without an end, it counts as rolled back in %s", noTiKV, left.Round(time.Second))
	}
	delete(o.first, startTS)
	o.unsaid++
	if o.said.IsZero() || now.Sub(o.said) >= time.Second { // many at once are one line
		o.log.WithFields(logrus.Fields{"start_ts": startTS, "count": o.unsaid}).
			Warnf("nothing was heard of a transaction for %s and there is no TiKV to ask: it counts as rolled back", o.timeout)
		o.said, o.unsaid = now, 0
	}
	return storage.RolledBack, 0, nil
}
