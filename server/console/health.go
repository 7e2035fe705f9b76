package console

import (
	"fmt"
	"time"

	"pumphouse/internal/certfile"
	"pumphouse/nodes"
)

// health finds what is wrong with the console itself, whenever somebody asks.
type health struct {
	clock     *pdClock
	endpoints []string
	certs     []certificate
	problems  nodes.Problems
}

// certificate is one of the console's own: read again when its files change.
type certificate struct {
	file     string
	settings string // that name the files
	pair     *certfile.Pair
}

// newHealth reads the certificates that are configured.
func newHealth(cfg Config, clock *pdClock, endpoints []string) (*health, error) {
	h := &health{clock: clock, endpoints: endpoints}
	for _, c := range []struct{ cert, key, settings string }{
		{cfg.TLSCert, cfg.TLSKey, "tls-cert and tls-key"},
		{cfg.HTTPCert, cfg.HTTPKey, "http-tls-cert and http-tls-key"},
		{cfg.Security.Cert, cfg.Security.Key, "ssl-cert and ssl-key"},
	} {
		if c.cert == "" || c.key == "" { // half a pair is refused by who uses it
			continue
		}
		pair, err := certfile.NewPair(c.cert, c.key, nil) // who uses it reports that it cannot be renewed
		if err != nil {
			return nil, err
		}
		h.certs = append(h.certs, certificate{c.cert, c.settings, pair})
	}
	return h, nil
}

// clockAway is for how long PD may give no timestamp before that is a problem.
const clockAway = 5 * time.Second

// list gives the problems, the oldest first.
func (h *health) list() []nodes.Problem {
	var certs = make(map[nodes.ProblemCode][]nodes.Problem)
	for _, c := range h.certs {
		if p, is := nodes.CertificateProblem(c.pair.Get().Leaf, c.file, c.settings, h.clock.now()); is {
			certs[p.Code] = append(certs[p.Code], p)
		}
	}
	for _, code := range []nodes.ProblemCode{nodes.ProblemCertificateExpiring, nodes.ProblemCertificateExpired} {
		h.problems.Replace(code, certs[code]...)
	}
	h.problems.SetClock("the clock of the console's machine", -h.clock.difference())
	if since, err := h.clock.failing(); err != nil && time.Since(since) >= clockAway {
		h.problems.Set(nodes.Problem{Code: nodes.ProblemPDAway, Since: since, Text: fmt.Sprintf("PD at %v gives no timestamps: %v", h.endpoints, err),
			Cure: "check that PD runs and has a leader, and that this machine reaches it (-pd-urls)"})
	} else {
		h.problems.Clear(nodes.ProblemPDAway)
	}
	return h.problems.List()
}
