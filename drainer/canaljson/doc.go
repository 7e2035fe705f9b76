// Package canaljson writes transactions as messages in the Canal-JSON format of TiCDC, for consumers of Kafka topics that
// are to go on when TiCDC takes the drainer's place. The sink decides which message goes where.
//
// # The format
//
// It is that of TiCDC 6.5 and later with its default settings: one JSON object a row, a DDL statement or a watermark.
//
//	id         0
//	database   of the row or statement
//	table      its table; "" for a statement on a database
//	pkNames    columns of the primary key; null without one, and where there is no row
//	isDdl      whether it is a statement
//	type       INSERT, UPDATE or DELETE; of a statement CREATE, ALTER, ERASE, RENAME, TRUNCATE, CINDEX, DINDEX or QUERY; TIDB_WATERMARK
//	es         time of the commit TS in milliseconds
//	ts         when the message was made, in milliseconds
//	sql        the statement, as TiDB has it
//	sqlType    of each column its type among those of java.sql.Types; an unsigned integer that the usual one has no
//	           room for has the next larger one
//	mysqlType  of each column the name of its type, without length
//	data       the row, of DELETE the one that was deleted; a list of one
//	old        of UPDATE the row before, with all columns; else null
//	_tidb      with the extension: commitTs of rows and statements, watermarkTs of watermarks
//
// All values are texts or null:
//
//	integers, year                 as printed
//	bit, enum (index), set (bits)  the number
//	float, double                  without exponent
//	decimal, date and time, json   as MySQL prints them; a timestamp in the encoder's time zone
//	char, varchar, text            the text; bytes that are invalid UTF-8 are U+FFFD
//	binary, varbinary, blob        a character for each byte, that of ISO 8859-1
//
// Virtual generated columns are not there. A value that the binlog does not tell is the column's default.
//
// An UPDATE that changes the primary key, or a unique key without NULLs, is a DELETE and an INSERT ([Encoder.Split]), as in
// TiCDC. A row whose message is larger than Kafka takes can be written with the columns of its key alone ([Encoder.KeyOnly]),
// as TiCDC does with large-message-handle-option = "handle-key-only".
package canaljson
