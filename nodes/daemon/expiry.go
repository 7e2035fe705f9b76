package daemon

import (
	"crypto/tls"
	"errors"
	"fmt"
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
	c := pair.Leaf
	if p, is := nodes.CertificateProblem(c, cert, settings, at); is && p.Code == nodes.ProblemCertificateExpired {
		return errors.New(p.Text + "; " + p.Cure)
	}
	if at.Before(c.NotBefore) {
		return fmt.Errorf("the certificate %s (%s) of %s is valid from %s only, so others refuse connections: check the clock of this machine, or use another certificate",
			cert, c.Subject, settings, c.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}
