package pump

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pumphouse/internal/version"
	"pumphouse/nodes"
	"pumphouse/nodes/port"
	"pumphouse/pump/storage"
	"pumphouse/pump/takeover"
)

// takeOver imports the binlogs of an upstream pump that has left them in the data directory.
func (p *Pump) takeOver(ctx context.Context) error {
	return takeover.Run(ctx, takeover.Options{DataDir: p.opts.DataDir, Store: storage.Options{Dir: storeDir(p.opts.DataDir), Logger: p.Log},
		Sorted: p.Recorded.MaxCommitTS, KeepFree: p.opts.StopWriteAtAvailable, Begin: p.serveImport, Logger: p.Log})
}

// serveImport answers /status and /metrics during an import.
func (p *Pump) serveImport(progress *takeover.Progress) (end func()) {
	err := p.metrics.watchImport(progress)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", port.Answer(p.Log, func(*http.Request) (any, error) { return importStatus(progress.Status()), nil }))
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.opts.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/", port.Answer(p.Log, func(*http.Request) (any, error) {
		return nil, &port.HTTPError{Code: http.StatusServiceUnavailable, Err: errors.New(importStatus(progress.Status()).ErrMsg)}
	}))
	var serveErr error
	end, serveErr = p.Port.ServeMeanwhile(p.opts.Security, mux)
	if err := errors.Join(err, serveErr); err != nil {
		p.Log.WithError(err).Warn("the progress of the import cannot be asked for over HTTP; the log has it")
	}
	if end == nil {
		end = func() {}
	}
	return end
}

// importStatus is the answer of /status during an import.
func importStatus(s takeover.Status) pumpStatus {
	left := "not known yet"
	if s.ETASeconds >= 0 {
		left = fmt.Sprintf("%d s", s.ETASeconds)
	}
	return pumpStatus{Status: map[string]nodes.Record{}, Version: version.Number, Import: &s, Problems: []nodes.Problem{},
		ErrMsg: fmt.Sprintf("the pump is importing the binlogs of an upstream pump: %d of %d MiB are done, time left: %s", s.DoneBytes>>20, s.TotalBytes>>20, left)}
}

// watchImport registers how far an import is.
func (m *metrics) watchImport(p *takeover.Progress) error {
	gauge := func(name, help string, read func(takeover.Status) int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "pumphouse", Subsystem: "pump", Name: name, Help: help},
			func() float64 { return float64(read(p.Status())) })
	}
	return register(m.reg,
		gauge("import_total_bytes", "Size of the upstream pump's log that is imported.", func(s takeover.Status) int64 { return s.TotalBytes }),
		gauge("import_done_bytes", "How much of it is imported.", func(s takeover.Status) int64 { return s.DoneBytes }))
}

// forgetOld removes the files of the upstream pump that was taken over, when they are older than the GC time.
func (p *Pump) forgetOld() {
	gone, err := takeover.ForgetOlder(p.opts.DataDir, p.opts.GC, p.opts.Now())
	switch {
	case err != nil:
		p.Log.WithError(err).Warn("cannot remove the files of the upstream pump that was taken over")
	case gone:
		p.Log.Info("the files of the upstream pump that was taken over are removed: they are older than the GC time")
	}
}
