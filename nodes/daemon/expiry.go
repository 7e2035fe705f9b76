package daemon

import (
	"crypto/tls"
	"fmt"
	"time"
)

// Expired is the error about a certificate of our own that is not valid now: whoever checks it refuses
// the connection, often without a word. nil: it is valid, or there is none.
func (s Security) Expired() error { return s.expired() }

func (s Security) expired() error {
	if s.Cert == "" || s.Key == "" {
		return nil
	}
	return CheckExpiry("ssl-cert", s.Cert, s.Key, time.Now())
}

// CheckExpiry is the error about the certificate in the file of a setting that is not valid at a time. Files
// that cannot be read are not its business.
func CheckExpiry(setting, cert, key string, at time.Time) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil || pair.Leaf == nil {
		return nil
	}
	switch c := pair.Leaf; {
	case at.After(c.NotAfter):
		return fmt.Errorf("%s %s: the certificate expired on %s, so others refuse connections: renew it; the file is read again when it changes", setting, cert, c.NotAfter.UTC().Format(time.RFC3339))
	case at.Before(c.NotBefore):
		return fmt.Errorf("%s %s: the certificate is valid from %s only, so others refuse connections: check the clock of this machine, or use another certificate", setting, cert, c.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}
