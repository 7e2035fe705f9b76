// Package relay keeps a relay log: transactions are durable in files on the drainer's machine
// before they go downstream. When the upstream is gone in the middle, with part of what
// was on its way applied, a drainer that starts on the relay log brings the downstream to a
// consistent point: the state of the upstream after the log's last transaction.
//
// # What it guarantees
//
//   - A transaction is handed to the inner sink only after fsync of the file it is in, and of the
//     directory when the file is new.
//   - A file is removed when the saved checkpoint covers everything in it ([Sink.Saved]), not before.
//   - [New] first applies what is in the log after the checkpoint ([Replay]); the same
//     transactions from the upstream are then dropped, once.
//   - Nothing is applied that is not continuous with the checkpoint. Every record says which
//     commit TS it follows. Where that is after the checkpoint, as when the downstream was
//     restored from a backup, transactions are missing in between: nothing from there on
//     is applied from the log, its files are moved away, and the upstream delivers all of it. If it cannot,
//     because the pumps have purged it, pulling from them is an error that names both positions.
//   - A tail that a crash has torn holds nothing that went downstream: it is cut off and said. Damage
//     anywhere else is a [*file.DamageError], and nothing is applied after it.
//
// The inner sink has to make no difference of a transaction that is downstream already, as all sinks
// do by contract: the log and the checkpoint do not tell which of the transactions between them are.
//
// # The format
//
// A directory holds files as package file's (their names, their records), of at most
// [Options].MaxFileBytes each but for a larger transaction. The payload of a record is a message of
// package message with its additions, one stream a file. Upstream drainers write the
// same files, without the additions, and read ours; theirs are read here, too, so that a drainer can
// be exchanged in the middle. Field 102 of a message is the commit TS that the record follows, a
// varint; where it is missing, in an old drainer's files, a record follows the one before it in the log,
// and the first one nothing if its file has the number 0. A restart begins a new file. A statement is there with the definitions of the tables that it is
// about, before and after it, so that it is carried out and checked as if it came from the upstream.
// Early statements of a transaction ([sink.Txn].Early) are in its message, as an addition: upstream's drainer does not see them, and
// stops at the rows, whose column its downstream does not have.
//
// # What can be lost
//
// Nothing that has gone downstream. What the drainer's filters left out is not in the log: filters that take
// in more apply to what comes after it. What the upstream committed and the drainer has not received is
// not in the log: it is the point the log can bring the downstream to.
//
// # Goroutines
//
// Apply encodes and writes in the caller's goroutine. One goroutine syncs what was written,
// hands it to the inner sink and removes files.
package relay
