// Package certfile reads the PEM files of TLS, and reads them again when they change, so that a
// certificate is renewed without a restart. Programs that listen or dial with TLS use it.
//
// A renewal often writes certificate and key one after the other, or in place. What cannot be
// read, or does not fit together, is tried again at the next use, and until it can be read the
// last good content stays in use; the caller's report hears of it once.
package certfile

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"
)

// Recheck is how long files are not looked at again.
const Recheck = 500 * time.Millisecond

// file is what is kept of a file that has been read: enough to see that it has changed.
type file struct {
	path string
	info os.FileInfo
}

// changed reports whether the file is another than the one that was read, or cannot be found.
func (f *file) changed() bool {
	info, err := os.Stat(f.path)
	return err != nil || f.info == nil || !os.SameFile(info, f.info) ||
		!info.ModTime().Equal(f.info.ModTime()) || info.Size() != f.info.Size()
}

// content is what is read of some files, kept as long as they do not change.
type content[T any] struct {
	load   func() (T, error)
	report func(error)

	mu      sync.Mutex
	files   []file
	value   T
	checked time.Time
	failing bool
}

func newContent[T any](load func() (T, error), report func(error), paths ...string) (*content[T], error) {
	c := &content[T]{load: load, report: report}
	for _, p := range paths {
		c.files = append(c.files, file{path: p})
	}
	if err := c.readLocked(); err != nil { // nobody else has it yet
		return nil, err
	}
	return c, nil
}

// readLocked reads the files. What it notes of them it notes before it reads: a change in
// between shows at the next look.
func (c *content[T]) readLocked() error {
	c.checked = time.Now()
	noted := make([]file, len(c.files))
	for i, f := range c.files {
		noted[i].path = f.path
		noted[i].info, _ = os.Stat(f.path) // load says what is wrong
	}
	v, err := c.load()
	if err != nil {
		return err
	}
	c.value, c.files = v, noted
	return nil
}

// get gives what the files hold now, or held when they could last be read.
func (c *content[T]) get() T {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < Recheck {
		return c.value
	}
	c.checked = time.Now()
	stale := false
	for i := range c.files {
		stale = stale || c.files[i].changed()
	}
	if !stale {
		return c.value
	}
	err := c.readLocked()
	if err != nil && !c.failing && c.report != nil {
		c.report(fmt.Errorf("%w. The content read before stays in use; correct the files", err))
	}
	c.failing = err != nil
	return c.value
}

// Pair is a certificate with its key.
type Pair struct{ content *content[*tls.Certificate] }

// NewPair reads the certificate and the key from two PEM files. report, which may be nil, is
// told when files that have changed cannot be read.
func NewPair(cert, key string, report func(error)) (*Pair, error) {
	c, err := newContent(func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("read TLS certificate %s with key %s: %w", cert, key, err)
		}
		return &pair, nil
	}, report, cert, key)
	if err != nil {
		return nil, err
	}
	return &Pair{c}, nil
}

// Get gives the certificate as its files are now.
func (p *Pair) Get() *tls.Certificate { return p.content.get() }

// Pool is the certificates of authorities in one PEM file.
type Pool struct{ content *content[*x509.CertPool] }

// NewPool reads authorities from a PEM file; report is as for [NewPair].
func NewPool(path string, report func(error)) (*Pool, error) {
	c, err := newContent(func() (*x509.CertPool, error) {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read TLS authorities: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read TLS authorities: %s holds no PEM certificate", path)
		}
		return pool, nil
	}, report, path)
	if err != nil {
		return nil, err
	}
	return &Pool{c}, nil
}

// Get gives the authorities as the file is now.
func (p *Pool) Get() *x509.CertPool { return p.content.get() }
