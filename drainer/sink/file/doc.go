// Package file writes transactions to files in upstream's binlog file format, which
// its replay tool (reparo) reads, and reads such files again.
//
// # What it guarantees
//
//   - Every transaction is in the files once, whole, in commit TS order, also over crashes
//     and restarts: what is in the files already is not written again.
//   - [Sink.Applied] is moved only after fsync of the file, and of the directory when the
//     file is new.
//   - A tail that a crash has torn is cut off when the sink opens, and said; it holds
//     nothing that Applied had covered. Damage anywhere else, or a file that begins with what
//     was never a record, is a [*DamageError] that names file and offset, and nothing is cut.
//     So is damage that the checkpoint covers, and a file that has become shorter: the file
//     .binlog.synced says up to which byte of which file everything was durable.
//   - A directory belongs to one sink at a time.
//
// # The format
//
// A directory holds files named binlog-<16 digits, ascending>-<yyyymmddhhmmss>, the time
// being that of the first transaction, in local time; with .gz after it, one is compressed
// as a whole (the replay tool wants it uncompressed). A file is a sequence of records:
//
//	 0       4                12            12+size     16+size
//	+-------+----------------+-------------+-----------+
//	| magic | size           | payload     | CRC-32C   |
//	+-------+----------------+-------------+-----------+
//	  uint32  uint64 of the    size bytes    uint32 of the payload
//
// All integers are little endian; magic is 471532804. The payload is a
// pbfile.Binlog: commit TS, and either events of rows or ddl_query, which is
//
//	use `db`; <query>;
//
// and for CREATE DATABASE the query alone. Each column of a row is a marshalled
// pbfile.Column of its own. The values are in TiDB's codec.EncodeValue form:
//
//	NULL                                      00
//	integer, YEAR                             08 zigzag varint
//	unsigned integer, ENUM index, SET bits,
//	BIT                                       09 varint
//	FLOAT, DOUBLE                             05 float64 big endian, sign bit flipped if
//	                                             positive, all bits if negative
//	everything else                           02 zigzag varint of the length, bytes
//
// where DECIMAL, JSON, date and time are the text MySQL prints. (Files that we wrote before
// have BIT as bytes; [Print] takes both.) An update has the old value in value and the new one
// in changed_value. Columns that are not public or not in the binlog are left out. Generated
// columns are left out of updates; inserts and deletes have them, as NULL where the binlog does not
// have the value, which is upstream's way: readers leave them to the database that
// they write to. testdata/golden holds all that byte for byte, testdata/upstream what upstream's
// own drainer wrote.
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
