package drainer

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// How often a drainer that catches up says how far it is, and from which lag on it does.
const (
	catchUpEvery = 10 * time.Second
	catchUpLag   = 30 * time.Second
)

// sayCatchUp logs how far the drainer is while it is far from the upstream and gets nearer; what keeps
// it from that is said elsewhere.
func (d *Drainer) sayCatchUp(ctx context.Context) error {
	var c catchUp
	for nodes.Sleep(ctx, catchUpEvery) {
		if message, fields := c.look(d.opts.Now(), d.lag(), d.applied(), d.metrics.rows.Load()); message != "" {
			d.Log.WithFields(fields).Info(message)
		}
	}
	return nil
}

// catchUp is what the last look found.
type catchUp struct {
	at      time.Time
	applied nodes.TSO
	rows    uint64
	under   bool // catching up, as was said
}

// look gives the line that is to be logged; "": none.
func (c *catchUp) look(now time.Time, lag time.Duration, applied nodes.TSO, rows uint64) (message string, fields logrus.Fields) {
	before := *c
	c.at, c.applied, c.rows = now, applied, rows
	took := now.Sub(before.at)
	switch {
	case before.at.IsZero() || took <= 0:
		return "", nil
	case lag < catchUpLag && c.under:
		c.under = false
		return "caught up with the upstream", logrus.Fields{"lag": lag.Round(time.Millisecond).String(), "commit_ts": applied}
	case lag < catchUpLag || applied <= before.applied:
		return "", nil
	}
	c.under = true
	done := applied.Time().Sub(before.applied.Time()) // of the upstream's time
	fields = logrus.Fields{"lag": lag.Round(time.Second).String(), "commit_ts": applied, "rows_per_s": int64(float64(rows-before.rows) / took.Seconds())}
	fields["eta"] = "unknown: the lag does not shrink"
	if gained := done - took; gained > 0 {
		fields["eta"] = time.Duration(float64(lag) / (float64(gained) / float64(took))).Round(time.Second).String()
	}
	return "catching up with the upstream", fields
}
