package tidbmeta

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/tikv"
	"pumphouse/internal/certfile"
	"pumphouse/nodes/tikvconn"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
)

// TestSourceOverOutages: reading goes on when the storage, and then PD, come back.
func TestSourceOverOutages(t *testing.T) {
	pd := pdtest.StartReal(t, 1)
	storage := tidbtest.StartUnistore(t, pd.Endpoint(0))
	s := newSource(t, pd)
	read := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		_, err := s.Job(ctx, 1)
		return err
	}
	if err := read(); !errors.Is(err, schema.ErrNoJob) {
		t.Fatalf("at first: %v", err)
	}
	for what, restart := range map[string]func(while func()){
		"storage": func(while func()) { storage.Kill(); while(); storage.Start(t) },
		"PD":      func(while func()) { pd.Kill(0); while(); pd.Start(0) },
	} {
		done := make(chan error, 1)
		restart(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := s.Job(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("without %s: %v", what, err)
			}
			go func() { done <- read() }()
		})
		if err := <-done; !errors.Is(err, schema.ErrNoJob) {
			t.Errorf("%s is back: %v", what, err)
		}
	}
}

// TestNoStorage: a PD that knows no TiKV. The log says what cannot be read, where, and why; so does the reason that the drainer publishes.
func TestNoStorage(t *testing.T) {
	for name, endpoints := range map[string][]string{"PD": pdtest.StartReal(t, 1).Endpoints(), "pumphouse pd": pdtest.StartEmbed(t).Endpoints()} {
		said, out := io.Pipe()
		log := logrus.New()
		log.SetOutput(out)
		log.SetFormatter(new(logrus.JSONFormatter))
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		restore := tikvconn.RedirectLogs(quiet)
		s, err := tikv.New(endpoints, certfile.Security{}, log)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.History(t.Context(), 0, func(*schema.Job) error { return nil }) }()
		var line struct{ Msg, Error string }
		if err := json.NewDecoder(said).Decode(&line); err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, said)
		if !strings.Contains(line.Msg, "TiDB's DDL history") || strings.Trim(line.Error, ": ") == "" || strings.HasPrefix(line.Error, ":") || !strings.Contains(line.Error, endpoints[0]) {
			t.Errorf("%s: %q, because of %q", name, line.Msg, line.Error)
		}
		t.Logf("%s: %s: %s", name, line.Msg, line.Error)
		if trouble := s.Trouble(); trouble == nil || !strings.Contains(trouble.Error(), line.Error) {
			t.Errorf("%s: published is %v", name, trouble)
		}
		s.Close()
		if err := <-done; !errors.Is(err, tikv.ErrClosed) {
			t.Errorf("%s: closed: %v", name, err)
		}
		out.Close()
		restore()
	}
}

// TestSourceTLS: the TLS files are used towards PD, and needed.
func TestSourceTLS(t *testing.T) {
	certs := pdtest.NewCerts(t)
	pd := pdtest.StartRealTLS(t, 1, certs)
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	defer tikvconn.RedirectLogs(quiet)()
	sec := certfile.Security{CA: certs.CAFile, Cert: certs.CertFile, Key: certs.KeyFile}
	s, err := tikv.New(pd.Endpoints(), sec, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if ts, err := s.Now(t.Context()); err != nil || ts <= 0 {
		t.Errorf("with certificate: %d, %v", ts, err)
	}
	if s, err := tikv.New(pd.Endpoints(), certfile.Security{}, quiet); err == nil {
		s.Close()
		t.Error("an address with https is taken without certificates")
	}
}
