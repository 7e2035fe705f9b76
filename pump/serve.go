package pump

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"pumphouse/binlogpb"

	"github.com/soheilhy/cmux"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // the compressor that old drainers may ask for
	"google.golang.org/grpc/keepalive"
)

// listen binds the port and the Unix socket. Nothing is accepted yet.
func (p *Pump) listen(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", p.opts.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w: is another pump running there? (-addr)", p.opts.Addr, err)
	}
	p.listeners = append(p.listeners, trackConns(l))
	if p.advertise, err = p.advertised(l.Addr().String()); err != nil {
		return err
	}
	if p.opts.Socket == "" {
		return nil
	}
	if err := removeStale(p.opts.Socket); err != nil {
		return err
	}
	u, err := lc.Listen(ctx, "unix", p.opts.Socket)
	if err != nil {
		return fmt.Errorf("listen on the Unix socket %s: %w (-socket)", p.opts.Socket, err)
	}
	p.listeners = append(p.listeners, trackConns(u))
	return nil
}

// advertised is the address others are told to dial.
func (p *Pump) advertised(listening string) (string, error) {
	addr := p.opts.AdvertiseAddr
	_, port, err := net.SplitHostPort(listening)
	if err != nil {
		return "", err
	}
	if addr == "" {
		host, _, err := net.SplitHostPort(p.opts.Addr)
		if err != nil {
			return "", err
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			return "", fmt.Errorf("others cannot dial %s: give the address they shall use with -advertise-addr", p.opts.Addr)
		}
		return net.JoinHostPort(host, port), nil
	}
	host, given, err := net.SplitHostPort(addr)
	if err == nil && given == "0" {
		return net.JoinHostPort(host, port), nil
	}
	return addr, err
}

// removeStale removes the socket of a pump that is gone; one that answers stays.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil // nothing there: Listen says what is wrong, if anything is
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s is not a socket: give -socket another path", path)
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return fmt.Errorf("another process listens on the Unix socket %s (-socket)", path)
	}
	return os.Remove(path)
}

// ServerOptions are those of a pump's gRPC server; maxMessage bounds a message in bytes.
func ServerOptions(maxMessage int) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(binlogpb.Codec{}),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxSendMsgSize(maxMessage),
		// What TiDB may send ahead: windows that hold a few large transactions.
		grpc.InitialWindowSize(4 << 20), grpc.InitialConnWindowSize(8 << 20),
		grpc.WriteBufferSize(128 << 10), grpc.ReadBufferSize(128 << 10),
		// Goroutines that stay spare each call the growth of a new stack. A pull keeps one;
		// calls beyond their number get goroutines of their own.
		grpc.NumStreamWorkers(256),
		// TiDB pings its pumps; a ping is no abuse.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		// A peer that the machine does not let run for a few seconds has not gone.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 10 * time.Second}),
		grpc.ConnectionTimeout(10 * time.Second),
		// Also how many handlers of one connection run at once, whatever its peer opens and
		// resets; far more than the sessions of a TiDB that commit at the same moment.
		grpc.MaxConcurrentStreams(4096),
	}
}

// serve starts to answer gRPC and HTTP on every listener. Writes are still refused.
func (p *Pump) serve(context.Context) error {
	tlsConfig, err := p.opts.Security.Server()
	if err != nil {
		return err
	}
	p.grpc = grpc.NewServer(ServerOptions(p.opts.MaxMessageSize)...)
	binlogpb.RegisterPumpServer(p.grpc, service{Pump: p})
	p.http = &http.Server{Handler: p.routes(), ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	for _, tracked := range p.listeners {
		l := net.Listener(tracked)
		if tlsConfig != nil && l.Addr().Network() == "tcp" {
			c := tlsConfig.Clone()
			// gRPC offers h2 alone. A browser or curl offers both and must not choose h2, which
			// would bring it to the gRPC server.
			c.NextProtos = []string{"http/1.1", "h2"}
			l = tls.NewListener(l, c)
		}
		mux := cmux.New(l)
		mux.SetReadTimeout(10 * time.Second)
		forHTTP := mux.Match(cmux.HTTP1Fast())
		forGRPC := mux.Match(cmux.Any())
		p.start("gRPC", func() error { return p.grpc.Serve(forGRPC) })
		p.start("HTTP", func() error { return p.http.Serve(forHTTP) })
		p.start("connections", mux.Serve) // ends when the listener is closed
	}
	return nil
}

func (p *Pump) start(name string, run func() error) {
	p.serving.Go(func() {
		err := run()
		if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) ||
			errors.Is(err, net.ErrClosed) || errors.Is(err, cmux.ErrListenerClosed) || errors.Is(err, cmux.ErrServerClosed) {
			return
		}
		select {
		case p.served <- fmt.Errorf("serve %s: %w", name, err):
		default:
		}
	})
}

// stopServing lets calls under way finish for at most grace, or until the pump is hurried,
// then cuts them, and returns when every goroutine of the servers has gone.
func (p *Pump) stopServing(grace time.Duration) {
	ctx, cancel := context.WithTimeout(p.hurried, grace)
	defer cancel()
	for _, l := range p.listeners {
		if err := l.Close(); err != nil {
			p.log.WithError(err).Warn("closing a listener")
		}
		l.cut(false)
	}
	if p.grpc != nil {
		var ends sync.WaitGroup
		ends.Go(func() {
			// The error is that of the listeners, which are closed already, or ctx's.
			_ = p.http.Shutdown(ctx)
			_ = p.http.Close()
		})
		inTime := context.AfterFunc(ctx, func() {
			for _, l := range p.listeners {
				l.cut(true)
			}
			p.grpc.Stop()
		})
		p.grpc.GracefulStop()
		inTime()
		ends.Wait()
	}
	for _, l := range p.listeners {
		l.cut(true)
	}
	p.serving.Wait()
}
