package embedpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api"
	"google.golang.org/grpc"

	"pumphouse/internal/disk"
	"pumphouse/nodes/datadir"
)

// What a caller may want to tell apart.
var (
	// ErrLocked: another process works in the data directory.
	ErrLocked = disk.ErrLocked
	// ErrAddrInUse: another process listens on the address.
	ErrAddrInUse = errors.New("address in use")
	// ErrClosed: the PD was closed before, or while, it was opened.
	ErrClosed = errors.New("embedded PD is closed")
)

const (
	memberName = "embedpd"
	// Nobody listens for peers: there are none and will be none. etcd wants the
	// address to know itself by, the same at every start.
	peerURL = "http://127.0.0.1:0"
	// startLimit bounds a start: replaying a log takes well below a second.
	startLimit = 30 * time.Second
)

// Server is a PD in this process. Make one with [New].
type Server struct {
	opts Options
	log  logrus.FieldLogger
	svc  *service

	mu        sync.Mutex
	started   bool
	closed    bool
	lock      io.Closer
	etcd      *embed.Etcd
	addr      string
	url       string
	clusterID uint64

	life context.Context // done when Close begins
	end  context.CancelFunc
}

// New checks the options. It binds and starts nothing.
func New(opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, log: opts.Logger, svc: newService()}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Open takes the data directory, binds the address and returns when clients can be
// served. ctx bounds the start only. After an error nothing is left running.
func (s *Server) Open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.started:
		return errors.New("embedded PD: Open called twice")
	}
	s.started = true
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)() // Close hurries a start that hangs
	if err := s.openLocked(ctx); err != nil {
		s.teardownLocked()
		return fmt.Errorf("start embedded PD on %s with data in %s: %w", s.opts.Addr, s.opts.DataDir, err)
	}
	s.log.WithFields(logrus.Fields{"addr": s.addr, "cluster_id": s.clusterID}).Info("embedded PD is serving")
	return nil
}

func (s *Server) openLocked(ctx context.Context) (err error) {
	if s.lock, err = datadir.Lock(s.opts.DataDir); err != nil {
		return fmt.Errorf("%w, or use that PD", err)
	}
	if err := s.startEtcdLocked(); err != nil {
		return err
	}
	if err := s.awaitEtcd(ctx); err != nil {
		return err
	}

	keys := store{etcd: s.etcd.Server}
	if s.clusterID, err = keys.clusterID(ctx, s.opts.Now()); err != nil {
		return err
	}
	clock, err := newOracle(ctx, keys, s.opts.Now)
	if err != nil {
		return err
	}
	if ahead := clock.ahead(); ahead > 2*Window {
		s.log.WithField("ahead", ahead).Warn("the clock was set back: timestamps go on from the last one and wait for it to catch up")
	}
	s.svc.start(&member{
		clusterID: s.clusterID,
		memberID:  uint64(s.etcd.Server.MemberID()),
		url:       s.url,
		oracle:    clock,
	})
	return nil
}

// startEtcdLocked binds the address and starts etcd on it. A free port that somebody
// else takes between the search and the bind is replaced by the next one.
func (s *Server) startEtcdLocked() (err error) {
	for tries := 1; ; tries++ {
		if s.addr, err = resolveAddr(s.opts.Addr); err != nil {
			return err
		}
		advertised := s.opts.clientURL(s.addr)
		s.url = advertised.String()
		s.etcd, err = embed.StartEtcd(s.etcdConfig(advertised))
		if err == nil {
			return nil
		}
		err = addrInUse(s.addr, err)
		if s.addr == s.opts.Addr || tries == 5 || !errors.Is(err, ErrAddrInUse) {
			return err
		}
	}
}

// etcdConfig is an etcd that has one member for good.
func (s *Server) etcdConfig(advertised url.URL) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name = memberName
	cfg.Dir = filepath.Join(s.opts.DataDir, "etcd")
	cfg.ListenPeerUrls = nil
	peer, _ := url.Parse(peerURL) // a constant
	cfg.AdvertisePeerUrls = []url.URL{*peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.ListenClientUrls = []url.URL{{Scheme: s.opts.scheme(), Host: s.addr}}
	cfg.AdvertiseClientUrls = []url.URL{advertised}
	cfg.ClientTLSInfo.CertFile = s.opts.CertFile
	cfg.ClientTLSInfo.KeyFile = s.opts.KeyFile
	cfg.ClientTLSInfo.TrustedCAFile = s.opts.CAFile
	cfg.ClientTLSInfo.ClientCertAuth = s.opts.CAFile != ""
	// With nobody to hold an election against, waiting for one is only a slow start.
	cfg.TickMs, cfg.ElectionMs = 20, 100
	// Records are rewritten every two seconds; PD keeps an hour of history too.
	cfg.AutoCompactionMode, cfg.AutoCompactionRetention = embed.CompactorModePeriodic, "1h"
	cfg.EnableGRPCGateway = false
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(etcdLogger(s.log, s.life.Done()))
	cfg.ServiceRegister = s.svc.register
	return cfg
}

// awaitEtcd waits until etcd has elected itself, registered our services and decided
// what it is capable of; before that it refuses every call.
func (s *Server) awaitEtcd(ctx context.Context) error {
	steps := []<-chan struct{}{s.etcd.Server.ReadyNotify(), s.svc.registered}
	for _, step := range steps {
		select {
		case <-step:
		case err := <-s.etcd.Err():
			return fmt.Errorf("etcd: %w", err)
		case <-s.etcd.Server.StopNotify():
			return errors.New("etcd stopped while it started; its log above says why")
		case <-ctx.Done():
			return fmt.Errorf("etcd is not ready: %w", ctx.Err())
		}
	}
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for s.etcd.Server.ClusterVersion() == nil || !api.IsCapabilityEnabled(api.V3rpcCapability) {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("etcd is not ready: %w", ctx.Err())
		}
	}
	return nil
}

// Addr is the host:port listened on, with the real port; "" before Open.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// URL is what clients dial, with its scheme; "" before Open.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// ClusterID is the cluster's ID, never 0 once open.
func (s *Server) ClusterID() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clusterID
}

// Wait returns when the PD has stopped: nil after Close, else why it failed. It is the
// long-running half of an actor whose other half is Close. Call it after Open.
func (s *Server) Wait() error {
	s.mu.Lock()
	etcd := s.etcd
	s.mu.Unlock()
	switch {
	case s.life.Err() != nil:
		return nil
	case etcd == nil:
		return errors.New("embedded PD is not open")
	}
	var err error
	select {
	case <-s.life.Done():
		return nil
	case err = <-etcd.Err():
	case <-etcd.Server.StopNotify():
		err = errors.New("etcd stopped; its log says why")
	}
	select {
	case <-s.life.Done(): // Close makes etcd report its end too
		return nil
	default:
		return fmt.Errorf("embedded PD on %s: %w", s.Addr(), err)
	}
}

// Close ends every connection, closes the data directory and returns when all has
// stopped. It may be called at any time and more than once.
func (s *Server) Close() error {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.teardownLocked()
	return nil
}

func (s *Server) teardownLocked() {
	// Streams of timestamps and watches never end by themselves, and etcd would wait
	// five seconds for them: end them first.
	s.svc.stop()
	if s.etcd != nil {
		s.etcd.Close()
		s.etcd = nil
	}
	if s.lock != nil {
		s.lock.Close()
		s.lock = nil
	}
}

// resolveAddr finds out the real port where 0 was asked for, and says early and clearly
// when the address is taken. etcd binds it again right after.
func resolveAddr(addr string) (string, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", addrInUse(addr, err)
	}
	defer ln.Close()
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(host, port), nil
}

// addrInUse adds a cure to the error of a bind that found the address taken.
func addrInUse(addr string, err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	return fmt.Errorf("%w: a PD or another server already listens on %s; use that PD, stop it, or give another address: %w",
		ErrAddrInUse, addr, err)
}

// register is called by etcd with the gRPC server of the client port.
func (s *service) register(gs *grpc.Server) {
	registerServices(gs, s)
	s.server.Store(gs)
	close(s.registered)
}
