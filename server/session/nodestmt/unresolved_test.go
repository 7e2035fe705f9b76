package nodestmt

import "testing"

// TestFit: what is longer than its column is cut between characters and says so.
func TestFit(t *testing.T) {
	for _, c := range []struct {
		text  string
		bytes int
		want  string
	}{{"", 4, ""}, {"abcd", 4, "abcd"}, {"abcde", 4, "a…"}, {"aöbcd", 5, "a…"}, {"ööö", 5, "ö…"}} {
		if got := fit(c.text, c.bytes); got != c.want {
			t.Errorf("fit(%q, %d) = %q, want %q", c.text, c.bytes, got, c.want)
		}
	}
}
