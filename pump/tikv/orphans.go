package tikv

import (
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// rollBackAlone decides where there is no TiKV: a transaction without an outcome counts as rolled
// back when TiDB says so, or its prewrite is OrphanTimeout old. Before, the answer is noTiKV.
func (r *Resolver) rollBackAlone(q storage.Question, noTiKV error) (storage.Verdict, nodes.TSO, error) {
	if q.Reported {
		return storage.RolledBack, 0, nil // nobody can know better
	}
	if left := r.opts.OrphanTimeout - q.Age; left > 0 {
		return storage.Unknown, 0, fmt.Errorf("%w: if no outcome comes, it counts as rolled back in %s", noTiKV, left.Round(time.Second))
	}
	r.alone.say(r.opts.Now(), func(count int) {
		r.opts.Logger.WithFields(logrus.Fields{"start_ts": q.StartTS, "count": count}).
			Warnf("nothing was heard of a transaction for %s and there is no TiKV to ask: it counts as rolled back", r.opts.OrphanTimeout)
	})
	return storage.RolledBack, 0, nil
}

// oncePerSecond makes one line in the log of many events at once.
type oncePerSecond struct {
	mu         sync.Mutex
	said       time.Time
	suppressed int
}

// say calls line with the number of events since the last line, this one included, unless that was
// less than a second ago.
func (o *oncePerSecond) say(now time.Time, line func(count int)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.suppressed++
	if o.said.IsZero() || now.Sub(o.said) >= time.Second {
		line(o.suppressed)
		o.said, o.suppressed = now, 0
	}
}
