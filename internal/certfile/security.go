package certfile

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"slices"

	"github.com/sirupsen/logrus"
)

// Security names the PEM files of TLS between the parts of a cluster, under the names
// upstream's configuration files use. The zero value means no TLS.
type Security struct {
	CA        string   `toml:"ssl-ca" value:"file" example:"\"/etc/pumphouse/ca.pem\"" doc:"PEM file with the authorities that sign the other side's certificate"`
	Cert      string   `toml:"ssl-cert" value:"file" example:"\"/etc/pumphouse/node.pem\"" doc:"PEM file with the certificate of this side; it goes with ssl-key, and both are read again when they change"`
	Key       string   `toml:"ssl-key" value:"file" example:"\"/etc/pumphouse/node.key\"" doc:"PEM file with its key"`
	AllowedCN []string `toml:"cert-allowed-cn" example:"[\"tidb\", \"drainer\"]" doc:"common names of which a client's certificate must carry one, where this program listens; empty: any name"`

	// Report is told when files that have changed cannot be read; nil: nobody is.
	Report func(error) `toml:"-"`
}

// Flags declares -ssl-ca, -ssl-cert and -ssl-key.
func (s *Security) Flags(fs *flag.FlagSet) {
	fs.StringVar(&s.CA, "ssl-ca", "", "PEM `file` with the certificate authorities of the cluster")
	fs.StringVar(&s.Cert, "ssl-cert", "", "PEM `file` with the certificate of this side")
	fs.StringVar(&s.Key, "ssl-key", "", "PEM `file` with its key")
}

// Check reports what is wrong with the files.
func (s Security) Check() error {
	if _, err := s.Client(); err != nil {
		return err
	}
	if len(s.AllowedCN) > 0 && s.CA == "" {
		return errors.New("cert-allowed-cn needs ssl-ca: without it no client certificate is checked")
	}
	return nil
}

// Enabled reports whether any of the files is named.
func (s Security) Enabled() bool { return s.CA != "" || s.Cert != "" || s.Key != "" }

// ReportTo logs a certificate that is not valid now, and has what goes wrong with changed files logged.
func (s *Security) ReportTo(log logrus.FieldLogger) {
	s.Report = func(err error) { log.WithError(err).Error("cannot renew the TLS files") }
	if err := s.Expired(); err != nil {
		log.Error(err.Error())
	}
}

// Client gives the TLS configuration for dialling the cluster, nil when TLS is off.
// The certificate is read again when its files change, so it can be renewed in place; a
// change of the CA needs a restart.
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
		cfg.RootCAs = pool.Get()
	}
	if s.Cert != "" || s.Key != "" {
		pair, err := s.Pair()
		if err != nil {
			return nil, err
		}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.Get(), nil }
	}
	return cfg, nil
}

// Server gives the TLS configuration for listening, nil when TLS is off. With a CA,
// every client must show a certificate that it signed, and with AllowedCN one that
// carries one of those names. Certificate and CA are read again when their files change.
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
	pair, err := s.Pair()
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Get(), nil },
		// gRPC offers h2 alone. A browser or curl offers both and must not choose h2, which would
		// bring it to the gRPC server.
		NextProtos: []string{"http/1.1", "h2"},
	}
	if len(s.AllowedCN) > 0 {
		cfg.VerifyConnection = func(cs tls.ConnectionState) error {
			if cn := cs.PeerCertificates[0].Subject.CommonName; !slices.Contains(s.AllowedCN, cn) {
				return fmt.Errorf("client certificate carries the name %q, which cert-allowed-cn does not list", cn)
			}
			return nil
		}
	}
	if s.CA == "" {
		return cfg, nil
	}
	pool, err := s.pool()
	if err != nil {
		return nil, err
	}
	cfg.ClientAuth = tls.RequireAndVerifyClientCert
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := cfg.Clone()
		now.ClientCAs, now.GetConfigForClient = pool.Get(), nil
		return now, nil
	}
	return cfg, nil
}

func (s Security) pool() (*Pool, error) {
	pool, err := NewPool(s.CA, s.Report)
	if err != nil {
		return nil, fmt.Errorf("ssl-ca: %w", err)
	}
	return pool, nil
}

// Pair reads the certificate of this side.
func (s Security) Pair() (*Pair, error) {
	if s.Cert == "" || s.Key == "" {
		return nil, errors.New("ssl-cert and ssl-key go together: name both or neither")
	}
	pair, err := NewPair(s.Cert, s.Key, s.Report)
	if err != nil {
		return nil, fmt.Errorf("ssl-cert and ssl-key: %w", err)
	}
	return pair, nil
}
