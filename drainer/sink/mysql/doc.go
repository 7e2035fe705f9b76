// Package mysql is the sink that applies transactions to a MySQL, MariaDB or TiDB, and the
// store that keeps a drainer's checkpoint there.
//
// # What it guarantees
//
//   - A transaction of the upstream is downstream whole or not at all: it is never split over
//     two commits. Many whole ones may share one.
//   - Transactions that touch the same row, or compete for the same unique value, take effect
//     in commit order; others in parallel. A statement of DDL, and a transaction of more than
//     5,000 rows or 8 MiB, waits for everything before it, and everything after waits for it.
//   - Every transaction takes effect once, whatever is killed or cut in between; also in
//     tables without a key, and also if it is DDL.
//   - Two drainers with the same checkpoint do not mix: the second takes over, and the first
//     stops with [ErrTakenOver].
//   - What the downstream refuses stops the sink with a [*StatementError] that names the
//     statement, the table, the commit TS and the two cures. Nothing is left out silently.
//
// # Once
//
// Every downstream transaction begins with an INSERT of its own into a small table: which
// commit TS it applies. They become durable together, so what is in that table is downstream,
// and the rest is not. Three things follow:
//
//   - a restart reads the table and leaves out what it finds;
//   - when the answer to a COMMIT is lost, the transaction is sent again: if it was committed,
//     the INSERT meets its own row (error 1062), and that is the answer;
//   - the INSERT reads, and so locks, the worker's row with the epoch of this opening of the
//     sink. To open is to raise the epochs, which waits for transactions that the server is
//     still working on for a drainer that has died, and makes later ones of it fail (the
//     value is then NULL, error 1048).
//
// The other way would have been safe mode alone (replay as REPLACE and DELETE): it has
// nothing to say about tables without a key, and REPLACE costs more than a row a batch. Safe
// mode is there for what our record does not know: the first start after another drainer or
// a dump ([Options.SafeUntil]), and a checkpoint that somebody moved back, which is taken as
// an order to apply again.
//
// DDL commits by itself, so a row with a fingerprint of the definitions is written before a
// statement and removed, together with the record of it, after it. Who finds that row after
// a crash first waits, on a lock by name, until the server has ended the statement, and
// looks whether the definitions are as the statement leaves them upstream, or as before; package
// definition compares them. Where a statement changes nothing that shows (TRUNCATE, EXCHANGE PARTITION, RENAME
// of tables that are alike), the fingerprint tells: another one, and it was run. It has the numbers
// InnoDB and TiDB give to tables and partitions. Without the privilege to read those (PROCESS) such a statement stops the sink
// with [ErrAmbiguousDDL]. A statement that the server refuses was not run: its row goes. What the error says is never evidence that it
// was run before: servers give the same for other reasons, and of several tables or changes one may be
// at fault. In safe mode definitions are looked at in the same way before a statement is run; one that shows
// nothing is run.
//
// Afterwards the definitions downstream are compared with the upstream's. Differences that the table
// had before, and that the statement was not to remove, are logged once; any other ends the sink
// with a [*DefinitionError]. That the statement has been run stands in the row then, with the differences of
// before, so a restart only compares again.
//
// Statements that rows of the same transaction need ([sink.Txn].Early) are run first, one after the
// other. The row then says how many have been run, and goes in the transaction of the rows, so
// whoever finds it knows what is left to be done.
//
// What is run is made of the definition that the job left, for the server that is there; the session is the one
// it needs: sql_mode, time zone and time. Package rewrite does that, and says what is left out.
// Sessions have explicit_defaults_for_timestamp on where the user may set it; elsewhere (MariaDB before 10.8) a TIMESTAMP that
// is NOT NULL and has no default gets one of the server's, which no row uses. FLOAT and DOUBLE that become text have
// the digits that the downstream prints (MySQL and MariaDB print a FLOAT with six): TiDB converts such rows
// without binlogs, so only a copy of the table makes them equal.
//
// Its tables, in the checkpoint's database (names for the default [Place]):
//
//	checkpoint          clusterID, checkPoint: JSON as upstream's drainers have it, and our
//	                    key ddl-reached
//	checkpoint_applied  cluster_id, commit_ts: the last one in a downstream transaction;
//	                    txns: those before it, as distances from the last backwards (uvarint)
//	checkpoint_state    cluster_id, name, value, detail: base (the record is complete after
//	                    it), safe-until, ddl (the statement begun: its text, fingerprint, number
//	                    in the transaction, and whether it has been run), epoch/<worker>, owner
//	                    (which opening of the Store may save the checkpoint)
//
// Saving the checkpoint removes rows of checkpoint_applied up to it.
//
// # Rows
//
// Changes that do not touch the same keys are grouped by table and operation: INSERT and
// REPLACE of many rows, DELETE by a list of keys, UPDATE one by one, with every column set,
// since ON UPDATE CURRENT_TIMESTAMP would change those that are not. Rows are found by the
// primary key, else by a unique key that takes no NULL, else by all values, exactly (not as
// the collation compares), LIMIT 1. A text of up to 128 KiB holds BEGIN, statements and
// COMMIT, so a batch is one round trip. Towards a server that is far away both, batch and text, are up to
// eight times as large, by the round trip that was measured (limits.go).
//
// Text is equal in ways that depend on the downstream's collation, so keys are compared
// coarsely: without letter case and trailing spaces. Text that is not plain ASCII is compared exactly where the column downstream
// has a binary collation of utf8mb4 (collations.go); elsewhere it gets, like
// a row of a table without a usable key, in the way of every other change of its table.
//
// Sessions are in UTC, with checks of foreign keys off (rows come in no order between
// tables, and cascades are in binlogs themselves), READ COMMITTED (no locks on gaps) where
// the server's binlog allows it, and strict but for dates. DDL runs without a limit of time. A row that lacks a
// column that is NOT NULL without a default, because a statement is dropping it, gets the value that TiDB takes for it.
//
// # Divergence
//
// Outside safe mode every UPDATE and DELETE finds one row for each change, or somebody else has
// written to the downstream. The numbers come with the answers, so comparing them costs no
// round trip. Changes of one row never share a statement, and sessions count rows that were found, not those
// that were changed. What differs is reported when it is committed, or, with
// [Options.StopAtDivergence], rolled back. Not noticed: rows that are downstream only, other values in
// a row with the right key, and what a transaction did not find whose answer to COMMIT was lost.
//
// # Goroutines
//
// One for each worker, with one connection. Apply measures and distributes transactions in
// its caller's goroutine.
//
// # Trade-offs
//
//   - A batch is retried whole; if something in it is refused, its halves are applied one after the
//     other, down to the transaction to blame, so that everything before that is downstream.
//   - Large transactions are applied alone. Their keys need no memory, but a load of nothing
//     else uses one connection.
//   - The record needs transactions: the downstream's tables must be InnoDB or TiDB. Rows of
//     other engines may be there twice after a crash.
//   - Rows of the mark table are never applied, with and without loop-back control.
package mysql
