package main

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// supervisor is the demo's process manager for one node: it starts the node, and starts
// it again when somebody sets the record of the node that has stopped to online.
type supervisor struct {
	registry *nodes.Registry
	kind     nodes.Kind
	nodeID   string
	log      logrus.FieldLogger
	// run is one life of the node. It calls ready once its record is online, and returns
	// when the node has written its final state.
	run func(ctx context.Context, ready func()) error
}

// keep runs the node until ctx ends. started gets the outcome of the first start.
func (s *supervisor) keep(ctx context.Context, started chan<- error) {
	first := true
	report := func(err error) {
		if first {
			started <- err
		}
		first = false
	}
	for {
		err := s.run(ctx, func() { report(nil) })
		report(err)
		if err != nil && ctx.Err() == nil {
			s.log.WithError(err).Errorf("%s %s stopped", s.kind, s.nodeID)
		}
		if ctx.Err() != nil || !s.awaitOnline(ctx) {
			return
		}
		s.log.Infof("%s %s is set to online: it is started again", s.kind, s.nodeID)
	}
}

// awaitOnline waits until the record says online; false when ctx ended before.
func (s *supervisor) awaitOnline(ctx context.Context) bool {
	for {
		_, err := nodes.WaitState(ctx, s.registry, s.kind, s.nodeID, nodes.Online)
		if err == nil {
			return true
		}
		if !nodes.Sleep(ctx, time.Second) { // PD is away, or the record is: look again
			return false
		}
	}
}
