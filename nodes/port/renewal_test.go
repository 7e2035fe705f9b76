package port_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"

	"pumphouse/internal/certfile"
	"pumphouse/nodes/port"
	"pumphouse/testsuite/pdtest"
)

// TestCertificatesAreRenewed: a node that listens with TLS shows and asks for what its files
// hold now. Who has a certificate of the old authority is refused once the file names another.
func TestCertificatesAreRenewed(t *testing.T) {
	before, after := pdtest.NewCerts(t), pdtest.NewCerts(t)
	dir := t.TempDir()
	sec := certfile.Security{CA: filepath.Join(dir, "ca"), Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	use := func(c *pdtest.Certs) {
		pdtest.Replace(t, sec.CA, c.CAFile)
		pdtest.Replace(t, sec.Cert, c.CertFile)
		pdtest.Replace(t, sec.Key, c.KeyFile)
	}
	use(before)
	p, err := port.Listen(t.Context(), "127.0.0.1:0", "", "")
	if err != nil {
		t.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	if err := p.Serve(sec, grpc.NewServer(), hello); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	get := func(config *tls.Config) error {
		transport := &http.Transport{TLSClientConfig: config}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("https://" + p.Addr().String() + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	dialling, err := sec.Client() // another node's way here, with the same files
	if err != nil {
		t.Fatal(err)
	}
	if err := get(before.Client()); err != nil {
		t.Fatal(err)
	}
	if err := get(after.Client()); err == nil {
		t.Fatal("a stranger's certificate is taken")
	}
	if err := get(dialling); err != nil {
		t.Fatal(err)
	}

	use(after)
	deadline := time.Now().Add(time.Minute)
	for err = get(after.Client()); err != nil; err = get(after.Client()) {
		if time.Now().After(deadline) {
			t.Fatalf("the renewed certificate and authority are not in use: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := get(before.Client()); err == nil {
		t.Error("a certificate of the old authority is still taken")
	}
	dialling.RootCAs = after.Client().RootCAs // what a restart does
	if err := get(dialling); err != nil {
		t.Errorf("the certificate that is shown to others is not the renewed one: %v", err)
	}
}
