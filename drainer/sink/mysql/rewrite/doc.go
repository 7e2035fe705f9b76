// Package rewrite makes the statement that a MySQL, MariaDB or TiDB has to run so that a definition
// there becomes what a DDL job made of it upstream, and says in which session it has to run. It
// asks no server anything. Package mysql runs what it gives.
//
// # From the definition
//
// The statement's text only tells which changes there were. What a column, a view or a table made
// by LIKE is comes from the job's definition ([schema.DDL].After): types, character sets and collations,
// NULL, defaults, generated columns, comments. So neither the client's sql_mode (ANSI_QUOTES,
// PIPES_AS_CONCAT, REAL_AS_FLOAT) nor the downstream's defaults play a part. The names of tables are
// resolved already ([schema.DDL].Statement). Where there is no definition, as in a relay log of another
// drainer, the text is taken as it is, with TiDB's defaults written out.
//
// # What is left out
//
// What TiDB accepts and does not do is removed: a server that did it would differ from the upstream, or
// refuse the statement. On MySQL and MariaDB these are
//
//   - options of tables other than the character set, collation, comment and AUTO_INCREMENT: ENGINE
//     above all, since rows of an engine without transactions can be there twice; COMPRESSION,
//     ROW_FORMAT, STATS_…, TTL, placement, AUTO_RANDOM_BASE …
//   - ALGORITHM, LOCK, FORCE, ORDER BY, ENABLE KEYS, WITH VALIDATION, SECONDARY_LOAD, CACHE,
//     ATTRIBUTES, TiFlash replicas
//   - CHECK unless the definition has it, which says that TiDB enforces it; it has the name that it has there
//   - REFERENCES within a column, FULLTEXT and SPATIAL keys, USING, KEY_BLOCK_SIZE, DESC
//   - AUTO_RANDOM, CLUSTERED, GLOBAL; subpartitions, LINEAR; options of partitions but COMMENT
//
// What the upstream does and the downstream cannot do is left out with a warning if rows do not
// depend on it: DEFAULT NEXT VALUE FOR, defaults that are expressions (MySQL 5.7), indexes on expressions
// (MariaDB, MySQL 5.7), AUTO_INCREMENT of a column that no key begins with, invisible indexes (MySQL 5.7; MariaDB calls them IGNORED since 10.6), collations that
// the server does not have (the binary one is taken: it takes no two texts for equal that the upstream does
// not). A latin1 column whose default or members have other characters is utf8mb4: TiDB's latin1 holds any
// UTF-8. An ALTER TABLE of which nothing remains is not run. What cannot be done at all is an error that says
// so: RECOVER and FLASHBACK of tables and databases; TRUNCATE and EXCHANGE of a partition by KEY, or by HASH of what
// may be NULL, which has other rows there. EXCHANGE … WITHOUT VALIDATION validates on MariaDB.
//
// A TiDB gets everything but placement, TiFlash replicas, and CHECK that is not enforced upstream. TTL is
// there with TTL_ENABLE = OFF: the upstream's deletions are in binlogs, and a row that the
// downstream deleted by itself would be missing in an UPDATE.
//
// CONVERT TO CHARACTER SET changes the columns that it changes upstream one by one, since other servers give a TEXT a larger type by
// it. Comments have question marks for what lies beyond U+FFFF.
//
// # Time
//
// MariaDB rounds a time that gets fewer digits, as TiDB does, by the sql_mode TIME_ROUND_FRACTIONAL.
//
// Definitions have TIMESTAMP defaults in UTC and bounds of partitions as numbers, and statements run in UTC.
// Literals of a statement without a definition are taken to be in the time zone of its session: that
// of the job, which jobs that change data have, else [Options].Zone. The session has another zone than UTC
// only when a column changes between TIMESTAMP and another type, which converts every row. ADD COLUMN with
// DEFAULT CURRENT_TIMESTAMP runs at the time that the upstream gave to the rows that were there.
package rewrite
