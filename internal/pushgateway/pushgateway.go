// Package pushgateway pushes metrics to a Prometheus push gateway.
package pushgateway

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
	"github.com/sirupsen/logrus"

	"pumphouse/internal/logs"
)

// Push pushes metrics to the Prometheus push gateway at addr, under the job binlog and
// the instance nodeID, until stop is called. With no addr or interval nothing is pushed.
func Push(metrics prometheus.Gatherer, addr string, interval time.Duration, nodeID string, log logrus.FieldLogger) (stop func()) {
	if addr == "" || interval <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		pusher := push.New(addr, "binlog").Grouping("instance", nodeID).Gatherer(metrics)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		var failures logs.Repeated
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			err := pusher.AddContext(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				if n := failures.Again(); n > 0 {
					log.WithError(err).WithField("addr", addr).WithField("times", n).Warn("cannot push metrics; retrying")
				}
			} else if n := failures.Over(); n > 0 {
				log.WithField("addr", addr).WithField("times", n).Info("metrics are pushed again")
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}
