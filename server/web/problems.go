package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"pumphouse/nodes"
)

// problem is a row of the page's first section, and a sample of the metric node_problem.
type problem struct {
	Kind   string // pump, drainer or console
	NodeID string
	nodes.Problem
}

// Name is whose problem it is.
func (p problem) Name() string { return strings.TrimSpace(p.Kind + " " + p.NodeID) }

// problems gathers what is wrong: what nodes say themselves, why they exited, what their records show, and what is
// wrong with the console. The oldest come first; those of which nobody knows the time, last.
func (s *Server) problems(v view) []problem {
	var list []problem
	add := func(kind, nodeID string, p nodes.Problem) { list = append(list, problem{kind, nodeID, p}) }
	for _, kind := range nodes.Kinds() {
		for _, t := range s.opts.Survey.Troubles(kind) {
			if t.Exit != nil {
				t.Text, t.Cure = strings.Replace(t.Exit.Ending(time.UTC), "["+string(t.Code)+"] ", "", 1), ""
			}
			add(kind.String(), t.NodeID, t.Problem)
		}
	}
	for _, p := range s.opts.Survey.Own() {
		add("console", "", p)
	}
	for _, b := range v.Broken {
		add(b.Kind.String(), "", nodes.Problem{Code: nodes.ProblemRecordBroken, Text: fmt.Sprintf("the record %s cannot be read: %v", b.ShownKey(), b.Err),
			Cure: "find out which program wrote it, and start the node, which writes it again"})
	}
	for _, n := range slices.Concat(v.Pumps, v.Drainers) {
		for _, p := range n.problems(v) {
			add(n.Kind.String(), n.Record.NodeID, p)
		}
	}
	slices.SortStableFunc(list, func(a, b problem) int {
		if a.Since.IsZero() != b.Since.IsZero() {
			return cmp.Compare(b.Since.Unix(), a.Since.Unix())
		}
		return a.Since.Compare(b.Since)
	})
	return list
}

// withoutPD are the problems when the records cannot be read: nothing is known of the nodes then.
func (s *Server) withoutPD(why string) []problem {
	list := []problem{{"console", "", nodes.Problem{Code: nodes.ProblemPDAway, Text: why,
		Cure: "check that PD runs and has a leader, and that this machine reaches it (-pd-urls)"}}}
	for _, p := range s.opts.Survey.Own() {
		if p.Code != nodes.ProblemPDAway {
			list = append(list, problem{"console", "", p})
		}
	}
	return list
}

// problems are what a node's record and the questions to it show.
func (n *node) problems(v view) []nodes.Problem {
	var list []nodes.Problem
	r := &n.Record
	running := r.State != nodes.Paused && r.State != nodes.Offline
	if running && !n.Reporting {
		list = append(list, nodes.NotReporting(n.Kind, *r, v.Now, n.Ending == nodes.EndingUnknown))
	}
	blocking := n.Kind == nodes.Pump && r.State != nodes.Offline && (r.State == nodes.Paused || r.State == nodes.Pausing || !n.Reporting)
	if blocking && slices.ContainsFunc(v.Drainers, func(d *node) bool { return d.Record.State != nodes.Offline }) {
		list = append(list, nodes.Problem{Code: nodes.ProblemReplicationBlocked, Since: r.UpdateTS.Time(),
			Text: fmt.Sprintf("it is %s and serves nothing, so that drainers apply nothing newer than what it has shown them", r.State),
			Cure: fmt.Sprintf("start it, or give up what drainers have not consumed of it: binlogctl -cmd update-pump -node-id %s -state offline", r.NodeID)})
	}
	said := func(pump string) bool {
		return slices.ContainsFunc(n.Report.Problems, func(p nodes.Problem) bool {
			return p.Code == nodes.ProblemPumpUnreachable && (p.Key == pump || p.Key == "")
		})
	}
	for pump, why := range n.Report.Unreached {
		if !said(pump) {
			list = append(list, nodes.Problem{Code: nodes.ProblemPumpUnreachable, Key: pump, Text: fmt.Sprintf("it cannot pull from pump %s: %s", pump, why),
				Cure: "start the pump, or check the way from the drainer to it"})
		}
	}
	slices.SortFunc(list, func(a, b nodes.Problem) int { return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Key, b.Key)) })
	return list
}
