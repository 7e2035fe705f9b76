// Package binlogfile is the file format in which drainers keep binlogs (db-type = "file"): it makes records of
// transactions, reads files, and prints them. The file sink writes such files, reparo applies them to a
// database; the relay log has the same files and records with another payload.
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
// they write to. testdata/golden holds all that byte for byte, testsuite/upstream has what upstream's
// own drainer wrote.
package binlogfile
