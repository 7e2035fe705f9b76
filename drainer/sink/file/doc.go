// Package file writes transactions to binlog files, in the format of package binlogfile.
//
// # What it guarantees
//
//   - Every transaction is in the files once, whole, in commit TS order, also over crashes
//     and restarts: what is in the files already is not written again.
//   - [Sink.Applied] is moved only after fsync of the file, and of the directory when the
//     file is new.
//   - A tail that a crash has torn is cut off when the sink opens, and said; it holds
//     nothing that Applied had covered. Damage anywhere else, or a file that begins with what
//     was never a record, is a [*binlogfile.DamageError] that names file and offset, and nothing is cut.
//     So is damage that the checkpoint covers, and a file that has become shorter: the file
//     .binlog.synced says up to which byte of which file everything was durable.
//   - A directory belongs to one sink at a time.
//
// A statement that rows need before its own binlog comes ([sink.Txn].Early) is a record of its own in
// front of theirs. Its commit TS is one less, or that of the record before if that is the same number.
//
// # What can be lost
//
// Nothing after the checkpoint. A crash of the machine may take what was written after the
// last fsync (at most [Options].SyncInterval and what was being written); the drainer
// delivers it again, since the checkpoint is not ahead of it.
//
// # Goroutines
//
// Apply encodes and writes in the caller's goroutine. One goroutine syncs what was written;
// one compresses and removes old files.
package file
