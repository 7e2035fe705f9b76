package nodes

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"pumphouse/internal/secret"
)

// defaultPDPort is the client port of a PD whose address names none.
const defaultPDPort = "2379"

// Connections that fell silent are noticed after keepaliveTime + keepaliveTimeout.
// etcd closes connections that ping more often than every 5 s.
const (
	keepaliveTime    = 10 * time.Second
	keepaliveTimeout = 3 * time.Second
	maxRedial        = time.Second // longest pause between attempts to connect
)

// NewClient makes an etcd client for PD that stays useful while PD restarts, moves its
// leader or vanishes without a word. It connects in the background, so it succeeds
// while PD is down; timeout bounds one attempt to connect. Endpoints are as
// [ParseEndpoints] takes them. A nil tlsConfig means plain text. It logs nothing: what
// goes wrong comes back from the calls, which the [Registry] repeats and bounds.
func NewClient(endpoints []string, tlsConfig *tls.Config, timeout time.Duration) (*clientv3.Client, error) {
	urls, err := ParseEndpoints(endpoints, tlsConfig != nil)
	if err != nil {
		return nil, err
	}
	cli, err := clientv3.New(clientv3.Config{
		Endpoints:            urls,
		TLS:                  tlsConfig,
		DialTimeout:          timeout,
		DialKeepAliveTime:    keepaliveTime,
		DialKeepAliveTimeout: keepaliveTimeout,
		MaxUnaryRetries:      1, // the registry repeats calls, and keeps the reason of a failure
		Logger:               zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(failFast), grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxRedial},
			MinConnectTimeout: timeout,
		})},
	})
	if err != nil {
		return nil, fmt.Errorf("make a client of PD %s: %w", strings.Join(urls, ","), err)
	}
	return cli, nil
}

// failFast makes a call fail with the reason when there is no connection. The etcd client
// would let it wait for one, and then tell the time-out only; here the registry does the
// waiting.
func failFast(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(ctx, method, req, reply, cc, append(opts, grpc.WaitForReady(false))...)
}

// ParseEndpoints checks PD's addresses and writes them in full, as http://host:port or
// https://host:port. Each may stand with or without scheme and port (default 2379), and
// one text may hold several with commas between, as -pd-urls does. An address without a
// scheme gets the one that fits secure; one with the other scheme is refused, so that
// nothing travels in plain text that was meant not to.
func ParseEndpoints(endpoints []string, secure bool) ([]string, error) {
	var urls []string
	for _, text := range strings.Split(strings.Join(endpoints, ","), ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		u, err := parseEndpoint(text, secure)
		if err != nil {
			return nil, err
		}
		urls = append(urls, u)
	}
	if len(urls) == 0 {
		return nil, errors.New("no address of PD is given: set -pd-urls, for example http://127.0.0.1:2379")
	}
	return urls, nil
}

func parseEndpoint(given string, secure bool) (string, error) {
	scheme, text := "http", given
	if secure {
		scheme = "https"
	}
	if !strings.Contains(text, "://") {
		text = scheme + "://" + text
	}
	u, err := url.Parse(text)
	why := ""
	switch {
	case err != nil:
		why = errors.Unwrap(err).Error()
	case u.Hostname() == "":
		why = "it names no host"
	case u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		why = "it is more than a host and a port"
	case u.Scheme != "http" && u.Scheme != "https":
		why = "its scheme is " + u.Scheme + ", want http or https"
	}
	if why != "" {
		return "", fmt.Errorf("PD address %q: %s. Write it like %s://127.0.0.1:2379 (-pd-urls)", secret.MaskPassword(given), why, scheme)
	}
	endpoint := scheme + "://" + net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), defaultPDPort))
	switch {
	case u.Scheme == scheme:
		return endpoint, nil
	case secure:
		return "", fmt.Errorf("PD address %q is plain http, and certificates are set. Write %s (-pd-urls), or remove ssl-ca, ssl-cert and ssl-key", given, endpoint)
	}
	return "", fmt.Errorf("PD address %q is https, and no certificates are set. Set ssl-ca, ssl-cert and ssl-key (flags, or keys in [security]), or write %s (-pd-urls)",
		given, endpoint)
}

// displayEndpoints strips the schemes, as upstream error texts show endpoints.
func displayEndpoints(urls []string) []string {
	out := make([]string, len(urls))
	for i, u := range urls {
		if _, rest, ok := strings.Cut(u, "://"); ok {
			u = rest
		}
		out[i] = u
	}
	return out
}
