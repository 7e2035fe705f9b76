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
// Package applier says what becomes of rows and statements without definitions.
//
// Upstream's drainer writes transactions again after a crash: what is not newer than what came before it
// in the files is left out.
package restore
