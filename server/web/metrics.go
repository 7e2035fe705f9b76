package web

import (
	"context"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"pumphouse/nodes"
)

// collector gives the cluster's metrics as they are at the time of a scrape. One is answered at a time.
type collector struct {
	s     *Server
	descs map[string]*prometheus.Desc // by name
}

// desc describes a metric of ours.
func (c *collector) desc(name, help string, labels ...string) *prometheus.Desc {
	d, ok := c.descs[name]
	if !ok {
		d = prometheus.NewDesc("pumphouse_"+name, help, labels, nil)
		c.descs[name] = d
	}
	return d
}

// Describe implements prometheus.Collector: what comes depends on the cluster.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), makeTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.desc("build_info", "1, with the version of the console.", "version"), 1, c.s.opts.Version)
	c.console(gauge)
	ch <- prometheus.MustNewConstMetric(c.desc("console_rounds_total",
		"Rounds in which the console has asked the nodes for their problems. While this stands still, what is said of their problems is as old as that."),
		prometheus.CounterValue, float64(c.s.opts.Survey.Rounds()))
	v := c.s.lookAtNodes(ctx)
	up := 1.0
	if v.Err != "" {
		up = 0
	}
	gauge(c.desc("pd_up", "1 while the node records in PD can be read."), up)
	c.problems(gauge, v)
	if v.Err != "" {
		return
	}
	gauge(c.desc("broken_records", "Keys below the node prefixes in PD whose value is not a valid record."), float64(len(v.Broken)))
	for _, n := range slices.Concat(v.Pumps, v.Drainers) {
		c.node(gauge, n)
	}
}

// problems gives each code of each node once.
func (c *collector) problems(gauge func(*prometheus.Desc, float64, ...string), v view) {
	seen := make(map[problem]bool)
	for _, p := range v.Problems {
		p = problem{p.Kind, p.NodeID, nodes.Problem{Code: p.Code}}
		if !seen[p] {
			seen[p] = true
			gauge(c.desc("node_problem", "1 while the node (kind console: this console) has a problem of this code: docs/problems.md, HELP 'code'.", "kind", "node", "code"), 1,
				p.Kind, p.NodeID, string(p.Code))
		}
	}
}

// console gives the front end's own counters.
func (c *collector) console(gauge func(*prometheus.Desc, float64, ...string)) {
	if c.s.opts.Status == nil {
		return
	}
	status := c.s.opts.Status()
	for _, m := range []struct{ name, variable, help string }{
		{"console_connections", "Threads_connected", "MySQL clients connected."},
		{"console_questions_total", "Questions", "Statements that clients sent."},
		{"console_uptime_seconds", "Uptime", "Seconds since the console started."},
	} {
		if v, err := strconv.ParseFloat(status[m.variable], 64); err == nil {
			gauge(c.desc(m.name, m.help), v)
		}
	}
}

// node gives what is known of one node.
func (c *collector) node(gauge func(*prometheus.Desc, float64, ...string), n *node) {
	kind, id := n.Kind.String(), n.Record.NodeID
	put := func(name, help string, v float64) { gauge(c.desc(name, help, "kind", "node"), v, kind, id) }
	gauge(c.desc("node_state", "1 for the state that the node's record has.", "kind", "node", "state", "address"), 1,
		kind, id, string(n.Record.State), n.Record.Host)
	put("node_reporting", "1 if the node wrote its record within three heartbeats.", truth(n.Reporting))
	put("node_update_age_seconds", "Seconds since the node wrote its record.", n.Silent.Seconds())
	put("node_max_commit_ts_seconds", "Time of the node's position, seconds since 1970.", float64(n.Record.MaxCommitTS.Time().UnixMilli())/1e3)
	if n.HasLag {
		put("node_lag_seconds", "Seconds by which the node's position lags PD's clock.", n.Lag.Seconds())
	}
	if !n.Asked {
		return
	}
	r := n.Report
	put("node_reachable", "1 if the node answered /status.", truth(r.Err == ""))
	if r.Err != "" {
		return
	}
	put("node_waiting", "1 while the node waits for another one (see the page).", truth(r.WaitingFor() != ""))
	if n.Kind == nodes.Pump {
		put("pump_unresolved", "Prewrites of which the pump does not know the end.", float64(r.Unresolved))
		put("pump_unresolved_seconds", "Seconds for which the pump has been waiting for the outcome of the transaction that holds it back; 0: of none.", r.OldestAge.Seconds())
		put("pump_log_bytes", "Bytes that the pump's log takes on disk.", float64(r.LogBytes))
		put("pump_available_bytes", "Bytes left on the pump's file system.", float64(r.AvailableBytes))
		put("pump_purged_ts_seconds", "Binlogs up to this time are purged, seconds since 1970; 0: none.", float64(r.PurgedTS.Time().UnixMilli())/1e3)
	}
	if r.Turns {
		put("drainer_standbys", "Processes that wait for the place of a drainer with standby = true; 0: nobody would take over.", float64(len(r.Standbys)))
	}
	if r.HeldBy != "" {
		gauge(c.desc("drainer_held_seconds", "Seconds since when a pump holds the drainer's merge.", "node", "pump"),
			max(c.s.opts.Now().Sub(r.HeldSince).Seconds(), 0), id, r.HeldBy)
	}
	for pump, ts := range r.Positions {
		gauge(c.desc("drainer_pulled_ts_seconds", "Time up to which the drainer has pulled from the pump, seconds since 1970.", "node", "pump"),
			float64(ts.Time().UnixMilli())/1e3, id, pump)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
