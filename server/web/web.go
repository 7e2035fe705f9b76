package web

import (
	"context"
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/port"
	"pumphouse/nodes/survey"
)

//go:embed page.html style.css live.js
var files embed.FS

// Survey is what nodes say of themselves; *survey.Survey.
type Survey interface {
	Report(kind nodes.Kind, nodeID string) (survey.Report, bool)
	Points(kind nodes.Kind, nodeID string) []survey.Point
	Exit(kind nodes.Kind, nodeID string) (nodes.LastExit, bool)
	Troubles(kind nodes.Kind) []survey.Trouble
	Own() []nodes.Problem
	Rounds() int64
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
	Hosts     []string                 // names by which the port may be asked, besides its address and those of the loopback
	Login     Login                    // nil: everybody may look
	TLS       *tls.Config              // nil: plain HTTP
	Config    map[string]any           // what GET /config answers to this machine: see setting.Shown
	Status    func() map[string]string // counters of the front end, as SHOW STATUS has them

	Heartbeat time.Duration    // of the nodes
	Version   string           // of this program
	Now       func() time.Time // PD's clock; default time.Now
	Logger    logrus.FieldLogger
}

// MaxConnections is how many connections the port has at most.
const MaxConnections = 64

// maxScrapes is how many scrapes are answered at once; each is encoded for itself.
const maxScrapes = 4

// Server is the HTTP port.
type Server struct {
	opts  Options
	tmpl  *template.Template
	hosts map[string]bool
	pages *pages
	http  *http.Server
	ln    net.Listener
	done  chan struct{}
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
	known, err := hosts(opts.Addr, opts.Hosts)
	if err == nil {
		err = checkOpen(opts)
	}
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, tmpl: tmpl, hosts: known, done: make(chan struct{})}
	s.pages = &pages{reading: make(map[*version]int), shared: shared[*version]{make: s.render, now: time.Now}}
	open := &conns{max: MaxConnections, open: make(map[net.Conn]use)}
	s.http = &http.Server{
		Handler:           s.routes(),
		TLSConfig:         opts.TLS,
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/2 would multiply connections
		ConnState:         open.follow,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      sendTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // of clients' TLS mistakes
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
		serve := s.http.Serve
		if s.opts.TLS != nil {
			serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
		}
		if err := serve(ln); !errors.Is(err, http.ErrServerClosed) {
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
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.Handle("GET /style.css", http.FileServerFS(files))
	mux.Handle("GET /live.js", http.FileServerFS(files))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /config", port.Answer(s.opts.Logger, port.AdminLoopback.ConfigHandler(s.opts.Config)))
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.gatherer(), promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	guarded := s.guard(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		guarded.ServeHTTP(w, r)
	})
}

// healthz reports whether the records can be read.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if _, err := s.opts.View.View(r.Context(), 0); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintln(w, "ok")
}
