package drainer

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"pumphouse/nodes/daemon"
)

// TestAdminLimitsTheDrainer: an order over HTTP is limited, what only looks is not.
func TestAdminLimitsTheDrainer(t *testing.T) {
	log, _ := logtest.NewNullLogger()
	d := &Drainer{log: log, nodeID: "drainer1", opts: Options{Admin: daemon.AdminCert, Metrics: prometheus.NewRegistry()}}
	h := d.routes()
	for _, c := range []struct {
		method, path string
		limited      bool
	}{
		{"PUT", "/state/drainer1/pause", true}, {"PUT", "/state/drainer1/close", true}, {"GET", "/metrics", false},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil))
		if (w.Code == http.StatusForbidden) != c.limited || c.limited && !strings.Contains(w.Body.String(), "cert") {
			t.Errorf("%s %s: %d %s, limited: %v", c.method, c.path, w.Code, w.Body, c.limited)
		}
	}
}
