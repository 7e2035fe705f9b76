package drainer

import (
	"fmt"
	"net/http"
	"os/exec"
	"testing"

	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

// TestDrainerTLS: with [security] everything the drainer says and hears is over TLS, from PD and pumps
// to /status; who has no certificate of the CA, or one of another name, gets no answer.
func TestDrainerTLS(t *testing.T) {
	certs := pdtest.NewCerts(t)
	c := rig.NewPumps(t, pdtest.StartEmbedTLS(t, certs))
	files := []string{"-ssl-ca", certs.CAFile, "-ssl-cert", certs.CertFile, "-ssl-key", certs.KeyFile}
	named := func(cn string) string {
		return rig.WriteFile(t, "drainer.toml", fmt.Sprintf("[security]\nssl-ca = %q\nssl-cert = %q\nssl-key = %q\ncert-allowed-cn = [%q]\n",
			certs.CAFile, certs.CertFile, certs.KeyFile, cn))
	}
	tr := c.NewTradeOf(c.Start("pump1", files...))
	d := tr.Drainer("drainer1", "-config", named("pdtest")).Launch()
	d.Consumes(tr, tr.Sell("pump1"))
	if code, body := d.Ask(http.MethodGet, "/status"); code != http.StatusOK {
		t.Errorf("/status: %d %s", code, body)
	}
	// A pump that starts notifies the drainer, or it does not start.
	tr.Open(c.Start("pump2", files...))
	d.Consumes(tr, tr.Sell("pump2"))

	stranger := *c
	stranger.TLS = certs.Client()
	stranger.TLS.Certificates = nil
	plain := *c
	plain.TLS = nil
	for what, client := range map[string]*rig.Pumps{"no certificate": &stranger, "no TLS": &plain} {
		t.Run(what, func(t *testing.T) {
			client.T = t
			rig.Refused(t, client, d.Addr)
		})
	}
	picky := tr.Drainer("drainer2", "-config", named("somebody else")).Launch()
	rig.Refused(t, c, picky.Addr)

	out, err := exec.Command(programs.Path("binlogctl"), append(files, "-pd-urls", c.Endpoints[0], "-cmd", "pause-drainer", "-node-id", "drainer1")...).CombinedOutput()
	if err != nil {
		t.Errorf("binlogctl with TLS: %v %s", err, out)
	}
	d.Ends(0)
	d.HasState(nodes.Paused)
	d.Exact(tr)
}
