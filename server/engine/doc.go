// Package engine evaluates SELECT statements and expressions over read-only tables
// held in memory, with MySQL's types, coercions and NULL logic.
//
// It works on the AST of TiDB's parser, touches neither files nor the network, and
// is bounded in time (the context), rows and memory ([Limits]). Everything it knows
// of the world outside comes through [Env]. The server package calls it for SELECT,
// for the WHERE and LIKE of SHOW, and for the right-hand sides of SET.
//
// One coercion is not MySQL's: an integer or a decimal compares with the number in a text
// exactly, where MySQL goes through doubles. Commit TSs need it.
package engine
