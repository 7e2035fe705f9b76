package life

import (
	"context"
	"net"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/logs"
	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/datadir"
	"pumphouse/nodes/port"
)

// Node is what a pump and a drainer have alike, and each of them has one: where it works and is reached, its record and agent in PD,
// its problems, and the parts that work by themselves. What it does is written in the pump and in the drainer: the steps of its start
// and its states.
type Node struct {
	Kind     nodes.Kind
	Log      logrus.FieldLogger // says which node it is once that is decided
	Problems *nodes.Problems
	Life     *Life
	Workers  Group // the parts that end before the record is finished
	Keeper   Group // the agent, which outlives them

	// Set by the steps of the start, in this order, and not changed afterwards.
	Dir      *datadir.Dir
	Port     *port.Port
	ID       string
	Recorded nodes.Record // what PD said of the last life; its NodeID is empty if there was none
	Agent    *nodes.Agent

	// The lifecycle's own.
	HowFar *logs.HowFar // of the step of the start that is under way
	First  State        // after the start
	Final  nodes.State  // what the record will say in the end
	Cause  error        // why the node stops, if not because it was asked to

	opts     Options
	id       nodeID // ID, for the metrics
	endAgent context.CancelFunc
}

// State is one state of a node's life: it returns when that is over, and gives the next; nil: everything is to be stopped.
type State func(context.Context) State

// NewNode is for options that are complete. takesOrders gives the state by which orders are accepted, while it is online; nil: that of
// the record.
func NewNode(kind nodes.Kind, opts Options, takesOrders func() nodes.State) (*Node, error) {
	failed := make(chan error, 1)
	n := &Node{Kind: kind, Log: opts.Logger, Problems: new(nodes.Problems), opts: opts,
		Workers: Group{Failed: failed}, Keeper: Group{Failed: failed}}
	if takesOrders == nil {
		takesOrders = n.State
	}
	n.Life = newLife(kind, takesOrders)
	return n, problemMetrics(opts.Metrics, n.Problems, kind, n.id.get)
}

// NodeID is the node's ID, known after its Open.
func (n *Node) NodeID() string { return n.ID }

// Addr is the address listened on, known after Open.
func (n *Node) Addr() net.Addr { return n.Port.Addr() }

// State is what the node's record says, as far as the node knows; "" before it has one.
func (n *Node) State() nodes.State {
	if n.Agent == nil {
		return ""
	}
	return n.Agent.State()
}

// Pause asks the node to pause, as a signal does, and returns when the node has heard it.
// When it is pausing or going offline already, it stops waiting for anything and ends as paused.
func (n *Node) Pause() { n.Life.Pause() }

// Offline asks the node to leave the cluster, as PUT /state/ID/close does.
func (n *Node) Offline(ctx context.Context) error { return n.Life.Ask(ctx, nodes.Leave) }

// Wait returns when the node has ended and its final state is in PD: nil after a pause or
// after it went offline as asked, otherwise why it ended.
func (n *Node) Wait() error { return n.Life.Wait() }

// Close pauses the node, as a signal does, and waits for its end. It may be called again.
func (n *Node) Close() error { return n.Life.Close() }

// Problem notes an error under a code, or that there is none.
func (n *Node) Problem(code nodes.ProblemCode, err error, cure string) {
	if err == nil {
		n.Problems.Clear(code)
		return
	}
	n.Problems.Set(nodes.Problem{Code: code, Text: err.Error(), Cure: cure})
}

// Health is what looks for the node's problems.
func (n *Node) Health() *Health {
	return &Health{Problems: n.Problems, Kind: n.Kind, NodeID: n.ID, Agent: n.Agent, Registry: n.opts.Registry,
		Security: n.opts.Security, Log: n.Log, Now: n.opts.Now}
}

// LossAccepted has the audit say that the node was started with -accept-loss, and with what result.
func (n *Node) LossAccepted(ctx context.Context, result string) {
	audit.New(audit.Options{Registry: n.opts.Registry, Logger: n.Log}).Record(ctx, audit.Event{
		Kind: n.Kind, NodeID: n.ID, Host: n.Port.Advertised(), Old: n.Recorded.State, New: n.Recorded.State, Source: audit.Node, Statement: "-accept-loss",
		Result: result})
}
