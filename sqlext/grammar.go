package sqlext

import (
	"math/bits"
	"strings"
)

// pieceKind is what may stand at one place of a management statement.
type pieceKind uint8

const (
	pieceWord    pieceKind = iota // the keyword .word
	pieceKindOf                   // PUMP or DRAINER
	pieceEquals                   // =
	pieceLiteral                  // a string literal or ?
	pieceNumber                   // digits; or a string literal or ?, as drivers put in their place
	pieceParam                    // ?
)

type piece struct {
	kind pieceKind
	word string // upper case
}

// production is the form of one management statement.
type production struct {
	verb   verb
	pieces []piece
	// own is how many pieces must be there before the statement is certainly none of
	// TiDB's. From there on a token that does not belong is an error of ours; before,
	// TiDB's parser gets the statement.
	own int
	// filter: LIKE or WHERE may follow, which TiDB's parser reads.
	filter bool
}

// verb tells what a production does.
type verb uint8

const (
	verbShow verb = iota
	verbShowFull
	verbChange
	verbPause
	verbOffline
	verbDrop
	verbHelp
	verbResolve
)

// maxPieces is the length of the longest production.
const maxPieces = 9

// maxLiterals is how many literals a production has at most.
const maxLiterals = 3

// productions is the grammar of the management statements. Every first word has four
// letters or more, so that an ordinary statement fits in its place (rewrite.go). A
// statement with an optional end is two productions.
var productions = [...]production{
	{verb: verbShow, own: 2, filter: true, pieces: []piece{
		{word: "SHOW"}, {kind: pieceKindOf}, {word: "STATUS"},
	}},
	{verb: verbChange, own: 1, pieces: []piece{
		{word: "CHANGE"}, {kind: pieceKindOf}, {word: "TO"},
		{word: "NODE_STATE"}, {kind: pieceEquals}, {kind: pieceLiteral},
		{word: "FOR"}, {word: "NODE_ID"}, {kind: pieceLiteral},
	}},
	{verb: verbShowFull, own: 3, filter: true, pieces: []piece{
		{word: "SHOW"}, {word: "FULL"}, {kind: pieceKindOf}, {word: "STATUS"},
	}},
	{verb: verbPause, own: 1, pieces: []piece{{word: "PAUSE"}, {kind: pieceKindOf}, {kind: pieceLiteral}}},
	{verb: verbPause, own: 1, pieces: []piece{
		{word: "PAUSE"}, {kind: pieceKindOf}, {kind: pieceLiteral}, {word: "WAIT"}, {kind: pieceNumber},
	}},
	{verb: verbOffline, own: 1, pieces: []piece{{word: "OFFLINE"}, {kind: pieceKindOf}, {kind: pieceLiteral}}},
	{verb: verbOffline, own: 1, pieces: []piece{
		{word: "OFFLINE"}, {kind: pieceKindOf}, {kind: pieceLiteral}, {word: "WAIT"}, {kind: pieceNumber},
	}},
	{verb: verbDrop, own: 2, pieces: []piece{{word: "DROP"}, {kind: pieceKindOf}, {kind: pieceLiteral}}},
	{verb: verbResolve, own: 1, pieces: []piece{
		{word: "RESOLVE"}, {word: "TRANSACTION"}, {kind: pieceNumber}, {word: "ON"}, {word: "PUMP"}, {kind: pieceLiteral}, {word: "ROLLBACK"},
	}},
	{verb: verbResolve, own: 1, pieces: []piece{
		{word: "RESOLVE"}, {word: "TRANSACTION"}, {kind: pieceNumber}, {word: "ON"}, {word: "PUMP"}, {kind: pieceLiteral}, {word: "COMMIT"}, {kind: pieceNumber},
	}},
	// TiDB's grammar has HELP 'text', but takes no ? there.
	{verb: verbHelp, own: 2, pieces: []piece{{word: "HELP"}, {kind: pieceParam}}},
}

// match reports whether token t can be piece p.
func (l *lexer) match(p piece, t token) bool {
	switch p.kind {
	case pieceWord:
		return l.isWord(t, p.word)
	case pieceKindOf:
		return l.isWord(t, "PUMP") || l.isWord(t, "DRAINER")
	case pieceEquals:
		return t.isSign('=')
	case pieceParam:
		return t.kind == tokenParam
	case pieceNumber:
		return t.kind == tokenString || t.kind == tokenParam || l.isNumber(t)
	default:
		return t.kind == tokenString || t.kind == tokenParam
	}
}

// isNumber reports whether the token is a number without a sign, point or exponent.
func (l *lexer) isNumber(t token) bool {
	return t.kind == tokenOther && digits(l.text[t.start:t.end]) && (t.end == len(l.text) || l.text[t.end] != '.')
}

// isWord reports whether the token is the keyword word, in any letter case.
func (l *lexer) isWord(t token, word string) bool {
	return t.end-t.start == len(word) && strings.EqualFold(l.text[t.start:t.end], word) && l.isKeyword(t)
}

// managed is a management statement found in a text, complete or with a mistake.
type managed struct {
	form *production
	// tokens are the n tokens that matched the form's first pieces.
	tokens            [maxPieces]token
	n                 int
	kind              Kind
	literals          [maxLiterals]Literal // the first nliterals, in order
	nliterals, params int                  // params: how many of them are ?

	// stop is the token after them: the end of the statement, the start of a filter,
	// or, if wrong is true, what does not belong.
	stop  token
	wrong bool
}

// head is where the statement's first word starts.
func (m *managed) head() int { return m.tokens[0].start }

// complete reports whether the statement needs no parser but this one.
func (m *managed) complete() bool { return !m.wrong && m.stop.endsStatement() }

// statement matches the statement that starts with token t. It gives the first token
// that did not match, and whether the statement is a management statement; if not, m
// means nothing.
func (l *lexer) statement(t token, m *managed) (token, bool) {
	alive := uint(1)<<len(productions) - 1 // a bit for every form that fits so far
	for m.n = 0; ; m.n++ {
		fits := uint(0)
		for i := range productions {
			p := productions[i].pieces
			if alive&(1<<i) != 0 && m.n < len(p) && l.match(p[m.n], t) {
				fits |= 1 << i
			}
		}
		if fits == 0 {
			break
		}
		alive = fits
		m.take(l, productions[bits.TrailingZeros(fits)].pieces[m.n].kind, t)
		t = l.next()
	}
	m.stop = t
	return t, m.choose(alive)
}

// take adds a token that matched a piece of the given kind.
func (m *managed) take(l *lexer, kind pieceKind, t token) {
	m.tokens[m.n] = t
	switch kind {
	case pieceKindOf:
		if t.end-t.start == len("DRAINER") {
			m.kind = Drainer
		}
	case pieceLiteral, pieceNumber, pieceParam:
		lit := Literal{Param: -1}
		switch t.kind {
		case tokenParam:
			lit.Param = m.params
			m.params++
		case tokenString:
			lit.Value = l.value(t)
		default:
			lit.Value = l.text[t.start:t.end]
		}
		m.literals[m.nliterals] = lit
		m.nliterals++
	}
}

// choose decides what the matched tokens are, given the forms that fit all of them.
func (m *managed) choose(alive uint) bool {
	if m.n == 0 {
		return false
	}
	for i := range productions {
		f := &productions[i]
		if alive&(1<<i) == 0 || m.n < f.own {
			continue
		}
		if m.form == nil || m.n == len(f.pieces) {
			m.form = f
		}
	}
	if m.form == nil {
		return false
	}
	m.wrong = m.n < len(m.form.pieces) || !m.form.filter && !m.stop.endsStatement()
	return true
}
