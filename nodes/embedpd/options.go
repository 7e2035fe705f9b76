package embedpd

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/logs"
)

// DefaultAddr is where a PD listens unless told otherwise.
const DefaultAddr = "127.0.0.1:2379"

// Options say where the PD listens and keeps its data.
type Options struct {
	// Addr is the host:port to listen on, for gRPC and HTTP alike. The host is an IP
	// address or localhost; port 0 means any free one. Default [DefaultAddr].
	Addr string
	// AdvertiseAddr is the host:port that clients are told to use. Default: the address
	// listened on; needed when that is 0.0.0.0 or ::. Port 0 means the port listened on.
	AdvertiseAddr string
	// DataDir keeps what must survive; it is made if it is not there.
	DataDir string
	// CAFile, CertFile and KeyFile are PEM files. With CertFile and KeyFile the port
	// speaks TLS only; with CAFile too, clients must show a certificate it has signed.
	CAFile, CertFile, KeyFile string
	// Logger gets etcd's warnings and errors and what this package has to say.
	// Default: nothing is logged.
	Logger logrus.FieldLogger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// withDefaults fills in what was left out and refuses what cannot work.
func (o Options) withDefaults() (Options, error) {
	if o.Addr == "" {
		o.Addr = DefaultAddr
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Logger = logs.OrSilent(o.Logger)
	if o.DataDir == "" {
		return o, errors.New("embedded PD: no data directory given")
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return o, errors.New("embedded PD: TLS needs a certificate and its key: give both or neither")
	}
	if o.CAFile != "" && o.CertFile == "" {
		return o, errors.New("embedded PD: a CA without a certificate and a key of our own cannot check clients: give all three")
	}
	host, _, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return o, fmt.Errorf("embedded PD: listen address %q: want host:port: %w", o.Addr, err)
	}
	ip := net.ParseIP(host)
	if ip == nil && host != "localhost" {
		return o, fmt.Errorf("embedded PD: listen address %q: the host must be an IP address or localhost", o.Addr)
	}
	if o.AdvertiseAddr == "" {
		if ip != nil && ip.IsUnspecified() {
			return o, fmt.Errorf("embedded PD: clients cannot dial %q: also give the address that others should dial", o.Addr)
		}
		return o, nil
	}
	host, _, err = net.SplitHostPort(o.AdvertiseAddr)
	if err == nil && host == "" {
		err = errors.New("the host is missing")
	}
	if err != nil {
		return o, fmt.Errorf("embedded PD: advertised address %q: want host:port: %w", o.AdvertiseAddr, err)
	}
	return o, nil
}

// scheme is how the client port is spoken to.
func (o Options) scheme() string {
	if o.CertFile != "" {
		return "https"
	}
	return "http"
}

// clientURL is what clients are told to dial, given the address listened on.
func (o Options) clientURL(listen string) url.URL {
	u := url.URL{Scheme: o.scheme(), Host: listen}
	if o.AdvertiseAddr == "" {
		return u
	}
	host, port, _ := net.SplitHostPort(o.AdvertiseAddr) // checked by withDefaults
	if port == "0" {
		_, port, _ = net.SplitHostPort(listen)
	}
	u.Host = net.JoinHostPort(host, port)
	return u
}
