package pdtest

import (
	"context"
	"errors"
	"testing"

	"pumphouse/nodes/embedpd"
	"pumphouse/testsuite/form"
)

// StartEmbed starts an embedded PD on a free loopback port, with data of its own.
func StartEmbed(t testing.TB) *Cluster {
	t.Helper()
	return startEmbed(t, nil)
}

// StartEmbedTLS is StartEmbed with TLS, clients' certificates being asked for.
func StartEmbedTLS(t testing.TB, certs *Certs) *Cluster {
	t.Helper()
	return startEmbed(t, certs)
}

func startEmbed(t testing.TB, certs *Certs) *Cluster {
	t.Helper()
	for try := 1; ; try++ {
		m := &embedded{opts: embedpd.Options{
			Addr: form.Addr(t), DataDir: t.TempDir(), Logger: silent(),
		}}
		if certs != nil {
			m.opts.CAFile, m.opts.CertFile, m.opts.KeyFile = certs.CAFile, certs.CertFile, certs.KeyFile
		}
		c := &Cluster{Kind: "embedpd", t: t, certs: certs, members: []member{m}}
		err := c.startAll()
		if err == nil {
			t.Cleanup(c.cleanup)
			return c
		}
		_ = m.stop()
		if try == 3 || !errors.Is(err, embedpd.ErrAddrInUse) {
			t.Fatalf("start an embedded PD: %v", err)
		}
	}
}

// embedded is an embedded PD.
type embedded struct {
	opts   embedpd.Options
	server *embedpd.Server
}

func (e *embedded) start() error {
	server, err := embedpd.New(e.opts)
	if err != nil {
		return err
	}
	if err := server.Open(context.Background()); err != nil {
		return err
	}
	e.server = server
	return nil
}

func (e *embedded) stop() error {
	if e.server == nil {
		return nil
	}
	err := e.server.Close()
	e.server = nil
	return err
}

func (e *embedded) kill() error   { return e.stop() }
func (e *embedded) running() bool { return e.server != nil }
func (e *embedded) name() string  { return "embedpd" }
func (e *embedded) log() string   { return "" }

func (e *embedded) url() string {
	if e.opts.CertFile != "" {
		return "https://" + e.opts.Addr
	}
	return "http://" + e.opts.Addr
}
