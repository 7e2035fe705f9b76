// Package schema knows what TiDB's databases, tables and columns look like at each place of
// the stream of binlogs. A row of a binlog names its table and columns by number; what the
// numbers mean is in TiDB's DDL job history, which comes from a [Source].
//
// A drainer opens a [History] at its checkpoint and then calls, in commit TS order,
//
//   - [History.Reach] for a DDL binlog: the job is looked up and applied, and what is to be done
//     with the statement comes back;
//   - [History.Advance] before the rows of a data binlog, with the schema version they carry;
//   - [History.Early] when rows have values of columns that the definitions do not know;
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
// # Columns in use before their binlog
//
// The DDL binlog of a job is written in the transaction that marks the job as done. That of ADD
// COLUMN and MODIFY COLUMN is also the one that makes the column public, and a server shows a
// column to clients only after that transaction: no row with a value that a client gave the column
// has a smaller commit TS. Until then rows have the column's default, which the downstream gives
// them too, or, while a type is changed, the value in the old column as well.
//
// A multi-schema change (ALTER TABLE with several changes, which any two of them are, also
// MODIFY COLUMN and ADD INDEX) makes all of them public in one transaction, and is done some
// transactions later: at the least one, three for each DROP COLUMN or DROP INDEX, and each waits for
// all servers. In between rows come with values of the new columns. [History.Early] finds that
// out from TiDB's meta data as of the row's commit TS (the schema version in the binlog does
// not tell: a transaction may begin before the change and come to the table after it), waits for
// the job to end, and has the statement run before the first such row.
// testsuite/tidbmeta shows all of this with a real TiDB.
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
// one that has; it has no effect on rows. What a job only loosens is usable before its binlog too and
// is not looked for, as no row shows it: a unique key is not enforced any more in the last
// moments of DROP INDEX, and a longer VARCHAR that a multi-schema change makes is there a moment
// early. Rows that clients write in just that moment may be refused downstream; if they
// have columns that the same statement adds, they have none of this.
// Where the meta data of the time are gone (the drainer lags by more than TiDB's GC life time)
// or not there ([Dir]), schema versions decide on columns in use; they err for a transaction that
// began before the change only.
package schema
