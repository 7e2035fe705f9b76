package port

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/certfile"
)

// Admin says from whom a node takes what changes it, costs it much or shows what binlogs hold over HTTP:
// PUT /state/…, /debug/…, and a pump's /unresolved. The zero value means [AdminAny].
type Admin string

// The values of admin in [security].
const (
	AdminAny      Admin = "any"      // whoever reaches the port, as upstream's nodes
	AdminLoopback Admin = "loopback" // this machine, over TCP or the Unix socket
	AdminCert     Admin = "cert"     // whoever shows a certificate that ssl-ca has signed
)

// Security is the section [security] of a node's configuration.
type Security struct {
	certfile.Security
	Admin Admin `toml:"admin"` // ours
}

// Flags declares -admin beside those of [certfile.Security]; what says what admin keeps from others.
func (s *Security) Flags(fs *flag.FlagSet, what string) {
	s.Security.Flags(fs)
	fs.StringVar((*string)(&s.Admin), "admin", string(AdminAny), "who may change the node over HTTP ("+what+"): any, loopback (this machine) or cert (a client certificate that ssl-ca has signed)")
}

// Check reports what is wrong with the section.
func (s Security) Check() error {
	return errors.Join(s.Security.Check(), s.Admin.Check(s.Security))
}

// Check says what is wrong with the setting, given that of TLS.
func (a Admin) Check(sec certfile.Security) error {
	switch a {
	case "", AdminAny, AdminLoopback:
		return nil
	case AdminCert:
		if sec.CA == "" || sec.Cert == "" || sec.Key == "" {
			return errors.New(`admin = "cert": client certificates are checked only with TLS. Set ssl-ca, ssl-cert and ssl-key in [security]`)
		}
		return nil
	}
	return fmt.Errorf(`admin = %q: unknown value. Use "any", "loopback" or "cert"`, string(a))
}

// Guard lets a handler see only requests that the setting allows; others are answered
// with 403 and what to do.
func (a Admin) Guard(handle func(*http.Request) (any, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		if err := a.allow(r); err != nil {
			return nil, &HTTPError{http.StatusForbidden, fmt.Errorf("%s %s from %s: %w", r.Method, r.URL.Path, peerName(r), err)}
		}
		return handle(r)
	}
}

// ConfigHandler answers GET /config with what the configuration holds: to this machine, or with
// admin = "cert" to whoever shows a certificate.
func (a Admin) ConfigHandler(shown map[string]any) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		if a == AdminCert {
			if err := a.allow(r); err != nil {
				return nil, &HTTPError{http.StatusForbidden, err}
			}
		} else if !fromHere(r) {
			return nil, &HTTPError{http.StatusForbidden, errors.New(`the configuration is shown on the node's own machine only, or with [security] admin = "cert" to whoever shows a certificate`)}
		}
		return shown, nil
	}
}

func (a Admin) allow(r *http.Request) error {
	switch {
	case a == AdminLoopback && !fromHere(r):
		return errors.New(`refused by the setting [security] admin = "loopback". Send it from the node's own machine, ` +
			`or set admin to "cert" or "any" and restart the node`)
	case a == AdminCert && peerCertificate(r) == "":
		return errors.New(`refused by the setting [security] admin = "cert". Use TLS with a client certificate that ssl-ca has signed, ` +
			`or set admin to "loopback" or "any" and restart the node`)
	}
	return nil
}

// fromHere reports whether a request comes from this machine: over the Unix socket, from a
// loopback address, or from the very address that it was sent to, which is this machine's.
func fromHere(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if ok && local.Network() == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	peer := net.ParseIP(host)
	if err != nil || peer == nil {
		return false
	}
	at, isTCP := local.(*net.TCPAddr)
	return peer.IsLoopback() || isTCP && at.IP.Equal(peer)
}

// certificateKey is the key in a connection's context under which [Port] puts its TLS end.
type certificateKey struct{}

// withTLS keeps the TLS end of a connection at hand: the HTTP server does not find it, as
// the first bytes have been read already.
func withTLS(ctx context.Context, c net.Conn) context.Context {
	if b, ok := c.(*begun); ok {
		c = b.Conn
	}
	if t, ok := c.(*tls.Conn); ok {
		return context.WithValue(ctx, certificateKey{}, t)
	}
	return ctx
}

// peerCertificate is the common name of the client's certificate, "?" if it has none, or ""
// if the client has shown no certificate that was verified.
func peerCertificate(r *http.Request) string {
	c, ok := r.Context().Value(certificateKey{}).(*tls.Conn)
	if !ok {
		return ""
	}
	state := c.ConnectionState()
	if len(state.VerifiedChains) == 0 {
		return ""
	}
	if name := state.PeerCertificates[0].Subject.CommonName; name != "" {
		return name
	}
	return "?"
}

// Peer says who sent a request, for logs: the address, and the certificate's name if one
// was verified.
func Peer(r *http.Request) string {
	if name := peerCertificate(r); name != "" {
		return fmt.Sprintf("%s (certificate %q)", peerName(r), name)
	}
	return peerName(r)
}

func peerName(r *http.Request) string {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && local.Network() == "unix" {
		return "the Unix socket"
	}
	return r.RemoteAddr
}

// Warn logs that anybody may change the node, if anybody outside this machine reaches it
// and nothing checks who that is.
func (a Admin) Warn(log logrus.FieldLogger, listening net.Addr, sec certfile.Security) {
	at, ok := listening.(*net.TCPAddr)
	if a != "" && a != AdminAny || !ok || at.IP.IsLoopback() || sec.Enabled() {
		return
	}
	log.WithField("addr", listening.String()).Warn("whoever reaches this port may pause the node or take it offline: it is open to other machines without TLS. " +
		`Set TLS in [security], or admin = "loopback" there (-admin loopback)`)
}
