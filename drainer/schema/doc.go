// Package schema knows what TiDB's databases, tables and columns look like at each place of
// the stream of binlogs. A row of a binlog names its table and columns by number; what the
// numbers mean is in TiDB's DDL job history, which comes from a [Source].
//
// A drainer opens a [History] at its checkpoint and then calls, in commit TS order,
//
//   - [History.Reach] for a DDL binlog: the job is looked up and applied, and what is to be done
//     with the statement comes back;
//   - [History.Advance] before the rows of a data binlog, with the schema version they carry;
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
// # Trade-offs
//
// Only present definitions are kept, and the number of every dropped table: rows of a table
// that a transaction still wrote to while it was truncated are dropped, as TiDB does. A job of
// which TiDB writes no binlog (ALTER TABLE … CACHE, TiFlash) is applied together with the next
// one that has; it has no effect on rows. Within a multi-schema change some of TiDB's steps are
// visible to its clients before the one DDL binlog comes; values written into a column that the
// same statement adds, before that moment, are not known yet and are left out.
package schema
