package main

import (
	"context"
	"time"

	"pumphouse/nodes"

	"github.com/sirupsen/logrus"
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
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Second): // PD is away, or the record is: look again
		}
	}
}

// obeyRecord keeps the record of a node that has nothing to do but to be there. stop ends
// its work before the final state is written.
func obeyRecord(ctx context.Context, opts nodes.AgentOptions, ready, stop func()) error {
	agent, err := nodes.NewAgent(opts)
	if err != nil {
		return err
	}
	if err := agent.Register(ctx, nodes.Online); err != nil {
		return err
	}
	ready()
	// The agent outlives ctx: the final state still has to be written.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	over := make(chan error, 1)
	go func() { over <- agent.Run(life) }()
	steps := []nodes.State{nodes.Pausing, nodes.Paused}
	for obeyed := false; !obeyed; {
		select {
		case err := <-over:
			return err
		case <-ctx.Done():
			obeyed = true
		case in := <-agent.Orders():
			switch in.Order {
			case nodes.Pause:
				obeyed = true
			case nodes.Leave:
				steps, obeyed = []nodes.State{nodes.Closing, nodes.Offline}, true
			}
		}
	}
	for i, state := range steps {
		if i == len(steps)-1 {
			stop()
		}
		bounded, cancel := context.WithTimeout(life, 5*time.Second)
		err := agent.SetState(bounded, state)
		cancel()
		if err != nil {
			return err
		}
	}
	return <-over
}
