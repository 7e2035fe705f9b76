package port_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc"

	"pumphouse/internal/certfile"
	"pumphouse/nodes/port"
)

// TestServeMeanwhile: the port answers before Serve, and as it should afterwards, on the same address.
func TestServeMeanwhile(t *testing.T) {
	p, err := port.Listen(t.Context(), "127.0.0.1:0", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(t.Context())
	says := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
	}
	get := func() string {
		t.Helper()
		c := &http.Client{Timeout: time.Minute, Transport: &http.Transport{}} // connections of its own
		resp, err := c.Get("http://" + p.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for range 2 {
		end, err := p.ServeMeanwhile(certfile.Security{}, says("not yet"))
		if err != nil {
			t.Fatal(err)
		}
		if got := get(); got != "not yet" {
			t.Errorf("meanwhile: %q", got)
		}
		end()
	}
	if err := p.Serve(certfile.Security{}, grpc.NewServer(), says("here")); err != nil {
		t.Fatal(err)
	}
	if got := get(); got != "here" {
		t.Errorf("afterwards: %q", got)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p.Close(ctx)
}
