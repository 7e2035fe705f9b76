package nodes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pumphouse/testsuite/form"
)

func TestControlJudgesStatusAndBody(t *testing.T) {
	for _, c := range []struct {
		name     string
		status   int
		body     string
		accepted bool
		message  string // of the answer, or in the error
	}{
		{"accepted", 200, `{"message":"apply action pause success!","code":200,"data":null}`, true, "apply action pause success!"},
		{"an old node refuses", 200, `{"message":"this pump's state is closing, apply pause failed!","code":3,"data":null}`, false, "this pump's state is closing"},
		{"ours refuses", 409, `{"message":"it is closing","code":409,"data":null}`, false, "it is closing"},
		{"status and body disagree", 500, `{"message":"x","code":200}`, false, "HTTP status 500"},
		{"no code", 200, `{"message":"ok"}`, false, "ok"},
		{"another service", 200, `<html>hello</html>`, false, "<html>hello</html>"},
		{"nothing", 204, ``, false, "no reason"},
		{"method not allowed", 405, "Method Not Allowed\n", false, "Method Not Allowed"},
		{"long", 502, strings.Repeat("é", 5000), false, "…"},
		{"redirect", 302, ``, false, "HTTP status 302"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got string
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r.Method + " " + r.RequestURI
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			}))
			defer srv.Close()
			rec := testRecord("host:8250 %", Online)
			rec.Host = srv.Listener.Addr().String()
			message, err := NewControl(nil, 0).Ask(context.Background(), Pump, rec, ActPause)
			if got != "PUT /state/host:8250%20%25/pause" {
				t.Errorf("asked %s", got)
			}
			if c.accepted {
				if err != nil || message != c.message {
					t.Fatalf("%q, %v", message, err)
				}
				return
			}
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Status != c.status || !strings.Contains(err.Error(), c.message) {
				t.Fatalf("%v, want a refusal with %q", err, c.message)
			}
			if len(err.Error()) > 500 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestControlOfADeadNode(t *testing.T) {
	rec := testRecord("p1", Online)
	rec.Host = form.Addr(t)
	_, err := NewControl(nil, 0).Ask(context.Background(), Pump, rec, ActClose)
	var away *UnreachableError
	if !errors.As(err, &away) || away.Sent {
		t.Fatalf("refused connection: %v", err)
	}
	for _, part := range []string{rec.Host, "update-pump -node-id p1 -state offline", "CHANGE PUMP TO NODE_STATE = 'offline' FOR NODE_ID 'p1'"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}

	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	rec.Host = l.Addr().String()
	if _, err = NewControl(nil, 100*time.Millisecond).Ask(context.Background(), Pump, rec, ActPause); !errors.As(err, &away) || !away.Sent {
		t.Errorf("silence: %v", err)
	}
	rec.Host = "nonsense"
	if _, err = NewControl(nil, 0).Ask(context.Background(), Pump, rec, ActPause); !errors.As(err, &away) || away.Sent {
		t.Errorf("no address: %v", err)
	}
	if _, err = NewControl(nil, 0).Ask(context.Background(), Pump, rec, "explode"); err == nil {
		t.Error("an unknown action")
	}
}

func TestControlOverTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"message":"ok","code":200}`)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it will complain about the second client
	srv.StartTLS()
	defer srv.Close()
	rec := testRecord("p1", Online)
	rec.Host = srv.Listener.Addr().String()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	if m, err := NewControl(&tls.Config{RootCAs: pool}, 0).Ask(context.Background(), Drainer, rec, ActPause); err != nil || m != "ok" {
		t.Errorf("trusted: %q, %v", m, err)
	}
	if _, err := NewControl(&tls.Config{}, 0).Ask(context.Background(), Drainer, rec, ActPause); err == nil {
		t.Error("a certificate of nobody is taken")
	}
}

func TestWaitState(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, 0)
	ctx := context.Background()
	if _, err := WaitState(ctx, reg, Pump, "p1", Paused); !errors.Is(err, ErrNotFound) {
		t.Fatalf("nothing to wait for: %v", err)
	}
	mustPut(t, reg, Pump, testRecord("p1", Online))
	if got, err := WaitState(ctx, reg, Pump, "p1", Online); err != nil || got.Record.State != Online {
		t.Fatalf("there already: %+v, %v", got, err)
	}

	type result struct {
		e   Entry
		err error
	}
	done := make(chan result, 1)
	wait := func(want State) {
		go func() {
			e, err := WaitState(ctx, reg, Pump, "p1", want)
			done <- result{e, err}
		}()
	}
	// It shows on the way to another state: a wait that only polls would miss it.
	wait(Pausing)
	for {
		operator(t, reg, Pausing)
		operator(t, reg, Paused)
		select {
		case r := <-done:
			if r.err != nil || r.e.Record.State != Pausing {
				t.Fatalf("%+v", r)
			}
		default:
			continue
		}
		break
	}
	wait(Offline)
	if _, err := reg.client.Delete(ctx, Pump.Key("p1")); err != nil {
		t.Fatal(err)
	}
	if r := <-done; !errors.Is(r.err, ErrNotFound) {
		t.Fatalf("deleted: %+v", r)
	}

	mustPut(t, reg, Pump, testRecord("p1", Closing))
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err := WaitState(short, reg, Pump, "p1", Offline)
	var w *WaitError
	if !errors.As(err, &w) || w.Last.Record.State != Closing || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), "pump p1 is still closing") {
		t.Fatalf("time-out: %v", err)
	}
}

// PD restarts while somebody waits.
func TestWaitStateLooksThroughOutages(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	reg := newTestRegistry(t, e.addr, time.Second)
	mustPut(t, reg, Pump, testRecord("p1", Closing))
	done := make(chan error, 1)
	go func() {
		_, err := WaitState(context.Background(), reg, Pump, "p1", Offline)
		done <- err
	}()
	e.stop()
	e.start()
	eventually(t, "PD takes the write", func() bool {
		_, _, err := reg.SetState(context.Background(), Pump, "p1", Offline, nil)
		return err == nil
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
