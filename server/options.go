package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/certfile"
	"pumphouse/server/governor"
	"pumphouse/server/session"
)

// Options configure a [Server]. The zero value of every field has a meaning.
type Options struct {
	// Addr is the TCP address to listen on, default 127.0.0.1:8248; port 0 means any.
	// Without users only a loopback address is accepted.
	Addr string
	// Socket is the path of a Unix socket to listen on as well, "" for none.
	Socket string

	// Users who may log in. None: root without a password, from this machine only.
	Users []User

	// TLSCert and TLSKey are PEM files; both or neither. With them clients may use TLS,
	// version 1.2 or later.
	TLSCert, TLSKey string
	// RequireSecureTransport refuses TCP clients without TLS, on loopback too, as MySQL
	// does; a Unix socket counts as secure.
	RequireSecureTransport bool

	// Limits are how many clients may be logged in, and what they may use of the process.
	Limits governor.Limits
	// MaxHandshakes is how many clients may be on their way in, default 256. When
	// one more comes, the one that has taken longest is dropped.
	MaxHandshakes int
	// MaxPrepared is how many prepared statements all clients may hold, default 16382.
	MaxPrepared int

	HandshakeTimeout time.Duration // from connect to login, default 10 s
	WriteTimeout     time.Duration // for a client that does not read, default 1 min
	// Grace is how long running statements may go on when the server stops, default
	// 5 s; negative: not at all.
	Grace time.Duration

	// Session is what sessions need; its Server field is filled in here. MaxPacket
	// (default 16 MiB) bounds what a client may send at once, IdleTimeout (default 8 h)
	// how long it may be silent.
	Session session.Options

	Logger logrus.FieldLogger // default: nothing is logged
}

// The defaults.
const (
	defaultAddr             = "127.0.0.1:8248"
	defaultMaxHandshakes    = 256
	defaultMaxPrepared      = 16382
	defaultHandshakeTimeout = 10 * time.Second
	defaultWriteTimeout     = time.Minute
	defaultGrace            = 5 * time.Second
	defaultMaxPacket        = 16 << 20
	defaultIdleTimeout      = 8 * time.Hour
	defaultVersion          = "8.0.11-TiDB-v8.3.0-pumphouse"
)

func (o *Options) setDefaults() {
	setDefault(&o.Addr, defaultAddr)
	setDefault(&o.MaxHandshakes, defaultMaxHandshakes)
	setDefault(&o.MaxPrepared, defaultMaxPrepared)
	setDefault(&o.HandshakeTimeout, defaultHandshakeTimeout)
	setDefault(&o.WriteTimeout, defaultWriteTimeout)
	setDefault(&o.Grace, defaultGrace)
	setDefault(&o.Session.MaxPacket, defaultMaxPacket)
	setDefault(&o.Session.IdleTimeout, defaultIdleTimeout)
	setDefault(&o.Session.Version, defaultVersion)
	if o.Logger == nil {
		silent := logrus.New()
		silent.SetLevel(logrus.PanicLevel)
		o.Logger = silent
	}
	if o.Session.Logger == nil {
		o.Session.Logger = o.Logger
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// ErrOpenToAll says that a server without users would listen to the network.
var ErrOpenToAll = errors.New("no users are configured, so root needs no password")

// checkAddr refuses to offer a passwordless server to the network.
func (o *Options) checkAddr() error {
	host, _, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", o.Addr, err)
	}
	if len(o.Users) > 0 || isLoopback(host) {
		return nil
	}
	return fmt.Errorf("listen on %s: %w; configure [[users]] with hashes made by `pumphouse passwd`, or listen on 127.0.0.1", o.Addr, ErrOpenToAll)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// tlsConfig loads the certificate; nil without one.
func (o *Options) tlsConfig() (*tls.Config, error) {
	if o.TLSCert == "" && o.TLSKey == "" {
		if o.RequireSecureTransport {
			return nil, errors.New("require-secure-transport needs a certificate: set the TLS certificate and key files")
		}
		return nil, nil
	}
	if o.TLSCert == "" || o.TLSKey == "" {
		return nil, errors.New("tls-cert and tls-key go together: name both or neither")
	}
	pair, err := certfile.NewPair(o.TLSCert, o.TLSKey, func(err error) { o.Logger.WithError(err).Error("cannot renew the TLS certificate") })
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Get(), nil },
		MinVersion:     tls.VersionTLS12,
	}, nil
}
