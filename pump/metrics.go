package pump

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pumphouse/pump/storage"
)

// metrics are what upstream dashboards and alerts read, under its names. Counters
// exist at 0 from the start, so that an alert sees the first error.
type metrics struct {
	reg *prometheus.Registry

	rpcSeconds *prometheus.HistogramVec // {method,label}
	writeSize  *prometheus.HistogramVec // {type}
	writeTime  *prometheus.HistogramVec // {type}

	// What every write needs, looked up once.
	wrote, notWritten prometheus.Observer                       // of rpcSeconds
	sizes             [storage.Rollback + 1]prometheus.Observer // of writeSize, by storage.Type
	batches, syncs    prometheus.Observer                       // of writeTime

	errors    *prometheus.CounterVec // {type}
	purged    *prometheus.CounterVec // {id}
	abandoned *prometheus.CounterVec // {id}
	lost      prometheus.Counter
	accepted  prometheus.Counter
	deleted   prometheus.Counter
	gcTS      prometheus.Gauge // physical milliseconds, as all *_ts here
	doneGC    prometheus.Gauge
	waiting   prometheus.Gauge
}

func newMetrics(reg *prometheus.Registry) (*metrics, error) {
	opts := func(subsystem, name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "binlog", Subsystem: subsystem, Name: name, Help: help}
	}
	counter := func(o prometheus.Opts, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(o), labels)
	}
	gauge := func(o prometheus.Opts) prometheus.Gauge { return prometheus.NewGauge(prometheus.GaugeOpts(o)) }
	histogram := func(o prometheus.Opts, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: o.Namespace, Subsystem: o.Subsystem,
			Name: o.Name, Help: o.Help, Buckets: buckets}, labels)
	}
	m := &metrics{
		reg: reg,
		rpcSeconds: histogram(opts("pump", "rpc_duration_seconds", "Time a gRPC call took."),
			prometheus.ExponentialBuckets(0.00005, 2, 20), "method", "label"),
		writeSize: histogram(opts("pump_storage", "write_binlog_size", "Bytes of a stored binlog."),
			prometheus.ExponentialBuckets(16, 2, 25), "type"),
		writeTime: histogram(opts("pump_storage", "write_binlog_duration_time", "Time it took to store a batch of binlogs."),
			prometheus.ExponentialBuckets(0.00005, 2, 20), "type"),
		errors:    counter(opts("pump_storage", "error_count", "Errors by kind."), "type"),
		purged:    counter(opts("pump", "detected_drainer_binlog_purge_count", "Rounds of garbage collection that left a drainer without binlogs it had not consumed."), "id"),
		abandoned: counter(opts("pump", "abandoned_drainer_count", "Drainers that were not waited for when the pump went offline."), "id"),
		lost:      prometheus.NewCounter(prometheus.CounterOpts(opts("pump", "loss_binlog_count", "Transactions whose commit came and that cannot be delivered: the prewrite is not here, or drainers have passed the commit TS."))),
		accepted: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "pumphouse", Subsystem: "pump", Name: "accepted_loss_total",
			Help: "Starts with a log that knew less than the pump's record in PD (-accept-loss)."}),
		deleted: prometheus.NewCounter(prometheus.CounterOpts(opts("pump_storage", "deleted_kv_total", "Segments of the log that were removed."))),
		gcTS:    gauge(opts("pump_storage", "gc_ts", "Binlogs older than this may be removed; milliseconds since the epoch.")),
		doneGC:  gauge(opts("pump_storage", "done_gc_ts", "Binlogs older than this have been removed; milliseconds since the epoch.")),
		waiting: gauge(opts("pump", "waiting_for_drainers", "Drainers that a closing pump waits for.")),
	}
	for _, method := range []string{"WriteBinlog", "PullBinlogs"} {
		for _, label := range []string{"succ", "fail"} {
			m.rpcSeconds.WithLabelValues(method, label)
		}
	}
	for _, kind := range []string{"append", "pull", "gc", "invalid", "lost", "future_ts"} {
		m.errors.WithLabelValues(kind)
	}
	for _, kind := range []storage.Type{storage.Prewrite, storage.Commit, storage.Rollback} {
		m.sizes[kind] = m.writeSize.WithLabelValues(kind.String())
	}
	m.wrote, m.notWritten = m.rpcSeconds.WithLabelValues("WriteBinlog", "succ"), m.rpcSeconds.WithLabelValues("WriteBinlog", "fail")
	m.batches, m.syncs = m.writeTime.WithLabelValues("batch"), m.writeTime.WithLabelValues("sync")
	return m, register(reg, m.rpcSeconds, m.writeSize, m.writeTime, m.errors, m.purged, m.abandoned, m.lost, m.accepted, m.deleted, m.gcTS, m.doneGC, m.waiting)
}

// register adds metrics to a registry, which another pump must not use.
func register(reg *prometheus.Registry, all ...prometheus.Collector) error {
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register the pump's metrics: %w (each pump needs a registry of its own)", err)
		}
	}
	return nil
}

// knows makes the counters of a drainer exist.
func (m *metrics) knows(drainer string) {
	m.purged.WithLabelValues(drainer)
	m.abandoned.WithLabelValues(drainer)
}

// write hears how long a WriteBinlog took.
func (m *metrics) write(err error, took time.Duration) {
	if err != nil {
		m.notWritten.Observe(took.Seconds())
		return
	}
	m.wrote.Observe(took.Seconds())
}

// pull hears how long a PullBinlogs was served.
func (m *metrics) pull(err error, took time.Duration) {
	label := "succ"
	if err != nil {
		label = "fail"
	}
	m.rpcSeconds.WithLabelValues("PullBinlogs", label).Observe(took.Seconds())
}

func (m *metrics) size(rec storage.Record, bytes int) {
	m.sizes[rec.Type].Observe(float64(bytes))
}

// batch hears of every group write of the store.
func (m *metrics) batch(b storage.Batch) {
	m.batches.Observe((b.Write + b.Sync).Seconds())
	m.syncs.Observe(b.Sync.Seconds())
}

// watchClock registers how far PD's clock has gone back.
func (m *metrics) watchClock(h *horizon) error {
	return register(m.reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "binlog", Subsystem: "pump", Name: "pd_clock_back_seconds",
		Help: "By how much PD's clock is below the newest timestamp in the log; above 0 no new transactions are taken."}, func() float64 {
		if b := h.back.Load(); b != nil {
			return b.Known.Time().Sub(b.PD.Time()).Seconds()
		}
		return 0
	}))
}

// watch registers the figures that the store keeps itself.
func (m *metrics) watch(s *storage.Store) error {
	var all []prometheus.Collector
	fn := func(subsystem, name, help string, labels prometheus.Labels, read func(storage.Stats) float64, counter bool) {
		o := prometheus.Opts{Namespace: "binlog", Subsystem: subsystem, Name: name, Help: help, ConstLabels: labels}
		if counter {
			all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts(o), func() float64 { return read(s.Stats()) }))
			return
		}
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts(o), func() float64 { return read(s.Stats()) }))
	}
	size := func(kind string, read func(storage.Stats) float64) {
		fn("pump_storage", "storage_size_bytes", "Size of the disk and of what is stored on it.", prometheus.Labels{"type": kind}, read, false)
	}
	size("capacity", func(s storage.Stats) float64 { return float64(s.CapacityBytes) })
	size("available", func(s storage.Stats) float64 { return float64(s.AvailableBytes) })
	size("log", func(s storage.Stats) float64 { return float64(s.LogBytes) })
	size("index", func(s storage.Stats) float64 { return float64(s.IndexBytes) })
	fn("pump_storage", "max_commit_ts", "Up to here binlogs are in order; milliseconds since the epoch.", nil,
		func(s storage.Stats) float64 { return float64(s.MaxCommitTS.Physical()) }, false)
	fn("pump_storage", "query_tikv_count", "Questions to TiKV about unresolved transactions.", nil,
		func(s storage.Stats) float64 { return float64(s.Asked) }, true)
	fn("pump_storage", "unresolved_count", "Prewrites that are neither committed nor rolled back.", nil,
		func(s storage.Stats) float64 { return float64(s.Unresolved) }, false)
	fn("pump_storage", "oldest_unresolved_seconds", "Age of the oldest of them, which holds back what is after it.", nil,
		func(s storage.Stats) float64 { return s.OldestAge.Seconds() }, false)
	return register(m.reg, all...)
}

// watchSafePoint registers what the pump holds in PD.
func (m *metrics) watchSafePoint(state func() SafePoint) error {
	return register(m.reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "pumphouse", Subsystem: "pump", Name: "gc_safe_point_ts",
		Help: "TiKV's garbage collection is held back here, before the oldest unresolved transaction; milliseconds since the epoch, 0: it is not held."},
		func() float64 { return float64(state().TS.Physical()) }))
}
