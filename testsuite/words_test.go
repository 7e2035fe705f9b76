package testsuite

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unclear are words that have misled operators or readers, and what to say instead. "Behind" has
// been used for both directions of time; it stays for places (behind one port) and as "left behind".
var unclear = []struct {
	words   *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?i)\btells whether\b`), "reports whether"},
	{regexp.MustCompile(`(?i)\b(stands|is|are|goes on|resumes) behind\b|\bbehind (it|them|which|that)\b`), "after, greater than, newer; lags by"},
	{regexp.MustCompile(`(?i)\b(of|in) the field\b|\bthe field's\b`), "upstream"},
	{regexp.MustCompile(`(?i)\bnobody (tells|told)\b`), "unresolved"},
	{regexp.MustCompile(`(?i)\bmend(s|ed)?\b`), "fix"},
	{regexp.MustCompile(`(?i)\bholds (everything|the merge)\b`), "blocks replication, holds back"},
	{regexp.MustCompile(`(?i)\bis no (record|order|beginning)\b.*:`), "invalid, malformed, unknown"},
}

// TestWords: code and documents use one word for one thing.
func TestWords(t *testing.T) {
	cmd := exec.Command("git", "ls-files", "*.go", "*.md", "*.proto", "packaging")
	cmd.Dir = root
	list, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(list))
	if len(files) < 500 {
		t.Fatalf("only %d files", len(files))
	}
	for _, name := range files {
		if name == "testsuite/words_test.go" || strings.Contains(name, "/testdata/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(text), "\n") {
			for _, u := range unclear {
				if found := u.words.FindString(line); found != "" {
					t.Errorf("%s:%d: %q: say %s", name, n+1, found, u.instead)
				}
			}
		}
	}
}
