package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/survey"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"
)

//go:embed page.html style.css live.js
var files embed.FS

// Survey is what nodes say of themselves; *survey.Survey.
type Survey interface {
	Report(kind nodes.Kind, nodeID string) (survey.Report, bool)
	Points(kind nodes.Kind, nodeID string) []survey.Point
}

// Events is the audit; *audit.Log.
type Events interface {
	List(ctx context.Context, limit int) ([]audit.Event, error)
}

// Options say what a Server shows. The zero value of every field but those marked
// required is good.
type Options struct {
	Addr      string      // host:port to listen on; default 127.0.0.1:8247; port 0 means any
	View      survey.View // required
	Survey    Survey      // required
	Events    Events      // required
	Endpoints func() []string
	Status    func() map[string]string // counters of the front end, as SHOW STATUS has them

	Heartbeat time.Duration    // of the nodes
	Version   string           // of this program
	Now       func() time.Time // PD's clock; default time.Now
	Logger    logrus.FieldLogger
}

// MaxConnections is how many connections the port has at most.
const MaxConnections = 64

// Server is the HTTP port.
type Server struct {
	opts Options
	tmpl *template.Template
	http *http.Server
	ln   net.Listener
	done chan struct{}
}

// New checks the options and binds nothing.
func New(opts Options) (*Server, error) {
	if opts.View == nil || opts.Survey == nil || opts.Events == nil {
		return nil, errors.New("web: a view, a survey and events are required")
	}
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:8247"
	}
	if opts.Heartbeat == 0 {
		opts.Heartbeat = nodes.DefaultHeartbeat
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = logrus.New()
	}
	tmpl, err := template.New("page.html").Funcs(functions()).ParseFS(files, "page.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s := &Server{opts: opts, tmpl: tmpl, done: make(chan struct{})}
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	return s, nil
}

// Open listens and serves.
func (s *Server) Open() error {
	ln, err := net.Listen("tcp", s.opts.Addr)
	if err != nil {
		return fmt.Errorf("listen for HTTP on %s: %w (-http-addr chooses another address, off none)", s.opts.Addr, err)
	}
	s.ln = ln
	go func() {
		defer close(s.done)
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.opts.Logger.WithError(err).Error("the HTTP port has ended")
		}
	}()
	return nil
}

// Addr is the address listened on, after Open.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Close ends the port: requests get a second to end.
func (s *Server) Close() error {
	if s.ln == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.http.Close()
	}
	<-s.done
	return nil
}

func (s *Server) routes() http.Handler {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(&collector{s})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.Handle("GET /style.css", http.FileServerFS(files))
	mux.Handle("GET /live.js", http.FileServerFS(files))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		mux.ServeHTTP(w, r)
	})
}

// healthz tells whether the records can be read.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if _, err := s.opts.View.View(r.Context(), 0); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintln(w, "ok")
}
