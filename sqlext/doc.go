// Package sqlext is the grammar of the console: everything TiDB's parser knows plus
// the statements that manage the nodes of a TiDB Binlog cluster,
//
//	SHOW {PUMP | DRAINER} STATUS [LIKE 'pattern' | WHERE expression]
//	CHANGE {PUMP | DRAINER} TO NODE_STATE = 'state' FOR NODE_ID 'node'
//
// which TiDB's grammar had until 2023, and those that operators missed in it,
//
//	SHOW FULL {PUMP | DRAINER} STATUS [LIKE 'pattern' | WHERE expression]
//	{PAUSE | OFFLINE} {PUMP | DRAINER} 'node' [WAIT seconds]
//	DROP {PUMP | DRAINER} 'node'
//	RESOLVE TRANSACTION start_ts ON PUMP 'node' {ROLLBACK | COMMIT commit_ts}
//	HELP ?
//
// They mix with ordinary statements in one text, inside every form of comment, under
// every sql_mode; a ? may stand for every literal and wherever an expression of SHOW
// takes one. The words PUMP, DRAINER, NODE_STATE, NODE_ID, PAUSE, OFFLINE, WAIT, RESOLVE
// and TRANSACTION stay free for names.
//
// # How it works
//
// The grammar is not forked. A small lexer (lexer.go) walks over texts in which a
// management statement can stand, and the table in grammar.go tells which statements
// are ours. If a text holds nothing but complete statements of ours without
// expressions, that is the whole work, well under a microsecond. Otherwise a copy of
// the text goes to TiDB's parser in which our statements are overwritten, byte for
// byte, by ordinary ones of the same length (rewrite.go):
//
//	SHOW PUMP STATUS LIKE 'p%'       →  SHOW      STATUS LIKE 'p%'
//	CHANGE PUMP TO NODE_STATE = …    →  DO 1       (PAUSE, OFFLINE, DROP, RESOLVE, HELP likewise)
//	CHANGE PUMP TO NODE_STATE 'x'    →  PLAN                      'x'
//
// so expressions, statement boundaries, line and column numbers and the wording of
// errors are TiDB's own. The third line is a statement with a mistake: after PLAN
// nothing but REPLAYER may follow, so TiDB reports the very token that does not belong.
//
// # Guarantees
//
// An accepted or refused text, its statements, and an error's text and position are
// what the last TiDB grammar with the first two gives; the differences there are, the
// newer statements among them, stand, each with its reason, in the table Differences of
// testsuite/sqloracle, which compares the two on random texts. Errors quote the text as
// the client sent it.
//
// No input makes a Parser panic or exhaust the stack: statements and texts are bounded
// (limits.go), because TiDB's parser recurses over comments and expressions and Go
// ends a process whose stack grows beyond 1 GB. A decimal literal of more than 73
// digits may be refused (errors.go).
//
// # Trade-offs
//
// The lexer is exact only where it must be: it finds the same statement boundaries as
// TiDB's in a text that TiDB accepts, and the same tokens in our statements. Everything
// else it may see otherwise, since TiDB's parser has the last word on it. The price of
// leaving errors to TiDB's parser is that a text that mixes our statements with a
// broken ordinary one is parsed a few times.
package sqlext
