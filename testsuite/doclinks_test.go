package testsuite

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocLinks: every link of a page to another leads to a file that is there, and to a heading of it.
func TestDocLinks(t *testing.T) {
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	links, n := regexp.MustCompile(`\]\(([^)\s]+)\)`), 0
	for _, page := range strings.Fields(string(out)) {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			n++
			path, anchor, _ := strings.Cut(link[1], "#")
			to := filepath.Join(root, page)
			if path != "" {
				to = filepath.Join(root, filepath.Dir(page), path)
			}
			target, err := os.ReadFile(to)
			if err != nil {
				t.Errorf("%s: the link %s leads nowhere: %v", page, link[1], err)
			} else if anchor != "" && !slices.Contains(anchors(string(target)), anchor) {
				t.Errorf("%s: the link %s leads to no heading; there are %q", page, link[1], anchors(string(target)))
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d links were found", n)
	}
}

// anchors are the names of a page's headings as GitHub makes them.
func anchors(text string) (all []string) {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, h := range regexp.MustCompile(`(?m)^#+ +(.*)$`).FindAllStringSubmatch(text, -1) {
		all = append(all, strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
	}
	return all
}
