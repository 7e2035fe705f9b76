package daemon

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"pumphouse/nodes"
)

// ProblemMetrics adds pumphouse_node_problem{code,kind,node} to a node's metrics: 1 for each code of which the node
// has a problem, else 0; and pumphouse_node_looks_total{at,kind,node}, which says that the node goes on looking. They are not
// there before nodeID knows the ID.
func ProblemMetrics(reg *prometheus.Registry, s *nodes.Problems, kind nodes.Kind, nodeID func() string) error {
	return reg.Register(&problemCollector{s, kind, nodeID})
}

type problemCollector struct {
	problems *nodes.Problems
	kind     nodes.Kind
	nodeID   func() string
}

var problemDesc = prometheus.NewDesc("pumphouse_node_problem",
	"1 while the node has a problem of this code (docs/problems.md); /status says which.", []string{"code", "kind", "node"}, nil)

var looksDesc = prometheus.NewDesc("pumphouse_node_looks_total",
	"Looks of the node for problems that have ended: at itself (node) and at what PD holds (pd). While one stands still, pumphouse_node_problem is as old as that.",
	[]string{"at", "kind", "node"}, nil)

// Describe implements prometheus.Collector.
func (c *problemCollector) Describe(ch chan<- *prometheus.Desc) { ch <- problemDesc; ch <- looksDesc }

// Collect implements prometheus.Collector.
func (c *problemCollector) Collect(ch chan<- prometheus.Metric) {
	id := c.nodeID()
	if id == "" {
		return
	}
	for _, at := range []nodes.Sight{nodes.AtItself, nodes.InPD} { // before the list, which has what these looks have found
		ch <- prometheus.MustNewConstMetric(looksDesc, prometheus.CounterValue, float64(c.problems.Looks(at)), string(at), c.kind.String(), id)
	}
	has := make(map[nodes.ProblemCode]float64)
	for _, p := range c.problems.List() {
		has[p.Code] = 1
	}
	for _, code := range nodes.ProblemCodes() {
		ch <- prometheus.MustNewConstMetric(problemDesc, prometheus.GaugeValue, has[code], string(code), c.kind.String(), id)
	}
}

// ErrStopped says that an order or a signal ended a start, and that the record is as it should be.
var ErrStopped = errors.New("the start was stopped")

// StartEnded gives what a node's Open fails with: err, from which taking back what it had done gave aborted, and whether
// an order or a signal was the reason. ctx is the start's.
func StartEnded(ctx context.Context, err, aborted error) error {
	var sig *signalError
	cause := context.Cause(ctx)
	if aborted == nil && (errors.Is(cause, errOrdered) || errors.As(cause, &sig)) {
		return errors.Join(ErrStopped, err)
	}
	return errors.Join(err, aborted)
}
