package testsuite

import (
	"fmt"
	"net/http"
	"os/exec"
	"testing"

	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
)

// TestDrainerTLS: with [security] everything the drainer says and hears is over TLS, from PD and pumps
// to /status; who has no certificate of the CA, or one of another name, gets no answer.
func TestDrainerTLS(t *testing.T) {
	certs := pdtest.NewCerts(t)
	c := newPumps(t, pdtest.StartEmbedTLS(t, certs))
	files := []string{"-ssl-ca", certs.CAFile, "-ssl-cert", certs.CertFile, "-ssl-key", certs.KeyFile}
	named := func(cn string) string {
		return writeFile(t, "drainer.toml", fmt.Sprintf("[security]\nssl-ca = %q\nssl-cert = %q\nssl-key = %q\ncert-allowed-cn = [%q]\n",
			certs.CAFile, certs.CertFile, certs.KeyFile, cn))
	}
	tr := c.newTradeOf(c.start("pump1", files...))
	d := tr.drainer("drainer1", "-config", named("pdtest")).launch()
	d.consumes(tr, tr.sell("pump1"))
	if code, body := d.ask(http.MethodGet, "/status"); code != http.StatusOK {
		t.Errorf("/status: %d %s", code, body)
	}
	// A pump that starts notifies the drainer, or it does not start.
	tr.open(c.start("pump2", files...))
	d.consumes(tr, tr.sell("pump2"))

	stranger := *c
	stranger.tls = certs.Client()
	stranger.tls.Certificates = nil
	plain := *c
	plain.tls = nil
	for what, client := range map[string]*pumps{"no certificate": &stranger, "no TLS": &plain} {
		t.Run(what, func(t *testing.T) {
			client.t = t
			refused(t, client, d.addr)
		})
	}
	picky := tr.drainer("drainer2", "-config", named("somebody else")).launch()
	refused(t, c, picky.addr)

	out, err := exec.Command(program("binlogctl"), append(files, "-pd-urls", c.endpoints[0], "-cmd", "pause-drainer", "-node-id", "drainer1")...).CombinedOutput()
	if err != nil {
		t.Errorf("binlogctl with TLS: %v %s", err, out)
	}
	d.ends(0)
	d.hasState(nodes.Paused)
	d.exact(tr)
}
