// Package compare checks whether a downstream database is what the upstream was at the commit TS
// at which its drainer was paused: table by table, row by row.
//
// # What it guarantees
//
//   - The upstream is read as it was at that TS (tidb_snapshot), whatever is written there
//     meanwhile. That nobody writes to the downstream is for the caller to see to ([Options.Held]):
//     it is asked again and again, and a comparison during which something moved is an error,
//     never a result.
//   - What is said to be equal is equal: every row of both sides is in a checksum of 60 bits of MD5 a
//     row, summed, or was compared itself.
//   - What is said to differ differs. Checksums only say where to look: the rows are then read
//     from both sides by their keys, in the binary protocol, and compared by value (1.0 and 1e0
//     in a JSON document are the same, so are documents whose keys come in another order).
//   - Nothing is written on either side.
//
// Tables that are downstream only are differences if the upstream has their database. Other databases of
// the server downstream are only named: they may be anybody's.
//
// # How
//
// A table is cut into chunks of rows by its primary key, else by a unique key that takes no NULL.
// Chunks are cut where the upstream's order says. Other collations may order otherwise
// downstream; each row is then still in one chunk at least, and rows that only look
// missing are found by their keys. A chunk whose sums differ lists keys and checksums of its
// rows. A table without such a key is one chunk, and its rows are told apart by their checksums.
//
// Definitions are compared as package definition does; keys that only the downstream has are no difference, since
// operators make them for queries there. The values of generated columns are not compared: they follow from the others. Nor are views, sequences, and
// the tables of TiDB, of the downstream's server and of the drainer.
//
// # Trade-offs
//
//   - MySQL orders the keys of JSON documents otherwise than TiDB, so chunks with such documents differ
//     by checksum and are compared row by row: right, and slow.
//   - After [maxDiffering] rows of a table the rest of it is not looked at.
//   - So do chunks with text of latin1 columns that is not UTF-8 (see sink/mysql); a key that has such text counts as none.
//   - In a table without a key rows whose checksums differ have to fit in memory: with more than
//     [maxListed] of them only numbers are told.
package compare
