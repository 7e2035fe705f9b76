package testsuite

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pumphouse/internal/version"
)

// TestChangelog: CHANGELOG.md has the form of keepachangelog.com, and its newest version is that of the programs.
func TestChangelog(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
	release := regexp.MustCompile(`^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$`)
	var versions []string
	last := -1 // place of the present section's kind; -1: none yet
	for n, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		kind, section := strings.CutPrefix(line, "### ")
		switch {
		case strings.HasPrefix(line, "## "):
			last = -1
			if m := release.FindStringSubmatch(line); m != nil {
				versions = append(versions, m[1])
			} else if line == "## [Unreleased]" && versions == nil {
				versions = append(versions, "Unreleased")
			} else {
				t.Errorf("line %d: %q: want ## [Unreleased] first, then ## [1.2.3] - 2026-01-31", n+1, line)
			}
		case section:
			if at := slices.Index(kinds, kind); at <= last {
				t.Errorf("line %d: section %q: want each of %q once at most, in this order", n+1, kind, kinds)
			} else {
				last = at
			}
		case len(versions) > 0 && line != "" && (last < 0 || !strings.HasPrefix(line, "- ") && !strings.HasPrefix(line, "  ")):
			t.Errorf("line %d: %q: want an entry (\"- …\") under one of %q", n+1, line, kinds)
		}
	}
	if len(versions) < 2 || versions[0] != "Unreleased" || versions[1] != version.Number {
		t.Errorf("versions %q: want Unreleased and then %s, the programs' version (internal/version)", versions, version.Number)
	}
}
