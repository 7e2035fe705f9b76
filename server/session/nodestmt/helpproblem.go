package nodestmt

import (
	"regexp"
	"strings"
	"sync"

	"pumphouse/docs"
)

// problemTopics are the sections of docs/problems.md as topics of HELP, by their codes in capitals.
var problemTopics = sync.OnceValue(func() map[string]Topic {
	topics := make(map[string]Topic)
	for i, section := range strings.Split(docs.Problems(), "\n## ") {
		code, body, _ := strings.Cut(section, "\n")
		if i > 0 {
			topics[strings.ToUpper(code)] = Topic{code, plain(body), "docs/problems.md, docs/when-replication-is-blocked.md\n"}
		}
	}
	return topics
})

// link is a link in a page: [text](where).
var link = regexp.MustCompile(`\[([^\]]+)\]\([^)]*\)`)

// plain is a section as a terminal shows it: without what makes letters bold and links.
func plain(markdown string) string {
	text := link.ReplaceAllString(strings.TrimSpace(markdown), "$1")
	return strings.NewReplacer("**", "", "`", "").Replace(text) + "\n"
}
