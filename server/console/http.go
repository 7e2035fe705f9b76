package console

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"pumphouse/internal/certfile"
	"pumphouse/internal/version"
	"pumphouse/nodes"
	"pumphouse/server/web"
)

// noHTTP is the -http-addr that means: no HTTP port.
const noHTTP = "off"

// httpAddr is where the page is served: what was configured, else the default port, or any
// free one where the MySQL port is any free one too.
func (c *Config) httpAddr() string {
	if c.HTTPAddr != "" {
		return c.HTTPAddr
	}
	if _, port, err := net.SplitHostPort(c.Addr); err == nil && port == "0" {
		return "127.0.0.1:0"
	}
	return "127.0.0.1:8247"
}

// openHTTP starts the page and the metrics, if they are wanted.
func (c *Console) openHTTP(cfg Config, cluster *nodes.Cluster, opts web.Options) error {
	c.pageScheme = "http"
	addr := cfg.httpAddr()
	if addr == noHTTP {
		return nil
	}
	opts.Addr, opts.View, opts.Survey, opts.Events = addr, cluster, c.survey, c.audit
	opts.Endpoints, opts.Status = cluster.Endpoints, c.server.Status
	opts.Heartbeat, opts.Version, opts.Now = cfg.Heartbeat.Duration, version.Number, c.clock.now
	opts.Hosts = strings.FieldsFunc(cfg.HTTPHosts, func(r rune) bool { return r == ',' || r == ' ' })
	if cfg.HTTPLogin {
		opts.Login = c.server.CheckLogin
	}
	if cfg.HTTPCert != "" {
		pair, err := certfile.NewPair(cfg.HTTPCert, cfg.HTTPKey, func(err error) {
			opts.Logger.WithError(err).Error("cannot renew the TLS certificate of the page")
		})
		if err != nil {
			return err
		}
		opts.TLS = &tls.Config{MinVersion: tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Get(), nil }}
		c.pageScheme = "https"
	}
	page, err := web.New(opts)
	if err != nil {
		return err
	}
	if err := page.Open(); err != nil {
		return err
	}
	c.page = page
	return nil
}

// PageURL is where the page is; "" if there is none.
func (c *Console) PageURL() string {
	if c.page == nil {
		return ""
	}
	return fmt.Sprintf("%s://%s/", c.pageScheme, c.page.Addr())
}

// PageLine says where the page is, in a line of its own; "" if there is none.
func (c *Console) PageLine() string {
	if c.page == nil {
		return ""
	}
	return "page: " + c.PageURL() + "\n"
}
