package testsuite

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
)

const alertRules = "../packaging/prometheus/pumphouse.rules.yml"

// TestPackagedAlertsNameCodes: the alert rules name no code of a problem that does not exist.
func TestPackagedAlertsNameCodes(t *testing.T) {
	rules, err := os.ReadFile(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`code[!=]~?"([^"]+)"`).FindAllStringSubmatch(string(rules), -1) {
		for _, code := range strings.Split(m[1], "|") {
			if !slices.Contains(nodes.ProblemCodes(), nodes.ProblemCode(code)) {
				t.Errorf("%s names the code %q, which no node has", alertRules, code)
			}
		}
	}
}

// TestPackagedAlerts: the rules are what promtool takes, and fire as their own tests say.
func TestPackagedAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		form.Missing(t, "promtool is not installed (package prometheus): the alert rules are not run")
	}
	for _, args := range [][]string{{"check", "rules", alertRules}, {"test", "rules", strings.Replace(alertRules, ".yml", ".test.yml", 1)}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
