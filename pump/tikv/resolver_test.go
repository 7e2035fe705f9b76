package tikv

import (
	"context"
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"pumphouse/internal/certfile"
	"pumphouse/nodes/embedpd"
	"pumphouse/pump/storage"
)

var primary = []byte("t\x80\x00\x00\x00\x00\x00\x00\x2d_r\x80\x00\x00\x00\x00\x00\x00\x01")

// TestEmbeddedPD: the real client of PD finds that the embedded one knows no TiKV.
func TestEmbeddedPD(t *testing.T) {
	s, err := embedpd.New(embedpd.Options{Addr: "127.0.0.1:0", DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := New(Options{Endpoints: []string{s.Addr()}, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if has, err := r.Available(t.Context()); has || err != nil {
		t.Errorf("available: %v, %v", has, err)
	}
	if v, _, err := r.Resolve(t.Context(), storage.Question{StartTS: 1 << 18, Key: primary}); v != storage.Unknown || !errors.Is(err, ErrNoTiKV) {
		t.Errorf("resolve: %d, %v", v, err)
	}
	if at, err := r.HoldGC(t.Context(), "pumphouse-pump1", 1<<18, time.Hour); at != 0 || err != nil {
		t.Errorf("hold back garbage collection where there is none: at %s, %v", at, err)
	}
}

// TestUnreachablePD: the real client of PD gives up in time, and does not make Close wait.
func TestUnreachablePD(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	r, err := New(Options{Endpoints: []string{"http://" + ln.Addr().String()}, Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() {
		t.Helper()
		if v, _, err := r.Resolve(t.Context(), storage.Question{StartTS: 1 << 18, Key: primary}); v != storage.Unknown || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d, %v", v, err)
		}
	}
	ask()
	before := runtime.NumGoroutine()
	for range 10 {
		ask()
	}
	if now := runtime.NumGoroutine(); now > before+5 {
		t.Errorf("10 questions in vain left %d goroutines", now-before)
	}
	r.Close()
	r.Close()
	if _, _, err := r.Resolve(t.Context(), storage.Question{StartTS: 1 << 18, Key: primary}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := r.Available(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestOptions(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("no endpoints: no error")
	}
	// PD's client would talk in the clear without a certificate.
	r, err := New(Options{Endpoints: []string{"127.0.0.1:1"}, Security: certfile.Security{CA: "ca.pem"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Available(t.Context()); err == nil {
		t.Error("a CA without certificate: no error")
	}
}
