package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
)

// Security names the PEM files of TLS between the parts of a cluster, under the names
// the field's configuration files use. The zero value means no TLS.
type Security struct {
	CA        string   `toml:"ssl-ca"`          // who may sign the other side's certificate
	Cert      string   `toml:"ssl-cert"`        // our certificate
	Key       string   `toml:"ssl-key"`         // its key
	AllowedCN []string `toml:"cert-allowed-cn"` // common names a client's certificate may carry; empty: any
}

// Enabled tells whether any of the files is named.
func (s Security) Enabled() bool { return s.CA != "" || s.Cert != "" || s.Key != "" }

// Client gives the TLS configuration for dialling the cluster, nil when TLS is off.
// The certificate is read again for every handshake, so it can be renewed in place.
func (s Security) Client() (*tls.Config, error) {
	if !s.Enabled() {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		pool, err := s.pool()
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = pool
	}
	if s.Cert != "" || s.Key != "" {
		if _, err := s.pair(); err != nil {
			return nil, err
		}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return s.pair() }
	}
	return cfg, nil
}

// Server gives the TLS configuration for listening, nil when TLS is off. With a CA,
// every client must show a certificate that it signed, and with AllowedCN one that
// carries one of those names.
func (s Security) Server() (*tls.Config, error) {
	if !s.Enabled() {
		return nil, nil
	}
	if s.Cert == "" || s.Key == "" {
		return nil, errors.New("TLS needs both ssl-cert and ssl-key")
	}
	if len(s.AllowedCN) > 0 && s.CA == "" {
		return nil, errors.New("cert-allowed-cn needs ssl-ca: without it no client certificate is checked")
	}
	if _, err := s.pair(); err != nil {
		return nil, err
	}
	cfg := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.pair() },
	}
	if s.CA != "" {
		pool, err := s.pool()
		if err != nil {
			return nil, err
		}
		cfg.ClientCAs, cfg.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	if len(s.AllowedCN) > 0 {
		cfg.VerifyConnection = func(cs tls.ConnectionState) error {
			if cn := cs.PeerCertificates[0].Subject.CommonName; !slices.Contains(s.AllowedCN, cn) {
				return fmt.Errorf("client certificate carries the name %q, which cert-allowed-cn does not list", cn)
			}
			return nil
		}
	}
	return cfg, nil
}

func (s Security) pool() (*x509.CertPool, error) {
	pem, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, fmt.Errorf("read ssl-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read ssl-ca: %s holds no PEM certificate", s.CA)
	}
	return pool, nil
}

func (s Security) pair() (*tls.Certificate, error) {
	if s.Cert == "" || s.Key == "" {
		return nil, errors.New("ssl-cert and ssl-key go together: name both or neither")
	}
	pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
	if err != nil {
		return nil, fmt.Errorf("read ssl-cert %s and ssl-key %s: %w", s.Cert, s.Key, err)
	}
	return &pair, nil
}
