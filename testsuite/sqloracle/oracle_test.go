package sqloracle

import (
	"flag"
	"slices"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/testsuite/form"
)

var texts = flag.Int("texts", 20_000, "how many random texts are compared, under each sql_mode")

var modes = []struct {
	name string
	mode mysql.SQLMode
}{
	{"none", 0},
	{"ANSI_QUOTES", mysql.ModeANSIQuotes},
	{"NO_BACKSLASH_ESCAPES", mysql.ModeNoBackslashEscapes},
	{"both", mysql.ModeANSIQuotes | mysql.ModeNoBackslashEscapes},
	{"the other three", mysql.ModeIgnoreSpace | mysql.ModePipesAsConcat | mysql.ModeHighNotPrecedence},
}

// TestRandomTexts holds sqlext to the old grammar: the same texts accepted, the same
// statements in them, the same errors at the same places.
func TestRandomTexts(t *testing.T) {
	const enough = 20 // failures shown
	seed := form.Seed(t)
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			p := newPair(m.mode)
			accepted, managing, failures := 0, 0, 0
			explained := map[string]int{}
			for i := 0; i < *texts && failures < enough; i++ {
				text := newGenerator(seed, uint64(i)).text()
				c := p.compare(text)
				if c.old.err == "" {
					accepted++
				}
				if slices.ContainsFunc(c.old.stmts, func(s statement) bool { return s.ours }) {
					managing++
				}
				if c.same() {
					continue
				}
				names, ok := p.explain(text)
				for _, name := range names {
					explained[name]++
				}
				if !ok {
					failures++
					t.Errorf("text %d %q is not taken alike\n   old: %s\n   new: %s\n   explained in part by %q",
						i, text, c.old, c.new, names)
				}
			}
			t.Logf("%d texts, %d accepted, %d of them with management statements; differences %v",
				*texts, accepted, managing, explained)
			if failures < enough && (managing < *texts/20 || accepted > *texts/2) {
				t.Errorf("the generator is lopsided: %d texts accepted, %d with management statements", accepted, managing)
			}
		})
	}
}

// TestDifferences holds the table of differences to the truth: each is there, and its
// example shows it and no other.
func TestDifferences(t *testing.T) {
	for _, d := range Differences {
		p := newPair(d.Mode)
		if c := p.compare(d.Example); c.same() {
			t.Errorf("%s: there is no difference any more: %s", d.Name, c.new)
		}
		names, ok := p.explain(d.Example)
		if !ok || slices.ContainsFunc(names, func(n string) bool { return n != d.Name }) {
			t.Errorf("%s: its example is explained by %q, %v", d.Name, names, ok)
		}
	}
}
