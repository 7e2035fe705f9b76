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

// awkward are phrases that are not English as operators read it, and what to say instead. They count where operators read:
// in the texts of the product's code, in docs and in packaging.
var awkward = []struct {
	words   *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?i)\banew\b`), "again; of a cluster or a downstream: rebuild"},
	{regexp.MustCompile(`(?i)(\b(it|that|which|what|0)|%[qsTv]'?) is no\b`), "is not a, invalid, must be"},
	{regexp.MustCompile(`(?i)\blook whether\b`), "check that"},
	{regexp.MustCompile(`(?i)\btrying on\b`), "retrying"},
	{regexp.MustCompile(`(?i)\bis (paused|closing|pausing|offline) since\b`), "has been paused since"},
	{regexp.MustCompile(`(?i)\bthe (pump|drainer|console) ends\b`), "exits, stops"},
	{regexp.MustCompile(`(?i)\bbrings? (it|them|transactions) to\b`), "replicates into"},
}

// literal is a text in Go code.
var literal = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")

// readByOperators is what operators read of a line of a file.
func readByOperators(name, line string) string {
	switch {
	case strings.HasPrefix(name, "docs/") || strings.HasPrefix(name, "packaging/"):
		return line
	case strings.HasPrefix(name, "testsuite/") || strings.HasSuffix(name, "_test.go") || !strings.HasSuffix(name, ".go") ||
		strings.HasPrefix(strings.TrimSpace(line), "//"):
		return ""
	}
	return strings.Join(literal.FindAllString(line, -1), " ")
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
			for _, a := range awkward {
				if found := a.words.FindString(readByOperators(name, line)); found != "" {
					t.Errorf("%s:%d: %q: say %s", name, n+1, found, a.instead)
				}
			}
		}
	}
}
