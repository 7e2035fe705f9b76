package drainer

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pumphouse/binlogpb"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// metrics are what upstream dashboards and alerts read, under its names, and a few of
// ours. Counters exist at 0 from the start, so that an alert sees the first error.
type metrics struct {
	pumpPosition *prometheus.GaugeVec     // {nodeID}; physical milliseconds
	reach        *prometheus.HistogramVec // {nodeID}
	size         *prometheus.HistogramVec // {nodeID}
	held         *prometheus.GaugeVec     // {nodeID}
	errors       *prometheus.CounterVec   // {type}
	events       *prometheus.CounterVec   // {type}
	query        *prometheus.HistogramVec // {type}
	queue        *prometheus.GaugeVec     // {name}
	diverged     divergences
	ddlJobs      prometheus.Counter
	disorder     prometheus.Counter
	checkpoint   prometheus.Gauge // physical milliseconds
	delay        prometheus.Histogram
	execute      prometheus.Histogram
	lag          prometheus.Gauge
	standby      prometheus.Gauge

	reported atomic.Bool // the downstream reports execute itself

	pumps sync.Map // by node ID: *pumpMetrics
	event [3]prometheus.Counter
	ddl   prometheus.Counter

	rows    atomic.Uint64 // all of event's together, for /status
	lastDDL atomic.Pointer[lastDDL]
}

// pumpMetrics are those that every binlog touches.
type pumpMetrics struct{ reach, size prometheus.Observer }

func newMetrics(reg *prometheus.Registry) (*metrics, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "binlog", Subsystem: "drainer", Name: name, Help: help}
	}
	counter := func(o prometheus.Opts, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(o), labels)
	}
	gauge := func(o prometheus.Opts, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts(o), labels)
	}
	histogram := func(o prometheus.Opts, first float64, n int) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: o.Namespace, Subsystem: o.Subsystem, Name: o.Name, Help: o.Help,
			Buckets: prometheus.ExponentialBuckets(first, 2, n)}
	}
	const shortest = 0.00005 // seconds
	m := &metrics{
		pumpPosition: gauge(opts("pump_position", "Up to here a pump has delivered; milliseconds since the epoch."), "nodeID"),
		reach:        prometheus.NewHistogramVec(histogram(opts("binlog_reach_duration_time", "Seconds from a transaction's commit until its binlog came."), shortest, 18), []string{"nodeID"}),
		size:         prometheus.NewHistogramVec(histogram(opts("read_binlog_size", "Bytes of a pulled binlog."), 16, 30), []string{"nodeID"}),
		held:         gauge(opts("merge_held_seconds", "For how long a pump has kept everything from going downstream; 0: it does not."), "nodeID"),
		errors:       counter(opts("error_count", "Errors by kind."), "type"),
		events:       counter(opts("event", "Rows and DDL statements handed to the downstream."), "type"),
		query:        prometheus.NewHistogramVec(histogram(opts("query_duration_time", "Seconds of a statement downstream."), shortest, 18), []string{"type"}),
		queue:        gauge(opts("queue_size", "Bytes that are held: pulled and not merged (pull), merged and not applied (apply)."), "name"),
		diverged:     divergences{counter: counter(opts("divergences_total", "UPDATE and DELETE statements that did not find their rows downstream."), "table")},
		ddlJobs:      prometheus.NewCounter(prometheus.CounterOpts(opts("ddl_jobs_total", "DDL jobs that the table definitions follow."))),
		disorder:     prometheus.NewCounter(prometheus.CounterOpts(opts("disorder_binlog_count", "Binlogs that came after they were overtaken."))),
		checkpoint:   prometheus.NewGauge(prometheus.GaugeOpts(opts("checkpoint_tso", "The checkpoint; milliseconds since the epoch."))),
		delay:        prometheus.NewHistogram(histogram(opts("checkpoint_delay_seconds", "How far the checkpoint lags PD's clock."), 0.001, 22)),
		execute:      prometheus.NewHistogram(histogram(opts("execute_duration_time", "Seconds it took the downstream to take a batch."), shortest, 22)),
		lag:          prometheus.NewGauge(prometheus.GaugeOpts(opts("lag_seconds", "How far the downstream lags PD's clock."))),
	}
	m.standby = prometheus.NewGauge(prometheus.GaugeOpts(opts("standby", "1 while this process waits for the place of the active drainer, 0 while it is active or alone.")))
	for _, kind := range []string{"pull", "decode", "apply", "checkpoint"} {
		m.errors.WithLabelValues(kind)
	}
	for _, op := range []txn.Op{txn.Insert, txn.Update, txn.Delete} {
		name := map[txn.Op]string{txn.Insert: "Insert", txn.Update: "Update", txn.Delete: "Delete"}[op]
		m.event[op] = m.events.WithLabelValues(name)
		m.query.WithLabelValues(name)
	}
	m.ddl = m.events.WithLabelValues("DDL")
	m.query.WithLabelValues("DDL")
	m.diverged.counter.WithLabelValues(otherTables) // an alert needs a series before the first divergence
	m.queue.WithLabelValues("pull")
	m.queue.WithLabelValues("apply")
	for _, c := range []prometheus.Collector{m.pumpPosition, m.reach, m.size, m.held, m.errors, m.events, m.query, m.queue,
		m.diverged.counter, m.ddlJobs, m.disorder, m.checkpoint, m.delay, m.execute, m.lag, m.standby} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the drainer's metrics: %w (each drainer needs a registry of its own)", err)
		}
	}
	return m, nil
}

func (m *metrics) failed(kind string) { m.errors.WithLabelValues(kind).Inc() }

// executed is [Site.Executed].
func (m *metrics) executed(what string, took time.Duration) {
	if what == "" {
		m.reported.Store(true)
		m.execute.Observe(took.Seconds())
		return
	}
	m.query.WithLabelValues(what).Observe(took.Seconds())
}

// applied notes how long Apply took, unless the downstream tells more exact figures.
func (m *metrics) applied(took time.Duration) {
	if !m.reported.Load() {
		m.execute.Observe(took.Seconds())
	}
}

// pump makes the metrics of a pump exist.
func (m *metrics) pump(id string) *pumpMetrics {
	if p, ok := m.pumps.Load(id); ok {
		return p.(*pumpMetrics)
	}
	p, _ := m.pumps.LoadOrStore(id, &pumpMetrics{m.reach.WithLabelValues(id), m.size.WithLabelValues(id)})
	return p.(*pumpMetrics)
}

// gone removes what says where a pump is now, since nobody pulls from it any more.
func (m *metrics) gone(id string) {
	m.pumpPosition.DeleteLabelValues(id)
	m.held.DeleteLabelValues(id)
}

// counts are what is in a decoded batch.
type counts struct {
	seen int // transactions, those that were left out too
	rows [3]int
	ddl  int
	last *lastDDL
}

// lastDDL is a DDL statement that the sink has taken, as /status shows it.
type lastDDL struct {
	CommitTS nodes.TSO `json:"CommitTS"`
	Query    string    `json:"Query"`   // its first maxDDLShown bytes
	Applied  bool      `json:"Applied"` // it is downstream
}

// maxDDLShown is how much of a DDL statement /status shows, in bytes.
const maxDDLShown = 200

func (c *counts) add(t *sink.Txn) {
	if c.ddl += len(t.Early); t.DDL != nil {
		c.ddl++
		c.last = &lastDDL{CommitTS: t.CommitTS, Query: strings.ToValidUTF8(strings.Clone(t.Query[:min(len(t.Query), maxDDLShown)]), "")}
	}
	for _, change := range t.Changes {
		c.rows[change.Op]++
	}
	if t.Large != nil {
		for op, n := range t.Large.Counts {
			c.rows[op] += n
		}
	}
}

// taken notes that the sink has taken a decoded batch.
func (m *metrics) taken(p *decodedBatch) {
	for op, n := range p.counts.rows {
		m.event[op].Add(float64(n))
		m.rows.Add(uint64(n))
	}
	if p.counts.last != nil {
		m.lastDDL.Store(p.counts.last)
	}
	m.ddl.Add(float64(p.counts.ddl))
}

// received hears of everything that pumps deliver.
func (d *Drainer) received(pump string, b binlogpb.Delivery) {
	if b.Fake() {
		return // the pump tells the time
	}
	p := d.metrics.pump(pump)
	p.size.Observe(float64(len(b.Payload)))
	p.reach.Observe(max(0, d.clock.time().Sub(nodes.TSO(b.CommitTS).Time()).Seconds()))
}
