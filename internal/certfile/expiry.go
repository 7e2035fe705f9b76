package certfile

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// expiring is how long before its end a certificate is a fault, or a tenth of its lifetime if that is shorter.
const expiring = 7 * 24 * time.Hour

// Fault is what is wrong with the time of a certificate of our own, and what to do.
type Fault struct {
	Text, Cure string
	Expiring   bool // it is valid now, and will not be soon; else peers that verify it refuse it
}

// CheckTime gives what is wrong with the time of a certificate that was read from a file, which the settings name: "ssl-cert
// and ssl-key". nil: nothing is, or there is no certificate.
func CheckTime(c *x509.Certificate, file, settings string, now time.Time) *Fault {
	if c == nil {
		return nil
	}
	f := &Fault{Cure: fmt.Sprintf("renew the files of %s: they are read again when they change, a restart is not needed", settings)}
	end := c.NotAfter.UTC().Format(time.RFC3339)
	switch left := c.NotAfter.Sub(now); {
	case now.Before(c.NotBefore):
		f.Text = fmt.Sprintf("the certificate %s (%s) is valid from %s only: peers that verify it refuse it", file, c.Subject, c.NotBefore.UTC().Format(time.RFC3339))
		f.Cure = "check the clock of this machine; if it is right, " + f.Cure
	case left <= 0:
		f.Text = fmt.Sprintf("the certificate %s (%s) expired at %s: peers that verify it refuse it", file, c.Subject, end)
	case left <= min(expiring, c.NotAfter.Sub(c.NotBefore)/10):
		f.Text, f.Expiring = fmt.Sprintf("the certificate %s (%s) expires at %s", file, c.Subject, end), true
	default:
		return nil
	}
	return f
}

// Expired is the error about the certificate of this side when it is not valid now: whoever checks it refuses
// the connection, often without a word. nil: it is valid, or there is none.
func (s Security) Expired() error {
	if s.Cert == "" || s.Key == "" {
		return nil
	}
	return CheckExpiry("ssl-cert and ssl-key", s.Cert, s.Key, time.Now())
}

// CheckExpiry is the error about a certificate that is not valid at a time; settings name its files: "ssl-cert and ssl-key". Files
// that cannot be read are not its business.
func CheckExpiry(settings, cert, key string, at time.Time) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil
	}
	if f := CheckTime(pair.Leaf, cert, settings, at); f != nil && !f.Expiring {
		return errors.New(f.Text + "; " + f.Cure)
	}
	return nil
}
