// Package relay keeps a relay log: transactions are durable in files on the drainer's machine
// before they go downstream. When the upstream is gone in the middle, with part of what
// was on its way applied, a drainer that starts on the relay log brings the downstream to a
// consistent point: the state of the upstream after the log's last transaction.
//
// # What it guarantees
//
//   - A transaction is handed to the inner sink only after fsync of the file it is in, and of the
//     directory when the file is new.
//   - A file is removed when everything in it is downstream for good ([sink.Sink].Applied), not before.
//   - [New] first applies what is in the log behind the checkpoint ([Replay]); the same
//     transactions from the upstream are then dropped, once.
//   - A tail that a crash has torn holds nothing that went downstream: it is cut off and said. Damage
//     anywhere else is a [*file.DamageError], and nothing is applied from behind it.
//
// The inner sink has to make no difference of a transaction that is downstream already, as all sinks
// do by contract: the log and the checkpoint do not tell which of the transactions between them are.
//
// # The format
//
// A directory holds files as package file's (their names, their records), of at most
// [Options].MaxFileBytes each but for a larger transaction. The payload of a record is a message of
// package message with its additions, one stream a file. Drainers of the field write the
// same files, without the additions, and read ours; theirs are read here, too, so that a drainer can
// be exchanged in the middle. A restart begins a new file. Early statements of a transaction
// ([sink.Txn].Early) are in its message, as an addition: a drainer of the field does not see them, and
// stops at the rows, whose column its downstream does not have.
//
// # What can be lost
//
// Nothing that has gone downstream. What the upstream committed and the drainer has not received is
// not in the log: it is the point the log can bring the downstream to.
//
// # Goroutines
//
// Apply encodes and writes in the caller's goroutine. One goroutine syncs what was written,
// hands it to the inner sink and removes files.
package relay
