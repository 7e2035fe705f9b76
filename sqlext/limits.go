package sqlext

// A Parser refuses what is larger with [ErrTooComplex] before TiDB's parser sees it. A
// token is a word, literal, operator, punctuation mark or comment, or a byte of an
// optimizer hint; a literal is one token however long it is.
//
// TiDB's scanner calls itself for every comment, and the walk over the finished tree
// recurses over every operator; one statement of a few megabytes could end the process,
// because Go does so when a stack grows beyond 1 GB. And a tree takes up to 1 KB of
// memory for every token.
const (
	MaxStatementTokens = 20_000
	MaxTextTokens      = 100_000
)
