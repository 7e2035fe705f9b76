package sqlext

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/tidb"
)

// tokenKind is as much as this package needs to know of a token.
type tokenKind uint8

const (
	tokenEnd     tokenKind = iota // end of the text
	tokenWord                     // an unquoted name or a keyword
	tokenString                   // a string literal
	tokenParam                    // ?
	tokenSign                     // one byte of an operator or of punctuation; in .sign
	tokenOther                    // number or quoted name
	tokenInvalid                  // string, name or comment without an end
)

// token is a piece of the text.
type token struct {
	kind       tokenKind
	sign       byte // of a tokenSign
	start, end int  // its bytes in the text
}

// isSign reports whether the token is the sign c.
func (t token) isSign(c byte) bool { return t.kind == tokenSign && t.sign == c }

// endsStatement reports whether the token ends a statement.
func (t token) endsStatement() bool { return t.kind == tokenEnd || t.isSign(';') }

// lexer cuts a text into tokens where TiDB's scanner does. It reports operators byte
// by byte and an introducer or prefix (_utf8, N, x, b) apart from its literal.
type lexer struct {
	text string
	pos  int

	ansiQuotes         bool // "…" is a name
	noBackslashEscapes bool // \ is an ordinary character

	// executable is true after /*! until the next */: the text in between counts,
	// and the */ does not.
	executable bool

	// seen counts tokens and comments. TiDB may look into an optimizer hint, so each
	// byte of one counts.
	seen int
}

func newLexer(text string, mode mysql.SQLMode) lexer {
	return lexer{
		text:               text,
		ansiQuotes:         mode.HasANSIQuotesMode(),
		noBackslashEscapes: mode.HasNoBackslashEscapesMode(),
	}
}

// next gives the next token; at the end of the text it gives tokenEnd for ever. An invalid token
// is the last before that.
func (l *lexer) next() token {
	l.seen++
	if start, ok := l.skipBlanks(); !ok {
		return l.cut(tokenInvalid, start, len(l.text))
	}
	start := l.pos
	if start >= len(l.text) {
		return token{kind: tokenEnd, start: start, end: start}
	}
	switch c := l.text[start]; {
	case isDigit(c):
		return l.cut(tokenOther, start, l.endOfWord(start))
	case isWordByte(c):
		return l.cut(tokenWord, start, l.endOfWord(start))
	case c == '\'', c == '"', c == '`':
		return l.quoted(c)
	case c == '?':
		return l.cut(tokenParam, start, start+1)
	default:
		l.pos++
		return token{kind: tokenSign, sign: c, start: start, end: l.pos}
	}
}

// cut makes a token of text[start:end] and moves after it.
func (l *lexer) cut(kind tokenKind, start, end int) token {
	l.pos = end
	return token{kind: kind, start: start, end: end}
}

// endOfWord gives the offset after the name or number that starts at from.
func (l *lexer) endOfWord(from int) int {
	for from < len(l.text) && isWordByte(l.text[from]) {
		from++
	}
	return from
}

// quoted reads a string literal or a quoted name. A doubled quote stands for itself;
// in strings, also in those that ANSI_QUOTES makes names, a backslash takes the next
// byte with it.
func (l *lexer) quoted(quote byte) token {
	escapes := quote != '`' && !l.noBackslashEscapes
	start := l.pos
	for i := start + 1; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '\\' && escapes:
			i++
		case c != quote:
		case i+1 < len(l.text) && l.text[i+1] == quote:
			i++
		case quote == '\'', quote == '"' && !l.ansiQuotes:
			return l.cut(tokenString, start, i+1)
		default:
			return l.cut(tokenOther, start, i+1)
		}
	}
	return l.cut(tokenInvalid, start, len(l.text))
}

// skipBlanks moves to the next token, over white space, comments and the marks of
// executable comments. False means that a comment which starts at the offset it gives
// has no end.
func (l *lexer) skipBlanks() (int, bool) {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		switch c := rest[0]; {
		case isSpace(c):
			l.pos++
		case c == '#', c == '-' && isDashComment(rest):
			l.seen++
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			l.pos += n
		case c == '/' && len(rest) > 1 && rest[1] == '*':
			l.seen++
			start := l.pos
			if !l.comment(rest) {
				return start, false
			}
		case c == '*' && l.executable && len(rest) > 1 && rest[1] == '/':
			l.seen++
			l.executable = false
			l.pos += len("*/")
		default:
			return l.pos, true
		}
	}
	return l.pos, true
}

// isDashComment reports whether text, which starts with a dash, starts a comment: two
// dashes and white space or nothing.
func isDashComment(text string) bool {
	return strings.HasPrefix(text, "--") && (len(text) == 2 || isSpace(text[2]))
}

// comment skips the comment that rest, the text from here on, starts with, or only
// its opening mark if what is inside counts. False: it has no end.
func (l *lexer) comment(rest string) bool {
	body := len("/*")
	switch {
	case strings.HasPrefix(rest, "/*!"):
		l.executable = true
		l.pos += len("/*!") + versionDigits(rest[len("/*!"):])
		return true
	case strings.HasPrefix(rest, "/*T!"):
		features, n := featureList(rest[len("/*T!"):])
		body = len("/*T!") + n
		if tidb.CanParseFeature(features...) {
			l.executable = true
			l.pos += body
			return true
		}
	case !strings.HasPrefix(rest, "/**"):
		body++ // a slash here ends nothing: /*/ is open
	}
	if body > len(rest) {
		return false
	}
	n := strings.Index(rest[body:], "*/")
	if n < 0 {
		return false
	}
	n += body + len("*/")
	l.pos += n
	if strings.HasPrefix(rest, "/*+") {
		l.seen += n
	}
	return true
}

// versionDigits gives the length of the version in /*!40101: five digits or nothing.
func versionDigits(text string) int {
	const want = 5
	for i := range want {
		if i >= len(text) || !isDigit(text[i]) {
			return 0
		}
	}
	return want
}

// featureList reads the list in /*T![auto_rand,ttl] and gives its length, 0 if there is
// none that is well-formed.
func featureList(text string) ([]string, int) {
	if !strings.HasPrefix(text, "[") {
		return nil, 0
	}
	n := strings.IndexFunc(text[1:], func(r rune) bool { return r < 0x80 && r != ',' && !isWordByte(byte(r)) })
	if n <= 0 || text[1+n] != ']' {
		return nil, 0
	}
	features := strings.Split(text[1:1+n], ",")
	for _, f := range features {
		if f == "" {
			return nil, 0
		}
	}
	return features, n + len("[]")
}

// isKeyword reports whether a word may be a keyword: it may not if it is a part of a
// qualified name. As in TiDB's scanner, spaces may stand before it and nothing after it.
func (l *lexer) isKeyword(t token) bool {
	if t.kind != tokenWord || t.end < len(l.text) && l.text[t.end] == '.' {
		return false
	}
	before := t.start
	for before > 0 && l.text[before-1] == ' ' {
		before--
	}
	return before == 0 || l.text[before-1] != '.'
}

// value gives what a string literal means.
func (l *lexer) value(t token) string {
	quote, body := l.text[t.start], l.text[t.start+1:t.end-1]
	plain := strings.IndexByte(body, quote) < 0 && (l.noBackslashEscapes || strings.IndexByte(body, '\\') < 0)
	if plain {
		return body
	}
	var b strings.Builder
	b.Grow(len(body))
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == quote: // the first of two
			i++
			b.WriteByte(quote)
		case c == '\\' && !l.noBackslashEscapes:
			i++
			unescape(&b, body[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescape writes what a backslash followed by c stands for. \% and \_ keep their
// backslash: they are meant for LIKE.
func unescape(b *strings.Builder, c byte) {
	switch c {
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'b':
		c = '\b'
	case '0':
		c = 0
	case 'Z':
		c = 26
	case '%', '_':
		b.WriteByte('\\')
	}
	b.WriteByte(c)
}

// isSpace reports whether a token cannot start with c because it is white space. TiDB's
// scanner asks this byte by byte as if the text were Latin-1, so two bytes that are no
// spaces in UTF-8 count too.
func isSpace(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\v', '\f', '\r', 0x85, 0xA0:
		return true
	}
	return false
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isWordByte reports whether c can stand in an unquoted name.
func isWordByte(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || isDigit(c) || c == '_' || c == '$' || c >= 0x80
}
