package web

import (
	"context"
	"fmt"
	"html/template"
	"slices"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/survey"
)

// shownEvents is how many of the newest events the page has.
const shownEvents = 20

// node is a row of the page. There may be thousands, each of a kilobyte: lists have pointers.
type node struct {
	Kind      nodes.Kind
	Record    nodes.Record
	Report    survey.Report
	Asked     bool // Report is one
	Reporting bool
	Silent    time.Duration // since the record was written
	Lag       time.Duration
	HasLag    bool
	Ending    string // how its last process ended, if none runs
}

// Name is the node's kind and ID.
func (n *node) Name() string { return n.Kind.String() + " " + n.Record.NodeID }

// view is all the page shows.
type view struct {
	Now      time.Time
	Version  string
	PD       []string
	Err      string // why the records cannot be read; then there is nothing else
	Problems []problem
	Pumps    []*node
	Drainers []*node
	Broken   []nodes.Broken
	Plot     plot
	Events   []audit.Event
	NoEvents string // why they cannot be read
}

// Waiting are the nodes that wait for something.
func (v view) Waiting() []*node {
	var out []*node
	for _, n := range slices.Concat(v.Drainers, v.Pumps) {
		if n.Asked && n.Report.WaitingFor() != "" {
			out = append(out, n)
		}
	}
	return out
}

// Turns are the drainers of which several processes take turns.
func (v view) Turns() []*node {
	return slices.DeleteFunc(slices.Clone(v.Drainers), func(n *node) bool { return !n.Asked || !n.Report.Turns })
}

// Holding reports whether a pump holds something back: a merge, or TiKV's garbage collection.
func (v view) Holding() bool {
	return slices.ContainsFunc(v.Pumps, func(n *node) bool {
		return n.Asked && (n.Report.GCSafePoint != 0 || n.Report.Unresolving(n.Record.NodeID) != "")
	})
}

// DDLs reports whether a drainer has run a DDL statement since its start.
func (v view) DDLs() bool {
	return slices.ContainsFunc(v.Drainers, func(n *node) bool { return n.Asked && n.Report.LastDDL != nil })
}

// Stopped are the nodes that have no process and are not offline.
func (v view) Stopped() []*node {
	var out []*node
	for _, n := range slices.Concat(v.Drainers, v.Pumps) {
		if n.Ending != "" && n.Record.State != nodes.Offline {
			out = append(out, n)
		}
	}
	return out
}

// look gathers what there is to show.
func (s *Server) look(ctx context.Context) view {
	v := s.lookAtNodes(ctx)
	if v.Err != "" {
		return v
	}
	v.Plot = s.plot(v)
	var err error
	if v.Events, err = s.opts.Events.List(ctx, shownEvents); err != nil {
		v.NoEvents = err.Error()
	}
	return v
}

// pdTimeout is how long the page and a scrape wait for PD, before they show that it is away. A statement,
// which shows nothing else then, may wait for longer.
const pdTimeout = 2 * time.Second

// lookAtNodes gathers what is known of the nodes, and no more: it is all that metrics need.
func (s *Server) lookAtNodes(ctx context.Context) view {
	v := view{Now: s.opts.Now().UTC(), Version: s.opts.Version}
	if s.opts.Endpoints != nil {
		v.PD = s.opts.Endpoints()
	}
	ctx, cancel := context.WithTimeout(ctx, pdTimeout)
	defer cancel()
	snap, err := s.opts.View.View(ctx, 0)
	if err != nil {
		v.Err = err.Error()
		v.Problems = s.withoutPD(v.Err)
		return v
	}
	for _, e := range snap.Pumps {
		v.Pumps = append(v.Pumps, s.node(e, v.Now))
	}
	for _, e := range snap.Drainers {
		v.Drainers = append(v.Drainers, s.node(e, v.Now))
	}
	v.Broken = snap.Broken
	v.Problems = s.problems(v)
	return v
}

// node is a record with what else is known.
func (s *Server) node(e nodes.Entry, now time.Time) *node {
	n := &node{Kind: e.Kind, Record: e.Record, Reporting: e.Record.Reporting(now, s.opts.Heartbeat), Silent: now.Sub(e.Record.UpdateTS.Time())}
	n.Lag, n.HasLag = e.Record.Lag(now, s.opts.Heartbeat)
	n.Report, n.Asked = s.opts.Survey.Report(e.Kind, e.Record.NodeID)
	if !n.Reporting || e.Record.State == nodes.Offline || e.Record.State == nodes.Paused && !n.Asked {
		n.Ending = nodes.EndingUnknown
		if exit, ok := s.opts.Survey.Exit(e.Kind, e.Record.NodeID); ok {
			n.Ending = exit.Ending(time.UTC)
		}
	}
	return n
}

// functions are what the template can call.
func functions() template.FuncMap {
	return template.FuncMap{
		"short": short,
		"clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"bytes": size,
		"rate": func(r survey.Report) string {
			if !r.HasRate {
				return "–"
			}
			return fmt.Sprintf("%.0f", r.Rate)
		},
		"heldBack": func(r survey.Report) string {
			if r.Unresolving(r.NodeID) == "" {
				return "–"
			}
			return fmt.Sprintf("transaction %s, unresolved for %s", r.OldestStartTS, short(r.OldestAge))
		},
		"word": func(s nodes.State) string {
			if s == "" {
				return "none"
			}
			return string(s)
		},
	}
}

// short prints a duration as people say it.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// size prints a number of bytes.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
