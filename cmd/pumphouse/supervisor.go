package main

import (
	"context"
	"errors"
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
	for {
		first, final, err := awaitOrder(ctx, agent, over)
		if err != nil {
			return err
		}
		err = writeState(life, agent, first)
		var ordered *nodes.OrderedError
		switch {
		case errors.As(err, &ordered) && ordered.Instruction.Order == nodes.Resume && ctx.Err() == nil:
			continue // the order was taken back before it was carried out
		case ordered != nil:
			err = writeState(life, agent, first)
		}
		if err != nil {
			return err
		}
		stop()
		if err := writeState(life, agent, final); err != nil {
			return err
		}
		return <-over
	}
}

// awaitOrder gives the two states that lead to where the node is ordered to, or to paused
// when ctx ends.
func awaitOrder(ctx context.Context, agent *nodes.Agent, over <-chan error) (first, final nodes.State, err error) {
	for {
		select {
		case err := <-over:
			return "", "", err
		case <-ctx.Done():
			return nodes.Pausing, nodes.Paused, nil
		case in := <-agent.Orders():
			switch in.Order {
			case nodes.Pause:
				return nodes.Pausing, nodes.Paused, nil
			case nodes.Leave:
				return nodes.Closing, nodes.Offline, nil
			}
		}
	}
}

func writeState(ctx context.Context, agent *nodes.Agent, s nodes.State) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return agent.SetState(ctx, s)
}
