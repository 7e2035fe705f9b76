package testsuite

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestVariablesAreDocumented: CONTRIBUTING.md has every environment variable that tests and scripts read.
func TestVariablesAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git", "grep", "-ohE", `\b(PUMPHOUSE|FUZZ)_[A-Z_]*[A-Z]\b`, "--", "*.go", "*.sh", "Makefile")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([A-Z_]+)`")
	known := make(map[string]bool)
	for _, m := range named.FindAllStringSubmatch(string(page), -1) {
		known[m[1]] = true
	}
	found := make(map[string]bool)
	for _, name := range strings.Fields(string(out)) {
		if found[name] = true; !known[name] {
			t.Errorf("CONTRIBUTING.md does not have %s", name)
			known[name] = true
		}
	}
	if !found["PUMPHOUSE_BIN"] || !found["FUZZ_EACH"] {
		t.Errorf("the search found only %v", found)
	}
}
