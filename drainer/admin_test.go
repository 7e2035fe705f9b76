package drainer

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/port"
)

// TestAdminLimitsTheDrainer: an order over HTTP is limited, what only looks is not.
func TestAdminLimitsTheDrainer(t *testing.T) {
	log, _ := logtest.NewNullLogger()
	n, err := life.NewNode(nodes.Drainer, life.Options{Admin: port.AdminCert, Metrics: prometheus.NewRegistry(), Logger: log}, nil)
	if err != nil {
		t.Fatal(err)
	}
	n.ID = "drainer1"
	d := &Drainer{Node: n}
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
