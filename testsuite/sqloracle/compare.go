package sqloracle

import (
	"regexp"
	"slices"
	"strings"
)

// comparison is a text and what the two grammars make of it.
type comparison struct {
	*pair
	text     string
	old, new outcome
}

func (p *pair) compare(text string) comparison {
	return comparison{pair: p, text: text, old: p.oldOutcome(text), new: p.newOutcome(text)}
}

// same reports whether the two take the text alike.
func (c comparison) same() bool {
	return c.old.err == c.new.err && slices.Equal(c.old.stmts, c.new.stmts)
}

// explain gives the names of the differences that make the two take a text as they do.
// False: they do not explain it.
func (p *pair) explain(text string) ([]string, bool) {
	var names []string
	for range 20 { // edits of a text
		c := p.compare(text)
		if c.same() {
			return names, true
		}
		found := slices.IndexFunc(Differences, func(d Difference) bool {
			edited, ok := d.Edit(c)
			if ok {
				text = edited
				names = append(names, d.Name)
			}
			return ok
		})
		if found < 0 {
			break
		}
	}
	return names, false
}

// has reports whether the text has word, in any letter case, at an offset.
func (c comparison) has(at int, word string) bool {
	return at >= 0 && at+len(word) <= len(c.text) && strings.EqualFold(c.text[at:at+len(word)], word)
}

// statementStart gives where the statement around an offset starts: after the last
// semicolon up to which both accept the text, and at which a statement can start.
func (c comparison) statementStart(at int) int {
	const wrong = " foo"
	for start := at; start > 0; start-- {
		if c.text[start-1] != ';' || c.oldOutcome(c.text[:start]).err != "" || c.newOutcome(c.text[:start]).err != "" {
			continue
		}
		cut := c.text[:start] + wrong
		if c.oldOutcome(cut).errorOffset(cut) == start+1 {
			return start
		}
	}
	return 0
}

// rawReach gives up to where TiDB's parser of today, by itself, takes the text from a
// statement's start on, which may lie in an executable comment.
func (c comparison) rawReach(start int) int {
	reach := 0
	for _, open := range []string{"", "/*!"} {
		text := open + c.text[start:]
		reach = max(reach, rawOutcome(c.raw, text).reach(text)-len(open))
	}
	return start + reach
}

// near is an error that quotes the text from the mistake to the end.
var near = regexp.MustCompile(`(?s)^line \d+ column \d+ near "(.*)" $`)

// errorOffset gives where in the text the error's quotation starts; -1: it has none.
func (o outcome) errorOffset(text string) int {
	m := near.FindStringSubmatch(o.err)
	if m == nil || !strings.HasSuffix(text, m[1]) {
		return -1
	}
	return len(text) - len(m[1])
}

// reach gives how much of the text was taken: all of it also where the mistake is not
// one of grammar.
func (o outcome) reach(text string) int {
	if at := o.errorOffset(text); at >= 0 {
		return at
	}
	return len(text)
}
