package tools

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pumphouse/testsuite/programs"
)

// The rules and the dashboard in packaging/ ask for metrics and labels that the programs
// really have.
func TestPackagedMonitoring(t *testing.T) {
	rules := absolute(t, "packaging", "prometheus", "pumphouse.rules.yml")
	contains(t, command(t, "", "promtool", "check", "rules", rules), "SUCCESS")
	contains(t, command(t, "", "promtool", "check", "config", absolute(t, "packaging", "prometheus", "scrape.yml")), "1 rule files found", "is valid prometheus config file syntax")
	demo := start(t, "ready:", exec.Command(programs.Path("pumphouse"), "demo", "-addr", "127.0.0.1:0", "-data-dir", t.TempDir()))
	r := &rig{host: demo.after(t, " -h "), port: demo.after(t, " -P "), page: demo.after(t, "page: ")}
	db := r.open(t, "")
	pump, drainer := scalar(t, db, "SELECT address FROM pumps ORDER BY node_id LIMIT 1"), scalar(t, db, "SELECT address FROM drainers LIMIT 1")
	// The second of the demo's pumps goes, and holds the drainers: that is told too.
	if _, err := db.ExecContext(t.Context(), "PAUSE PUMP ?", scalar(t, db, "SELECT MAX(node_id) FROM pumps")); err != nil {
		t.Fatal(err)
	}
	have := map[string][]string{} // a metric's series
	for name, text := range map[string]string{
		"console": fetchUntil(t, r.page+"metrics", "pumphouse_drainer_held_seconds{", "pumphouse_node_lag_seconds{", "pumphouse_pump_unresolved{"),
		"pump":    fetch(t, "http://"+pump+"/metrics"), "drainer": fetchUntil(t, "http://"+drainer+"/metrics", "binlog_drainer_pump_position{"),
	} {
		if out, stderr, err := try(t, nil, text, "promtool", "check", "metrics"); err != nil && !onlyOldNames(out+stderr) {
			t.Errorf("promtool on the metrics of the %s: %s%s", name, out, stderr)
		}
		unique(t, text)
		for line := range strings.Lines(text) {
			if metric := regexp.MustCompile(`^(?:# TYPE )?([a-z][a-z0-9_]+)`).FindStringSubmatch(line); metric != nil {
				have[metric[1]] = append(have[metric[1]], line)
			}
		}
	}
	var asked []string
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^ +expr: (.*)$`).FindAllStringSubmatch(string(text), -1) {
		asked = append(asked, m[1])
	}
	asked = append(asked, dashboardQueries(t, absolute(t, "packaging", "grafana", "pumphouse.json"))...)
	if len(asked) < 40 {
		t.Fatalf("only %d expressions found", len(asked))
	}
	for _, expr := range asked {
		for _, m := range regexp.MustCompile(`\b((?:pumphouse|binlog)_[a-z_]+)(\{[^}]*\})?`).FindAllStringSubmatch(expr, -1) {
			if strings.HasPrefix(m[1], "binlog_arbiter_") {
				continue // testsuite/restore has one that runs
			}
			series, ok := have[m[1]]
			if !ok {
				t.Errorf("%s: nobody has the metric %s", expr, m[1])
			}
			for _, label := range regexp.MustCompile(`([a-zA-Z_]+) *(?:=~|!=|=|!~)`).FindAllStringSubmatch(m[2], -1) {
				if slices.Contains([]string{"instance", "job"}, label[1]) {
					continue // Prometheus's own
				}
				if !slices.ContainsFunc(series, func(s string) bool { return strings.Contains(s, label[1]+`="`) }) {
					t.Errorf("%s: %s has no label %s", expr, m[1], label[1])
				}
			}
		}
	}
}

// fetchUntil fetches metrics until all wanted ones are there: some appear with what they tell of.
func fetchUntil(t *testing.T, url string, wants ...string) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		text := fetch(t, url)
		missing := slices.DeleteFunc(slices.Clone(wants), func(w string) bool { return strings.Contains(text, w) })
		if len(missing) == 0 {
			return text
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has no %q:\n%s", url, missing, text)
		}
	}
}

// onlyOldNames reports whether promtool complains of nothing but names that upstream's
// dashboards fix.
func onlyOldNames(complaints string) bool {
	for line := range strings.Lines(complaints) {
		if !regexp.MustCompile(`^(binlog|pumphouse_console)_`).MatchString(line) {
			return false
		}
	}
	return true
}

// dashboardQueries are the expressions of a Grafana dashboard.
func dashboardQueries(t *testing.T, file string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, child := range v {
				if s, ok := child.(string); ok && (key == "expr" || key == "query") {
					found = append(found, s)
				}
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(doc)
	return found
}
