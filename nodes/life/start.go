package life

import (
	"context"
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/logs"
	"pumphouse/nodes"
	"pumphouse/nodes/datadir"
	"pumphouse/nodes/port"
)

// Start does a step of the start; log says how far it is when it takes long.
func (n *Node) Start(ctx context.Context, step string, do func(context.Context) error, log logrus.FieldLogger) error {
	n.HowFar = new(logs.HowFar)
	defer logs.Step(log, step, n.HowFar.Fields)()
	return do(ctx)
}

// StartFailed ends a start that has failed in a step, and gives what Open fails with. It leaves why in PD, if that is this process's
// to say, and has abort take back what was done. When an order or a signal was the reason and all is as before, that is [ErrStopped].
func (n *Node) StartFailed(ctx context.Context, step string, err error, says bool, abort func() error) error {
	cause := err
	if ctx.Err() != nil {
		cause = context.Cause(ctx)
	}
	if says {
		n.leaveExit(cause, nodes.LastExit{Starting: true})
	}
	err = fmt.Errorf("start %s: %s: %w", n.Kind, step, err)
	var sig *signalError
	if aborted := abort(); aborted != nil {
		return errors.Join(err, aborted)
	}
	if cause := context.Cause(ctx); errors.Is(cause, errOrdered) || errors.As(cause, &sig) {
		return errors.Join(ErrStopped, err)
	}
	return err
}

// OpenDir locks the data directory.
func (n *Node) OpenDir(context.Context) (err error) {
	n.Dir, err = datadir.Open(n.opts.DataDir)
	return err
}

// Listen gives the step that binds the port and, if one is named, a Unix socket. Nothing is accepted yet.
func (n *Node) Listen(socket string) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		n.Port, err = port.Listen(ctx, n.opts.Addr, n.opts.AdvertiseAddr, socket)
		return err
	}
}

// DecideID finds out which node this is; the port is bound by then.
func (n *Node) DecideID(context.Context) (err error) {
	if n.ID, err = n.Dir.NodeID(n.opts.NodeID, n.Port.Advertised()); err != nil {
		return err
	}
	n.Log = n.Log.WithFields(logrus.Fields{"kind": n.Kind.String(), "node": n.ID})
	n.id.set(n.ID)
	return nil
}

// ReadRecord learns what the node's record in PD says of its last life.
func (n *Node) ReadRecord(ctx context.Context) (err error) {
	n.Recorded, err = n.opts.Registry.LastRecord(ctx, n.Kind, n.ID)
	return err
}

// AgentOptions completes those of the node's agent with what every node has.
func (n *Node) AgentOptions(o nodes.AgentOptions) nodes.AgentOptions {
	o.Kind, o.NodeID, o.Host, o.Heartbeat = n.Kind, n.ID, n.Port.Advertised(), n.opts.Heartbeat
	o.Registry, o.Logger, o.Now = n.opts.Registry, n.opts.Logger, n.opts.Now
	return o
}

// Claim makes the record this process's, and paused.
func (n *Node) Claim(ctx context.Context, o nodes.AgentOptions) (err error) {
	if n.Agent, err = nodes.NewAgent(n.AgentOptions(o)); err != nil {
		return err
	}
	return n.Agent.Register(ctx, nodes.Paused)
}

// GoOnline has the record say online, which with says the fields is logged. If somebody has ordered the node to pause or to leave
// meanwhile, it gives that order.
func (n *Node) GoOnline(ctx context.Context, says func() logrus.Fields) (nodes.Order, error) {
	err := n.Agent.SetState(ctx, nodes.Online)
	var ordered *nodes.OrderedError
	if errors.As(err, &ordered) && (ordered.Instruction.Order == nodes.Pause || ordered.Instruction.Order == nodes.Leave) {
		return ordered.Instruction.Order, nil
	}
	if err != nil {
		return nodes.NoOrder, err
	}
	n.removeExit(ctx)
	n.Log.WithField("addr", n.Port.Advertised()).WithFields(says()).Infof("%s is online", n.Kind)
	return nodes.NoOrder, nil
}
