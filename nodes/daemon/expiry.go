package daemon

import (
	"crypto/tls"
	"errors"
	"time"

	"pumphouse/nodes"
)

// Expired is the error about a certificate of our own that is not valid now: whoever checks it refuses
// the connection, often without a word. nil: it is valid, or there is none.
func (s Security) Expired() error { return s.expired() }

func (s Security) expired() error {
	if s.Cert == "" || s.Key == "" {
		return nil
	}
	return CheckExpiry("ssl-cert and ssl-key", s.Cert, s.Key, time.Now())
}

// CheckExpiry is the error about a certificate that is not valid at a time; settings name its files: "ssl-cert and ssl-key". Files
// that cannot be read are not its business.
func CheckExpiry(settings, cert, key string, at time.Time) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil || pair.Leaf == nil {
		return nil
	}
	if p, is := nodes.CertificateProblem(pair.Leaf, cert, settings, at); is && p.Code == nodes.ProblemCertificateExpired {
		return errors.New(p.Text + "; " + p.Cure)
	}
	return nil
}
