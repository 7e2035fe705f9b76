package pdtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certs is a certificate authority with one certificate that is good for a server on
// 127.0.0.1 or localhost and for a client.
type Certs struct {
	CAFile, CertFile, KeyFile string // PEM
	client                    *tls.Config
}

// NewCerts makes an authority and a certificate that last for the test.
func NewCerts(t testing.TB) *Certs {
	t.Helper()
	return newCerts(t, time.Time{})
}

// NewExpiredCerts is [NewCerts] with a certificate that has expired.
func NewExpiredCerts(t testing.TB) *Certs {
	t.Helper()
	return newCerts(t, time.Now().Add(-time.Minute))
}

// newCerts makes the certificate valid until then; zero: for long.
func newCerts(t testing.TB, until time.Time) *Certs {
	t.Helper()
	dir := t.TempDir()
	caKey, ca := newCert(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "pdtest CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, nil, nil)
	key, cert := newCert(t, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "pdtest"},
		NotAfter:    until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		DNSNames:    []string{"localhost"},
	}, ca, caKey)
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &Certs{
		CAFile:   writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", ca.Raw),
		CertFile: writePEM(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", cert.Raw),
		KeyFile:  writePEM(t, filepath.Join(dir, "key.pem"), "EC PRIVATE KEY", keyDER),
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	c.client = &tls.Config{
		MinVersion:   tls.VersionTLS12,
		RootCAs:      pool,
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
	}
	return c
}

// Client is the configuration of a client that shows the certificate.
func (c *Certs) Client() *tls.Config { return c.client.Clone() }

// Replace puts the content of another file in the place of one, by renaming, as certificate
// managers do: that is a change also where size and time stay the same.
func Replace(t testing.TB, path, with string) {
	t.Helper()
	b, err := os.ReadFile(with)
	if err == nil {
		err = os.WriteFile(path+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// newCert makes a certificate signed by parent, or by itself.
func newCert(t testing.TB, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		t.Fatal(err)
	}
	template.NotBefore = time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func writePEM(t testing.TB, path, kind string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
