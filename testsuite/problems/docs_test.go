package problems

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pumphouse/nodes"
)

// TestDocProblems: every code of a problem has its section in docs/problems.md, in that order, each with
// what it means, what is at risk and what to do; and there is no section for a code that does not exist.
func TestDocProblems(t *testing.T) {
	text, err := os.ReadFile("../../docs/problems.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []nodes.ProblemCode
	for i, section := range strings.Split(string(text), "\n## ") {
		if i == 0 {
			continue
		}
		code, body, _ := strings.Cut(section, "\n")
		documented = append(documented, nodes.ProblemCode(code))
		for _, part := range []string{"**Means.** ", "**At risk.** ", "**Do.** "} {
			if strings.Count(body, part) != 1 {
				t.Errorf("section %s has not one paragraph that begins with %q", code, part)
			}
		}
	}
	if !slices.Equal(documented, nodes.ProblemCodes()) {
		t.Errorf("documented are\n%q, the codes are\n%q", documented, nodes.ProblemCodes())
	}
	source, err := os.ReadFile("../../nodes/problem.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`ProblemCode = "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		if !slices.Contains(documented, nodes.ProblemCode(m[1])) {
			t.Errorf("the code %s is not in nodes.ProblemCodes", m[1])
		}
	}
}
