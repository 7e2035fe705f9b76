// Package definition compares the definition of a table upstream, as TiDB's DDL history has it, with
// the one that a downstream says it has. The MySQL sink does so after every statement of DDL, and
// judges by it whether a statement has been run; comparisons of whole databases use it too.
//
// [Of] makes a [Table] of a definition of the upstream, [Server.Read] one of what a server's
// information_schema says: no text of SHOW CREATE TABLE is parsed, so what a grammar does not know
// does no harm. [Server.Compare] lists the differences.
//
// # What is compared
//
// Columns in order, with type, length, decimals, sign, ZEROFILL, character set, collation,
// nullability, default, ON UPDATE, AUTO_INCREMENT, generated expression and comment; keys with their
// columns, prefixes, expressions and uniqueness; foreign keys with what they refer to and do;
// partitions with their names and bounds; the table's comment; whether its engine has transactions;
// of views and sequences, that they are there.
//
// # What counts as equal
//
// Everywhere:
//
//   - names in other letter cases, names of foreign keys (servers make up their own);
//   - widths of integers and of YEAR, which MySQL 8 does not have any more; BOOL and TINYINT;
//   - character set utf8 and its other name utf8mb3;
//   - latin1, which in TiDB holds any UTF-8, and utf8mb4_bin on other servers;
//   - a collation that the server has not got, if the character set is the same: MariaDB has none of
//     MySQL 8's, MySQL 5.7 neither;
//   - a TEXT or BLOB with a length, and the smallest type that holds it, which MySQL takes for it;
//   - defaults that are the same value: '1.50' and 1.5, 2024-01-01 and 2024-01-01 00:00:00; of a column
//     that takes NULL, no default and DEFAULT NULL;
//   - expressions that name the same columns and literals in the same order: every server prints
//     functions, operators and parentheses in words of its own; bounds of partitions that the upstream
//     has not evaluated;
//   - RESTRICT, NO ACTION and nothing in a foreign key;
//   - a key on the columns of a foreign key, which one server adds and another drops when there is a
//     better one;
//   - invisible columns that only the server has, and keys on them: it may make a primary key of one itself;
//   - AUTO_RANDOM, SHARD_ROW_ID_BITS, TTL, placement, TiFlash, statistics, clustered or not: only a TiDB
//     has them, and rows are the same;
//   - partitioning that TiDB took without effect;
//   - CHECK constraints, visibility of keys, their comments and order (DESC), defaults of the table
//     for columns to come (statements for the downstream name character sets), engines with
//     transactions: rows are the same.
//
// On TiDB, ZEROFILL and the database that a foreign key refers to: its information_schema has not got the one, and the table's own
// database for the other. On MySQL and MariaDB a default from a sequence and a foreign key that TiDB only notes (before 6.6),
// if it is missing; an empty text as the default of a TEXT or BLOB, which MySQL drops. On servers without keys on
// expressions (MariaDB, MySQL 5.7), those; on MySQL 5.7, a default that is an expression, if it is missing. On MariaDB, JSON and LONGTEXT, as which it keeps it, and the zero default of a
// TIMESTAMP that has ON UPDATE and no other. On MySQL a default of a TIMESTAMP that differs by a whole time zone: MySQL 8 keeps the text as the session had
// it that made it.
//
// # Trade-offs
//
// A sign within an expression is not looked at: it is an operator. Definitions are read by several
// queries in one text, not in one snapshot: whoever changes a table at the same time can make one
// comparison fail.
package definition
