// Package oldlog reads the value log of an upstream TiDB Binlog pump: every binlog that the pump has
// stored, in the order in which they arrived. Package takeover imports it; nothing here writes.
//
// # Format
//
// The directory value/ below the pump's data directory holds files NNNNNN.vlog, numbered from
// 000000. The pump's garbage collection removes whole files, the oldest first, so the numbers have no
// gap but at their beginning. All integers are little endian. A file holds records, one after the other:
//
//	 0  4  magic 0x823a56e8
//	 4  8  n, the size of the payload in bytes
//	12  4  CRC-32C of the payload
//	16  n  payload: the Binlog message as TiDB sent it
//
// and, when the pump has finished the file, a footer:
//
//	0  8  largest TS in the file
//	8  4  magic 0x123ab922
//
// A pump finishes a file before it begins the next, and appends to the newest one again when it is
// started.
//
// # Damage
//
// A record is synced before its write is acknowledged. So a record that a crash cut short was
// acknowledged to nobody, and the reader passes over it: at the end of the newest file, where after a power failure
// zeros may stand in its place, and also further back, where a pump that was started again has appended to
// it. A record counts as cut short when its header, or what there is of it, is valid and says that it
// extends past the place where the next record, the footer or the end of the file is. Everything else that is not a
// record is damage, a [*DamageError]: a wrong checksum of a record that has its full size, a
// header that is none, a file that is missing, or has no footer although another one follows.
//
// Damage to the very last record of an unfinished file cannot be told from a cut when it looks like one.
package oldlog

import "hash/crc32"

const (
	recordMagic = 0x823a56e8
	footerMagic = 0x123ab922
	headerSize  = 16
	footerSize  = 12
	extension   = ".vlog"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
