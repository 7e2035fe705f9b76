package packaging

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pumphouse/nodes"
)

const alertRules = "../../packaging/prometheus/pumphouse.rules.yml"

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
