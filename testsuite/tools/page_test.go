package tools

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

const pageHead = `# Tools that work with the console

Written by testsuite/tools: each tool below is the real one, and each thing it did is checked on every run.
Write it anew with ` + "`go test ./testsuite/tools -run TestTools -update`" + `. The versions are those of the machine
that wrote the page last.

Every tool is refused what writes rows, creates or drops tables (error 1235): the console's tables are views of the
records in PD. States are changed by ` + "`CHANGE`, `PAUSE`, `OFFLINE` and `DROP`" + `.

What Grafana's MySQL data source sends, with each of its macros, is compared with MariaDB in testsuite
(TestRecordedAgainstMariaDB). ProxySQL is in none of the package registries that the tests use and is not tested.

| tool | version | what was done | known limits |
|---|---|---|---|
`

// version is the second cell of a line of the page.
var version = regexp.MustCompile(`(?m)^(\| [^|]+ \|)[^|]*\|`)

// holdPage compares SUPPORTED_CLIENTS.md with what the tools did, or writes it. Versions
// depend on the machine and do not count.
func holdPage(t *testing.T, all []tool, sessions []*session) {
	t.Helper()
	var page strings.Builder
	page.WriteString(pageHead)
	for i, tl := range all {
		s := sessions[i]
		if s.version == "" || len(s.did) == 0 {
			t.Errorf("%s: version %q, did %q", tl.name, s.version, s.did)
		}
		limits := tl.limits
		if limits == "" {
			limits = "none found"
		}
		fmt.Fprintf(&page, "| %s | %s | %s | %s |\n", tl.name, s.version, strings.Join(s.did, "; "), limits)
	}
	file := absolute(t, "SUPPORTED_CLIENTS.md")
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	plain := func(s string) string { return version.ReplaceAllString(s, "$1 |") }
	if plain(string(have)) != plain(page.String()) {
		t.Errorf("SUPPORTED_CLIENTS.md is not what the tools did; it should be (go test -run TestTools -update writes it)\n%s", page.String())
	}
}
