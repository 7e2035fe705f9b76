package certfile_test

import (
	"strings"
	"testing"

	"pumphouse/internal/certfile"
)

func TestSecurityNamesWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		name string
		s    certfile.Security
		want string
	}{
		{"a key without a certificate", certfile.Security{Key: "k.pem"}, "ssl-cert"},
		{"names without a CA", certfile.Security{Cert: "c.pem", Key: "k.pem", AllowedCN: []string{"tidb"}}, "ssl-ca"},
		{"a file that is not there", certfile.Security{Cert: "gone.pem", Key: "k.pem"}, "gone.pem"},
	} {
		if _, err := c.s.Server(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to name %s", c.name, err, c.want)
		}
	}
	if cfg, err := (certfile.Security{}).Client(); cfg != nil || err != nil {
		t.Errorf("no files: %v, %v, want no TLS", cfg, err)
	}
}
