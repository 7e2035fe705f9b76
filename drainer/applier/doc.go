// Package applier applies transactions that come without table definitions and DDL jobs, as binlog files and
// Kafka messages have them, to a MySQL, MariaDB or TiDB, by way of the drainer's MySQL sink: reparo and
// arbiter are made of it.
//
// Definitions are the database's own, as they are at that place of the stream. So everything before a
// statement of DDL is applied before definitions are read again. A statement's time zone and sql_mode are
// those of [Options], and whether one was run before a crash is judged by what it changed in SHOW CREATE
// TABLE and in the numbers of tables.
//
// A statement that drops several tables comes once for each table that there was. Each time the first of them
// that there still is gets dropped.
package applier
