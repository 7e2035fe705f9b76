package tikv

import (
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// orphans decides about transactions where there is no TiKV. It measures from the first
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

// judge rolls back what has waited long enough, and otherwise answers with noTiKV.
func (o *orphans) judge(startTS nodes.TSO, now time.Time, noTiKV error) (storage.Verdict, nodes.TSO, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
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
	if left := o.timeout - now.Sub(first); left > 0 {
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
