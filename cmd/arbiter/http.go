package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"

	"pumphouse/drainer/arbiter"
	"pumphouse/nodes/port"
)

// page is what arbiter answers over HTTP.
type page struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}
}

// listen binds addr. Nothing is answered yet.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w: is another arbiter running there? (-addr)", addr, err)
	}
	return l, nil
}

// serve answers on a listener: metrics, how far the run is, and profiles to this machine.
func serve(l net.Listener, reg *prometheus.Registry, shown map[string]any, a *arbiter.Arbiter, log logrus.FieldLogger) *page {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /status", port.Answer(log, func(*http.Request) (any, error) { return a.Status(), nil }))
	mux.HandleFunc("GET /config", port.Answer(log, port.AdminAny.ConfigHandler(shown)))
	port.Profiles(mux, log, port.AdminAny, false)
	p := &page{listener: l, done: make(chan struct{}),
		server: &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}}
	go func() {
		defer close(p.done)
		if err := p.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.WithError(err).Error("metrics are not served any more")
		}
	}()
	return p
}

func (p *page) close() {
	_ = p.server.Close() // whoever asks just now asks again elsewhere
	<-p.done
}
