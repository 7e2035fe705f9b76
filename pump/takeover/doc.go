// Package takeover brings the binlogs of an upstream pump into a store of ours, so that a pump
// started on the old one's data directory goes on where that one stopped. Package pump calls it before it opens its store.
//
// # What it guarantees
//
//   - Every record goes through the store's own write path, in the order of arrival. So drainers get what upstream's pump
//     would have delivered, in commit TS order, from whatever position they come with, and a transaction that is unresolved stays so.
//   - Nothing of the old log is changed before everything in it is durable in the store. Then it is kept below old/.
//   - A crash at any point costs what was imported in the last few seconds: the next start goes on.
//   - What it cannot import it does not leave out: damage, an unknown record, or too little space is an error that says where and what to do.
//
// # Directories
//
// Below the pump's data directory, value/ and kv/ are upstream's. kv/ is an index that can be made from value/; it is not read.
// The store grows in binlog.importing/. When it is complete, which its last note says, value/ and kv/ move to old/
// and binlog.importing/ becomes binlog/, each by a rename that is synced before the next. Whatever of
// that is missing is done at the next start.
//
// # What counts as purged
//
// Upstream's garbage collection removes whole files, the oldest first, so the first file left may hold commits
// whose prewrite is gone. Everything up to the largest commit TS of these counts as purged. If there is none although
// files have been removed, everything before the first commit that is left does: by the order of
// arrival (see package storage) it is later than all that was removed.
//
// # Transactions without an outcome
//
// When TiKV told an upstream pump that a transaction was rolled back, the pump went on and wrote nothing. Such a
// prewrite looks as one does that is unresolved, but TiKV may have forgotten it long since. Upstream's pump
// sorts in the order of arrival, and waits at a prewrite without an outcome. So where its record in PD says that it
// has sorted a commit which arrived after the prewrite, it knew the outcome, and as there is no commit in the log it
// was a rollback. Only what is older than the sorted commit by more than ten minutes is decided so,
// the age at which upstream's pump asks TiKV; all else is left to TiKV.
package takeover
