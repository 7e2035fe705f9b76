// Package message writes transactions as messages in the format of upstream's Kafka topics and
// relay logs, and reads such messages again.
//
// # The format
//
// A message is a pbkafka.Binlog. A transaction's changes stand under their tables, in the order
// they were made; a DDL has the statement as TiDB has it, with its database and the name that its table
// has afterwards beside it. The columns of a table are the public ones, with length and decimals of
// their types as TiDB has them (-1: unspecified); every row has a value for each: one that the binlog does not
// tell is the column's default, or NULL if the column is generated, as it always is in updates: this is
// what upstream's drainers write.
// What MySQL type is in which field:
//
//	int64_value   tinyint, smallint, mediumint, int, bigint
//	uint64_value  the same, unsigned; enum (index, 0 is the error value), set (bits)
//	double_value  float, double
//	string_value  char, varchar, text types; decimal; date, datetime, timestamp, time, year
//	bytes_value   binary, varbinary, blob types; bit (big endian); json (text)
//	is_null       NULL
//
// Keys are the primary and unique ones whose columns are all in column_info. time_zone is the
// zone of timestamps, which upstream's drainers leave out. testdata/golden holds messages byte for byte.
//
// # Additions
//
// What the format leaves out can be added, in fields that other readers skip ([Encoder.Complete]):
//
//	Binlog         100 start TS (102 is the relay log's own)
//	               101 the early statements (JSON, the same) of a transaction that has some
//	Table          100 number of the table's definition in this stream
//	               101 the definition (JSON), with the first message that has the number
//	TableMutation  100 which of row's columns the binlog does not tell: a bit each, from the
//	                   lowest of the first byte on; 101 the same of change_row; 102 row ID
//	DDLData        101 all that is known of the statement (JSON, [schema.DDL.Encode])
//
// With them a [Decoder] makes the transactions that were encoded, less columns that are in no
// message, and with the generated values of updates. Without them, from an old drainer's relay log, it makes what can be made: enums and
// sets are numbers, keys but the primary one do not identify rows.
package message
