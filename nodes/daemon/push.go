package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
	"github.com/sirupsen/logrus"
)

// PushMetrics pushes metrics to the Prometheus push gateway at addr, under the job binlog and
// the instance nodeID, until stop is called. With no addr or interval nothing is pushed.
func PushMetrics(metrics prometheus.Gatherer, addr string, interval time.Duration, nodeID string, log logrus.FieldLogger) (stop func()) {
	if addr == "" || interval <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		pusher := push.New(addr, "binlog").Grouping("instance", nodeID).Gatherer(metrics)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		failing := false
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			err := pusher.AddContext(ctx)
			if (err != nil) != failing && ctx.Err() == nil { // said at both ends of an outage
				failing = err != nil
				log.WithError(err).WithField("addr", addr).Warn("pushing metrics: failing=", failing)
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}
