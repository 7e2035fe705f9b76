package sqlext

import "github.com/pingcap/tidb/pkg/parser/mysql"

// survey is what this package finds out about a text by itself.
type survey struct {
	// managed are the management statements, in order. Only the last can have a
	// mistake: that, or something before it, is then the error of the text.
	managed []managed
	// foreign: something in the text is not ours, so TiDB's parser is needed.
	foreign bool
}

// look walks over a whole text. The error wraps [ErrTooComplex].
func look(text string, mode mysql.SQLMode) (survey, error) {
	var s survey
	l := newLexer(text, mode)
	for wrong := false; ; {
		begin := l.seen
		t := l.next()
		if !t.endsStatement() {
			var m managed
			ours := false
			if !wrong {
				t, ours = l.statement(t, &m)
			}
			if ours {
				s.managed = append(s.managed, m)
				wrong = m.wrong
			}
			s.foreign = s.foreign || !ours || !m.complete()
		}
		for !t.endsStatement() && l.seen-begin <= MaxStatementTokens {
			t = l.next()
		}
		switch {
		case l.seen-begin > MaxStatementTokens:
			return s, tooComplex("statement", MaxStatementTokens)
		case l.seen > MaxTextTokens:
			return s, tooComplex("text", MaxTextTokens)
		case t.kind == tokenEnd:
			return s, nil
		}
	}
}

// Tokens counts the tokens of a text under a sql_mode, up to one more than [MaxTextTokens]. The
// statements that a Parser makes of it take up to 1 KB of memory for each.
func Tokens(text string, mode mysql.SQLMode) int {
	l := newLexer(text, mode)
	for l.seen <= MaxTextTokens && l.next().kind != tokenEnd {
	}
	return l.seen
}

// mayManage tells, at the cost of one look at every byte, whether a management
// statement can stand in a text, right or wrong: whether it holds one of the words that
// no such statement and no mistake in one can do without.
func mayManage(text string) bool {
	for i := 0; i+len("pump") <= len(text); i++ {
		switch text[i] | 0x20 {
		case 'p':
			if hasFold(text[i:], "pump") || hasFold(text[i:], "pause") {
				return true
			}
		case 'd':
			if hasFold(text[i:], "drainer") {
				return true
			}
		case 'c':
			if hasFold(text[i:], "change") {
				return true
			}
		case 'o':
			if hasFold(text[i:], "offline") {
				return true
			}
		case 'r':
			if hasFold(text[i:], "resolve") {
				return true
			}
		case 'h':
			if hasFold(text[i:], "help") {
				return true
			}
		}
	}
	return false
}

// hasFold reports whether text starts with word, which is in lower case.
func hasFold(text, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		if text[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}
