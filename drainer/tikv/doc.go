// Package tikv reads TiDB's meta data in TiKV, found through PD: the DDL job history and the
// definitions of tables. It is the [schema.Source] of a drainer, and its [schema.Snapshot].
//
// # Where TiDB keeps them
//
// Meta data are hashes, a name and fields, in keys of this form (TiDB's packages meta and
// structure, 2.1 to 8.3):
//
//	"m" | name, memory-comparable | 8 bytes big-endian: 'h' | field, memory-comparable
//
// or strings, a name alone:
//
//	"m" | name, memory-comparable | 8 bytes big-endian: 's'
//
// Memory-comparable is TiKV's form of a byte string: groups of 8 bytes, the last padded with
// zeroes, each with a byte after it: 0xFF less the number of bytes of padding.
//
//	name           field                           value
//	DDLJobHistory  job ID, 8 bytes big-endian      the ended job's JSON
//	DBs            DB:<ID>, in decimal             the database's JSON
//	DB:<ID>        Table:<ID>, in decimal          the table's JSON
//
//	string            value
//	SchemaVersionKey  the newest schema version, in decimal
//	Diff:<version>    JSON: what that version has changed
//
// TiDB takes a version in a transaction of its own and writes the rest in the next one, before it takes
// another version: so only the newest may lack its diff for now, and any other without one has changed nothing.
//
// Since 6.2 TiDB writes ended jobs into the table mysql.tidb_ddl_history as well; the hash always
// has them all. Running jobs are elsewhere, in a hash or, since 6.2, a table.
//
// # What it promises
//
// History reads at one time stamp, a few jobs at a time: 100,000 jobs of 10 KiB need a few MiB.
// Regions that split or move, leaders that change, locks that dead TiDB servers have left and
// stores that do not answer are waited for as long as the context lasts, and the log says so.
// Nothing is written to TiKV but the end of a transaction whose lock stands in the way and has
// expired, as every reader of TiKV does.
//
// # Trade-offs
//
// client-go is used for its region cache, lock resolver and connections. What it learns about a
// store that was away it may not unlearn: after 3 s without an answer all of it is made anew.
package tikv
