package arbiter

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/kafkaclient"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// How often it is looked how far the topic goes, how long the brokers may take to answer, and from which lag on
// the log says how far arbiter is.
const (
	watchEvery   = 10 * time.Second
	watchTimeout = 5 * time.Second
	catchUpLag   = 30 * time.Second
)

// watch says in the log how far the run is while it has much to catch up with, and that brokers do not answer.
func (a *Arbiter) watch(ctx context.Context) {
	var silent logs.Repeated
	var c catchUp
	for nodes.Sleep(ctx, watchEvery) {
		log := a.opts.Logger.WithField("topic", a.opts.Topic)
		asking, cancel := context.WithTimeout(ctx, watchTimeout)
		end, err := kafkaclient.Offset(asking, a.topic.client, a.opts.Topic, 0, kafkaclient.Latest)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if n := silent.Again(); n > 0 {
				log.WithError(err).WithField("addrs", a.topic.addrs()).WithField("times", n).Warn("the brokers do not answer; retrying until they do")
			}
			continue
		}
		if n := silent.Over(); n > 0 {
			log.WithField("times", n).Info("the brokers answer again")
		}
		a.metrics.queue.WithLabelValues("kafka_reader").Set(float64(a.topic.client.BufferedFetchRecords()))
		at := point{time.Now(), max(a.metrics.read.Load(), a.start.next), end, nodes.TSO(a.metrics.applied.Load()), a.metrics.rows.Load()}
		a.metrics.end.Store(end)
		a.metrics.left.Set(float64(at.end - at.read))
		if text, fields := c.look(at); text != "" {
			log.WithFields(fields).Info(text)
		}
	}
}

// point is how far a run is.
type point struct {
	now     time.Time
	read    int64 // offset after what was read
	end     int64 // of the topic
	applied nodes.TSO
	rows    uint64
}

// catchUp is what the last look found.
type catchUp struct {
	point
	under bool // catching up, as was said
}

// look gives the line that is to be logged; "": none.
func (c *catchUp) look(at point) (string, logrus.Fields) {
	before := c.point
	c.point = at
	lag := at.now.Sub(at.applied.Time())
	took := at.now.Sub(before.now)
	far := lag >= catchUpLag && at.read < at.end
	switch {
	case before.now.IsZero() || took <= 0:
		return "", nil
	case !far && c.under:
		c.under = false
		return "caught up with the topic", logrus.Fields{"commit_ts": at.applied, "offset": at.read}
	case !far:
		return "", nil
	}
	c.under = true
	fields := logrus.Fields{"commit_ts": at.applied, "offset": at.read, "messages_left": at.end - at.read, "lag": lag.Round(time.Second).String(),
		"rows_per_s": int64(float64(at.rows-before.rows) / took.Seconds()), "eta": "unknown: nothing is read"}
	if read := at.read - before.read; read > 0 {
		fields["eta"] = time.Duration(float64(at.end-at.read) / float64(read) * float64(took)).Round(time.Second).String()
	}
	return "catching up with the topic", fields
}
