package arbiter

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// metrics are upstream's, under their names, and a few of ours.
type metrics struct {
	checkpoint prometheus.Gauge
	query      *prometheus.HistogramVec // {type}
	events     *prometheus.CounterVec   // {type}
	queue      *prometheus.GaugeVec     // {name}
	latency    prometheus.Histogram
	repeated   prometheus.Counter
	left       prometheus.Gauge
	ddl        prometheus.Counter

	rows    atomic.Uint64
	read    atomic.Int64  // the offset after the last message that was read
	end     atomic.Int64  // of the topic, at the last look
	applied atomic.Uint64 // the checkpoint, a commit TS
}

func newMetrics(reg *prometheus.Registry) (*metrics, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "binlog", Subsystem: "arbiter", Name: name, Help: help}
	}
	histogram := func(name, help string, n int) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: "binlog", Subsystem: "arbiter", Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.00005, 2, n)}
	}
	m := &metrics{
		checkpoint: prometheus.NewGauge(prometheus.GaugeOpts(opts("checkpoint_tso", "The checkpoint; milliseconds since the epoch."))),
		query:      prometheus.NewHistogramVec(histogram("query_duration_time", "Seconds of a transaction (exec) or a statement of DDL downstream.", 18), []string{"type"}),
		events:     prometheus.NewCounterVec(prometheus.CounterOpts(opts("event", "Rows, DDL statements and transactions handed to the downstream.")), []string{"type"}),
		queue:      prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("queue_size", "Messages that have come from Kafka and are not taken yet (kafka_reader).")), []string{"name"}),
		latency:    prometheus.NewHistogram(histogram("txn_latency_seconds", "Seconds from a commit upstream until it was noticed downstream, once for each checkpoint.", 20)),
		repeated:   prometheus.NewCounter(prometheus.CounterOpts(opts("repeated_messages_total", "Messages that were left out since they had come before."))),
		left:       prometheus.NewGauge(prometheus.GaugeOpts(opts("messages_left", "Messages in the topic that have not been read."))),
	}
	for _, name := range []string{"exec", "DDL"} {
		m.query.WithLabelValues(name)
	}
	for _, name := range []string{"Insert", "Update", "Delete", "Txn"} {
		m.events.WithLabelValues(name)
	}
	m.ddl = m.events.WithLabelValues("DDL")
	m.queue.WithLabelValues("kafka_reader")
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.checkpoint, m.query, m.events, m.queue, m.latency, m.repeated, m.left} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register arbiter's metrics: %w", err)
		}
	}
	return m, nil
}

// divergent adds the count of statements that did not find their rows.
func divergent(reg *prometheus.Registry, count func() uint64) error {
	if reg == nil {
		return nil
	}
	return reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "binlog", Subsystem: "arbiter", Name: "divergences_total",
		Help: "UPDATE and DELETE statements that did not find their rows downstream."}, func() float64 { return float64(count()) }))
}

// sink are the figures that the MySQL sink gives.
func (m *metrics) sink() mysql.Metrics {
	return mysql.Metrics{
		Executed: func(took time.Duration, _, _ int) { m.query.WithLabelValues("exec").Observe(took.Seconds()) },
		DDL:      func(took time.Duration) { m.query.WithLabelValues("DDL").Observe(took.Seconds()) },
	}
}

func (m *metrics) count(t *sink.Txn) {
	m.events.WithLabelValues("Txn").Inc()
	m.rows.Add(uint64(len(t.Changes)))
	var n [3]float64
	for _, c := range t.Changes {
		n[c.Op]++
	}
	for op, name := range map[txn.Op]string{txn.Insert: "Insert", txn.Update: "Update", txn.Delete: "Delete"} {
		m.events.WithLabelValues(name).Add(n[op])
	}
}

// saved notes the checkpoint.
func (m *metrics) saved(ts nodes.TSO) {
	m.checkpoint.Set(float64(ts.Time().UnixMilli()))
	if was := m.applied.Swap(uint64(ts)); was != 0 && was != uint64(ts) {
		m.latency.Observe(time.Since(ts.Time()).Seconds())
	}
}
