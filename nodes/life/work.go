package life

import (
	"context"
	"time"

	"pumphouse/nodes"
)

// RunAgent starts the node's agent. The context is for what ends with it, when the final state is in PD.
func (n *Node) RunAgent() context.Context {
	ctx, end := context.WithCancel(context.Background())
	n.endAgent = end
	n.Keeper.Run("agent", func() error { return n.Agent.Run(ctx) })
	return ctx
}

// Live goes through the states of the node's life; when the last one is over no orders are taken any more.
func (n *Node) Live(ctx context.Context) {
	for state := n.First; state != nil; {
		state = state(ctx)
	}
	n.Life.takeNoMore()
}

// Online is the state in which a node works: it returns with the order that ends that, and whether it was a signal's, or with what
// has failed. failed, which may be nil, tells of failures beside those of the workers and the port; look is called once a second.
func (n *Node) Online(failed <-chan error, look func() error) (order nodes.Order, signalled bool, err error) {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		order, signalled = nodes.NoOrder, false
		select {
		case in := <-n.Agent.Orders():
			order = in.Order
		case r := <-n.Life.Requests():
			order, signalled = r.Order, r.Signalled()
			r.Reply(nil)
		case err = <-n.Workers.Failed:
		case err = <-n.Port.Failed():
		case err = <-failed:
		case <-again.C:
			if err = look(); err == nil && n.Agent.State() != nodes.Online { // PD was away when the node came back here
				n.Move(nodes.Online)
			}
		}
		if err != nil || order != nodes.NoOrder && order != nodes.Resume {
			return order, signalled, err
		}
	}
}

// Broken notes why the node cannot go on.
func (n *Node) Broken(err error) {
	n.Log.WithError(err).Errorf("the %s cannot go on and pauses", n.Kind)
	n.Cause = err
	n.Problems.Set(nodes.ProblemOf(err))
}
