// Package restore applies what drainers have written to binlog files to a MySQL, MariaDB or TiDB: it is
// what the program reparo does.
//
// # What it guarantees
//
//   - Transactions take effect once, whole, and in commit TS order where order can be seen, whatever is killed
//     in between, as with the drainer's MySQL sink, which applies them. A restore that was interrupted
//     resumes at its checkpoint, which is in the database (tidb_binlog.reparo_checkpoint).
//   - Nothing is missing between two files: a file that is not there, one that is damaged, and a first
//     file that begins after the start are errors that name it. Only a torn tail of the newest file is
//     where the files end; that is said.
//   - A statement of DDL, or a row, that the database does not take stops the restore.
//
// # What files do not tell
//
// Files have no keys: those come from the database that is written to, as it is at that place of the stream.
// So everything before a statement of DDL is applied before definitions are read again. Nor do they have DDL
// jobs: a statement's time zone and sql_mode are those of [Options], and whether one was run before a crash is
// judged by what it changed in SHOW CREATE TABLE and in the numbers of tables.
//
// A statement that drops several tables is in a file once for each table that there was. Each time the
// first of them that there still is gets dropped.
//
// Upstream's drainer writes transactions again after a crash: what is not newer than what came before it
// in the files is left out.
package restore
