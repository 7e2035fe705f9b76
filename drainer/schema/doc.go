// Package schema knows what TiDB's databases, tables and columns look like at each place of
// the stream of binlogs. A row of a binlog names its table and columns by number; what the
// numbers mean is in TiDB's DDL job history, which comes from a [Source].
//
// A drainer opens a [History] at its checkpoint and then calls, in commit TS order,
//
//   - [History.Reach] for a DDL binlog: the job is looked up and applied, and what is to be done
//     with the statement comes back;
//   - [History.Advance] before the rows of a data binlog, with the schema version they carry;
//   - [History.Early] for each table of them, which finds statements that they need already;
//   - [History.Tables] for the definitions as they are now: immutable, safe to hand to decoders
//     that run in parallel.
//
// # Which definition a row is decoded with
//
// The one that the downstream has when the row gets there: the newest of which the DDL binlog
// has come. It is not always the one the row was written under. TiDB changes a table in steps
// (a column is delete-only, write-only, then public), of which the history keeps the last and
// binlogs tell the last, and rows of the step before may be committed after it. Columns
// have numbers that are never used again, so a newer or older definition decodes the row all
// the same: columns it does not know are skipped, those the row lacks are missing or NULL
// (package txn).
//
// DROP COLUMN alone has two DDL binlogs: one as soon as rows lack the column, one at the end.
// The first one counts, the second is to be skipped.
//
// # What clients may write before the binlog
//
// The DDL binlog of a job is written in the transaction that marks the job as done. That of ADD
// COLUMN and MODIFY COLUMN is also the one that makes the column public, and a server shows a
// column to clients only after that transaction: no row with a value that a client gave the column
// has a smaller commit TS. Until then rows have the column's default, which the downstream gives
// them too, or, while a type is changed, the value in the old column as well.
//
// Two jobs let clients write what the definition does not allow some transactions before they are done, each of which
// waits for all servers:
//
//   - A multi-schema change (ALTER TABLE with several changes, which any two of them are, also MODIFY COLUMN
//     and ADD INDEX) makes all of them public in one transaction, and is done at least one transaction later, or three
//     with DROP COLUMN or DROP INDEX. In between rows come with values of new columns, longer texts, or NULL.
//   - DROP INDEX and DROP PRIMARY KEY, alone or in such a change, and DROP COLUMN with its key in one, do not enforce a
//     unique key any more when it is delete-only, and are done two transactions later.
//
// No row shows that, nor does the schema version in its binlog: a transaction may begin before the change and
// come to the table after it. [History.Early] asks TiDB which tables it has altered since the last time, which covers all
// that has been committed by then, compares the definitions that those have had in TiDB's meta data since, one after the other (a later job may
// have taken back what an earlier one allows), and finds the first commit TS at which clients may write more. It waits for the job to end, which cannot be undone by then, and has the statement
// run before the first rows of that commit TS or a later one. What the meta data say from there until the job has
// ended (a column that it drops may be public still) asks for no other job. testsuite/tidbmeta and testsuite/replication show this with a real TiDB.
//
// # Tables that no job made
//
// BR and PITR restore tables without DDL jobs, and a history may have been cut. Where the source is a
// [Snapshot], such a table is looked up in TiDB's meta data when its first rows or its first DDL
// come, as of their commit TS, and all of them are when a [History] is opened on jobs that
// do not explain each other, or with [Options.LoadSnapshot], as of the position. If TiKV's garbage collection
// has overtaken that time, a definition that has not changed since is as good; one that has is
// [ErrNoMeta].
//
// # Trade-offs
//
// Only present definitions are kept, and the number of every dropped table: rows of a table
// that a transaction still wrote to while it was truncated are dropped, as TiDB does. A job of
// which TiDB writes no binlog (ALTER TABLE … CACHE, TiFlash) is applied together with the next
// one that has; it has no effect on rows.
//
// Asking costs a time stamp of PD and one key of TiKV, at most once for each answer of theirs while rows come, and
// one key more for each step by which a table was altered. So the drainer does not go on while TiKV cannot be reached.
//
// Where the meta data of the time are gone (the drainer lags by more than TiDB's GC life time)
// or not there ([Dir]), schema versions decide. They err for a transaction that began before the change, and for one that
// drops a key while other jobs take steps; and of a [Dir] only rows with columns that the definition does not have are noticed.
package schema
