package restore

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
)

// TestArbiterMetrics: the alerts of packaging/ ask for metrics that a running arbiter has; testsuite/tools does so for the
// other programs.
func TestArbiterMetrics(t *testing.T) {
	rules, err := os.ReadFile("../../packaging/prometheus/pumphouse.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`\bbinlog_arbiter_[a-z_]+`).FindAllString(string(rules), -1)
	if len(asked) == 0 {
		t.Fatal("no alert asks for a metric of arbiter")
	}
	addr := form.Addr(t)
	txns := keyless(3)
	srv, last := startMariaDB(t), txns[len(txns)-1].CommitTS
	a := startArbiter(t, newTopic(t, messages(t, time.UTC, txns)...), srv, "-addr", addr)
	a.reaches(srv.open(t), last)
	var text string
	for end := time.Now().Add(time.Minute); text == "" && time.Now().Before(end); nodes.Sleep(t.Context(), 20*time.Millisecond) {
		if resp, err := http.Get("http://" + addr + "/metrics"); err == nil {
			body, _ := io.ReadAll(resp.Body) // a part lacks metrics
			resp.Body.Close()
			text = string(body)
		}
	}
	for _, name := range asked {
		if !strings.Contains(text, "\n"+name+" ") && !strings.Contains(text, "\n"+name+"{") {
			t.Errorf("arbiter has no metric %s:\n%s", name, text)
		}
	}
	a.stop()
}
