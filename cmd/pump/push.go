package main

import (
	"context"
	"sync"
	"time"

	"pumphouse/pump"

	"github.com/prometheus/client_golang/prometheus/push"
	"github.com/sirupsen/logrus"
)

// startPush pushes the metrics to the gateway that -metrics-addr names, if it names one,
// until stop is called.
func startPush(cfg *config, p *pump.Pump, log logrus.FieldLogger) (stop func()) {
	if cfg.MetricsAddr == "" || cfg.MetricsInterval == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		pusher := push.New(cfg.MetricsAddr, "binlog").Grouping("instance", p.NodeID()).Gatherer(cfg.metrics)
		tick := time.NewTicker(time.Duration(cfg.MetricsInterval) * time.Second)
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
				log.WithError(err).WithField("addr", cfg.MetricsAddr).Warn("pushing metrics: failing=", failing)
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}
