package direct_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/internal/certfile"
	"pumphouse/nodes/port"
	"pumphouse/testsuite/pdtest"
)

// pull reads a pull to its end.
func pull(c binlogpb.PumpClient) (got string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	s, err := c.PullBinlogs(ctx, &binlogpb.PullBinlogReq{ClusterID: 7})
	if err != nil {
		return "", err
	}
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return got, nil
		} else if err != nil {
			return got, err
		}
		got += string(r.Entity.Payload)
	}
}

func TestOtherConnectionsGoToTheGRPCServer(t *testing.T) {
	for _, c := range []struct {
		name  string
		begin func(*testing.T, *grpc.ClientConn)
	}{
		{"a pull", func(t *testing.T, cc *grpc.ClientConn) {
			if got, err := pull(binlogpb.NewPumpClient(cc)); got != "abc" || err != nil {
				t.Errorf("pulled %q, %v", got, err)
			}
		}},
		{"an unknown method", func(t *testing.T, cc *grpc.ClientConn) {
			err := cc.Invoke(t.Context(), "/binlog.Pump/Sing", &binlogpb.WriteBinlogReq{}, &binlogpb.WriteBinlogResp{})
			if status.Code(err) != codes.Unimplemented {
				t.Error(err)
			}
		}},
		{"a compressed write", func(t *testing.T, cc *grpc.ClientConn) {
			if err := write(binlogpb.NewPumpClient(cc), "zip", grpc.UseCompressor("gzip")); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPump()
			_, addr := start(t, p)
			cc := connect(t, addr)
			c.begin(t, cc)
			// The connection can do everything from then on.
			client := binlogpb.NewPumpClient(cc)
			if err := write(client, "plain"); err != nil {
				t.Error(err)
			}
			if _, others := p.stored("plain"); others != 1 {
				t.Error("a plain write was not the gRPC server's")
			}
			if got, err := pull(client); got != "abc" || err != nil {
				t.Errorf("pulled %q, %v", got, err)
			}
			// Others are not touched.
			if err := write(dial(t, addr), "direct"); err != nil {
				t.Error(err)
			}
			if n, _ := p.stored("direct"); n != 1 {
				t.Error("another connection does not write directly")
			}
		})
	}
}

// TestPullOnAWritingConnection has 50 writers on a connection that is asked to pull.
func TestPullOnAWritingConnection(t *testing.T) {
	p := newPump()
	_, addr := start(t, p)
	c := dial(t, addr)
	stop, wrote := make(chan struct{}), make(chan struct{}, 50)
	var all sync.WaitGroup
	var mu sync.Mutex
	sent := 0
	for w := range 50 {
		all.Go(func() {
			for i := 0; ; i++ {
				payload := fmt.Sprintf("%d of %d", i, w)
				if err := write(c, payload); err != nil {
					t.Error(err)
				}
				if n, others := p.stored(payload); n+others != 1 {
					t.Errorf("%s: stored %d times directly, %d times not", payload, n, others)
				}
				if i == 3 {
					wrote <- struct{}{}
				}
				select {
				case <-stop:
					mu.Lock()
					sent += i + 1
					mu.Unlock()
					return
				default:
				}
			}
		})
	}
	for range 50 {
		within(t, "first writes", wrote)
	}
	if got, err := pull(c); got != "abc" || err != nil {
		t.Errorf("pulled %q, %v", got, err)
	}
	close(stop)
	all.Wait()
	if len(p.got)+len(p.others) != sent {
		t.Errorf("%d payloads stored, %d sent", len(p.got)+len(p.others), sent)
	}
	if got, err := pull(c); got != "abc" || err != nil { // on the connection that both use now
		t.Errorf("pulled %q, %v", got, err)
	}
	if err := write(dial(t, addr), "after"); err != nil {
		t.Error(err)
	}
	if _, others := p.stored("after"); others != 1 {
		t.Error("new connections are still taken from a peer that mixes")
	}
}

func TestGarbageIsClosed(t *testing.T) {
	_, addr := start(t, newPump())
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: here\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", "\x00\x00\x00\x04\x00\x00\x00\x00\x00 and 20 bytes more"} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(testTimeout))
		if _, err := io.WriteString(nc, text); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(nc)
		if len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q is answered with %q, %v", text, b, err)
		}
	}
}

// TestBehindAPort serves as a pump does: HTTP and gRPC behind one port, with and without TLS.
func TestBehindAPort(t *testing.T) {
	certs := pdtest.NewCerts(t)
	for _, sec := range []certfile.Security{{}, {CA: certs.CAFile, Cert: certs.CertFile, Key: certs.KeyFile}} {
		t.Run(fmt.Sprint("TLS ", sec.Enabled()), func(t *testing.T) {
			at, err := port.Listen(t.Context(), "127.0.0.1:0", "", filepath.Join(t.TempDir(), "s"))
			if err != nil {
				t.Fatal(err)
			}
			p := newPump()
			if err := at.Serve(sec, newServer(p), http.NotFoundHandler()); err != nil {
				t.Fatal(err)
			}
			// Who has said nothing, and who has said only that it speaks HTTP/2, hold up no end.
			silent, err := net.Dial("tcp", at.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer silent.Close()
			var opts []grpc.DialOption
			if sec.Enabled() {
				cfg, err := sec.Client()
				if err != nil {
					t.Fatal(err)
				}
				opts = append(opts, grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
			}
			idle := connect(t, at.Addr().String(), opts...)
			idle.Connect()
			c := dial(t, at.Addr().String(), opts...)
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					for k := range 20 {
						payload := fmt.Sprintf("%d of %d%0*d", k, i, k*5000, 0)
						if err := write(c, payload); err != nil {
							t.Error(err)
						}
						if n, _ := p.stored(payload); n != 1 {
							t.Errorf("%.10q: %d times stored directly", payload, n)
						}
					}
				})
			}
			all.Wait()
			if got, err := pull(dial(t, at.Addr().String(), opts...)); got != "abc" || err != nil {
				t.Errorf("pulled %q, %v", got, err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
			defer cancel()
			if at.Close(ctx); ctx.Err() != nil {
				t.Error("the end was cut short")
			}
			noneLeft(t)
		})
	}
}
