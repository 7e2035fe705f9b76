package life

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"pumphouse/nodes"
)

// problemMetrics adds pumphouse_node_problem{code,kind,node} to a node's metrics: 1 for each code of which the node
// has a problem, else 0; and pumphouse_node_looks_total{at,kind,node}, which says that the node goes on looking. They are not
// there before nodeID knows the ID.
func problemMetrics(reg *prometheus.Registry, s *nodes.Problems, kind nodes.Kind, nodeID func() string) error {
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

// nodeID is an ID that is decided after others have begun to ask for it.
type nodeID struct{ id atomic.Pointer[string] }

// set says what it is.
func (n *nodeID) set(id string) { n.id.Store(&id) }

// get gives it, "" before it is decided.
func (n *nodeID) get() string {
	if id := n.id.Load(); id != nil {
		return *id
	}
	return ""
}
