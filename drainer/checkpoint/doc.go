// Package checkpoint keeps how far a drainer has come: everything up to the checkpoint's
// commit TS is downstream, and a restart goes on from there. The drainer saves it when its
// sink has applied more; sinks with a database of their own keep it there, in the same
// transactions, and bring a [Store] of their own.
//
// # What it guarantees
//
//   - A checkpoint never goes back ([Checkpoint]).
//   - A file is replaced as a whole and made durable: a reader, or a crash, sees the old
//     one or the new one ([File]).
//   - What cannot be read is an error that names the file and the cure. It never counts as
//     "no checkpoint", from which a drainer would begin somewhere else.
//   - A checkpoint that says which cluster it is of is not taken for another cluster's.
//
// # The file
//
// <data-dir>/savepoint, TOML, as upstream drainers and binlogctl write and read it:
//
//	commitTS = 470642465486929921
//	clusterID = "7412000000000000001"
//	ddl-reached = [118]
//
// Upstream drainers write commitTS, and beside it keys that mean nothing here (consistent,
// ts-map, schema-version); they ignore clusterID and ddl-reached ([Position]), which we add. binlogctl -cmd
// generate_meta wrote two lines after it with the time in words, the old one without
// marking them as comments; such lines are skipped.
package checkpoint
