package web

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// FreshFor is how old what a reader gets may be: the page, or the metrics, are made once for all who ask in that time.
const FreshFor = time.Second

const (
	makeTimeout = 8 * time.Second  // of reading PD; Prometheus gives up after 10 s
	maxVersions = 3                // of the page that are being sent at once
	sendTimeout = 15 * time.Second // after which a reader is cut
)

// shared makes something for all who ask within a second. While it is made the others wait.
type shared[T any] struct {
	make func(ctx context.Context) (T, error)
	now  func() time.Time

	mu   sync.Mutex
	at   time.Time // when the last one was made
	last T
	err  error
}

// get gives the newest one.
func (s *shared[T]) get() (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.IsZero() || s.now().Sub(s.at) >= FreshFor {
		// Not with the context of one of those who wait: it would end for all.
		ctx, cancel := context.WithTimeout(context.Background(), makeTimeout)
		defer cancel()
		s.last, s.err = s.make(ctx)
		s.at = s.now()
	}
	return s.last, s.err
}

// version is the page as it was rendered once.
type version struct{ body []byte }

// pages renders the page once for all its readers, and keeps few versions of it in memory: while
// slow readers hold maxVersions, the others get the newest of those.
type pages struct {
	shared shared[*version]

	mu      sync.Mutex
	reading map[*version]int // how many are being sent which
	newest  *version
}

// take gives the page to somebody who calls done when it is sent.
func (p *pages) take() (v *version, done func(), err error) {
	p.mu.Lock()
	v = p.newest
	full := len(p.reading) >= maxVersions && p.reading[v] > 0
	p.mu.Unlock()
	if !full {
		if v, err = p.shared.get(); err != nil {
			return nil, nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.newest = v
	p.reading[v]++
	return v, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.reading[v]--; p.reading[v] == 0 {
			delete(p.reading, v)
		}
	}, nil
}

// render makes the page, for pages.shared.
func (s *Server) render(ctx context.Context) (*version, error) {
	var b bytes.Buffer
	if last := s.pages.shared.last; last != nil {
		b.Grow(len(last.body) + len(last.body)/16) // not to be copied while it grows
	}
	if err := s.tmpl.Execute(&b, s.look(ctx)); err != nil {
		s.opts.Logger.WithError(err).Error("render the page")
		return nil, err
	}
	return &version{b.Bytes()}, nil
}

// page sends the page.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	v, done, err := s.pages.take()
	if err != nil {
		http.Error(w, "the page cannot be rendered: "+err.Error(), http.StatusInternalServerError)
		return
	}
	defer done()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(v.body)
}

// gatherer gathers the metrics once for all scrapes.
func (s *Server) gatherer() prometheus.Gatherer {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(&collector{s: s, descs: make(map[string]*prometheus.Desc)})
	return prometheus.GathererFunc(sharing(metrics.Gather))
}

// sharing gives f's answers to all who ask within a second.
func sharing[T any](f func() (T, error)) func() (T, error) {
	s := &shared[T]{now: time.Now, make: func(context.Context) (T, error) { return f() }}
	return s.get
}
