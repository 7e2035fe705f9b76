package sqlext

import "fmt"

// A Parser refuses what is larger with [ErrTooComplex] before TiDB's parser sees it. A
// token is a word, literal, operator, punctuation mark or comment.
//
// TiDB's scanner calls itself for every comment, and the walk over the finished tree
// recurses over every operator; one statement of a few megabytes could end the process,
// because Go does so when a stack grows beyond 1 GB. A tree takes up to 2 KB of memory
// for every token. A literal is one token however long it is.
const (
	MaxStatementTokens = 20_000
	MaxTextTokens      = 100_000
)

// TooComplexError says that a statement or a text has too many tokens.
type TooComplexError struct {
	What  string // "statement" or "text of several statements"
	Limit int    // tokens
}

func (e *TooComplexError) Error() string {
	return fmt.Sprintf("the %s has more than %d words and signs: split it up", e.What, e.Limit)
}
