package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Login checks the password of a user who comes from an address. Its error says that nothing could
// be checked; the user is shown it and may try again.
type Login func(ctx context.Context, user, password string, from net.Addr) (ok bool, err error)

// guard lets those through who name the console as what it is, and log in where they have to.
// A name of a stranger's that leads here (DNS rebinding) has a browser read the page for that stranger.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !s.knows(r):
			http.Error(w, fmt.Sprintf("serve %s for host %q: that is none of the names of this console. Add it to http-hosts, or use the console's address.",
				r.URL.Path, clip(r.Host)), http.StatusMisdirectedRequest)
		case s.opts.Login == nil || r.URL.Path == "/healthz":
			next.ServeHTTP(w, r)
		default:
			s.logIn(w, r, next)
		}
	})
}

// logIn asks for name and password of one of the console's users.
func (s *Server) logIn(w http.ResponseWriter, r *http.Request, next http.Handler) {
	user, password, given := r.BasicAuth()
	if given {
		ok, err := s.opts.Login(r.Context(), user, password, remote(r.RemoteAddr))
		if err != nil {
			w.Header().Set("Retry-After", "5")
			http.Error(w, err.Error(), http.StatusTooManyRequests)
			return
		}
		if ok {
			next.ServeHTTP(w, r)
			return
		}
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="Pumphouse", charset="UTF-8"`)
	http.Error(w, "log in as one of the console's users.", http.StatusUnauthorized)
}

func remote(addr string) net.Addr {
	if ap, err := netip.ParseAddrPort(addr); err == nil {
		return net.TCPAddrFromAddrPort(ap)
	}
	return &net.TCPAddr{}
}

// knows reports whether a request names this console: by the address it came to, a name of the
// loopback, the name it listens on, or one that is configured. Clients that name no host are no
// browsers.
func (s *Server) knows(r *http.Request) bool {
	host := hostOf(r.Host)
	if host == "" || host == "localhost" || s.hosts[host] {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if ip.IsLoopback() {
		return true
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return false
	}
	to, err := netip.ParseAddrPort(local.String())
	return err == nil && to.Addr().Unmap() == ip.Unmap()
}

// hostOf is a name without port, brackets and a dot at the end, in lower case.
func hostOf(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// hosts are the configured names, and the one that the port listens on.
func hosts(addr string, names []string) (map[string]bool, error) {
	known := make(map[string]bool)
	for _, name := range names {
		host := hostOf(name)
		if host == "" || strings.ContainsAny(name, "/*@ ") {
			return nil, fmt.Errorf("http-hosts has %q, which is not a host name. Give names or addresses as browsers show them, without http://", name)
		}
		known[host] = true
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("http-addr %q: %w", addr, err)
	}
	if host != "" {
		known[hostOf(host)] = true
	}
	return known, nil
}

// checkOpen refuses to have passwords sent in the clear over a network.
func checkOpen(opts Options) error {
	host, _, err := net.SplitHostPort(opts.Addr)
	if err != nil || opts.Login == nil || opts.TLS != nil {
		return nil
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	return errors.New("http-login would have passwords sent in the clear to " + opts.Addr +
		". Set http-tls-cert and http-tls-key, or have http-addr listen on 127.0.0.1")
}

func clip(s string) string { return s[:min(len(s), 80)] }
