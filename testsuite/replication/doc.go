// Package replication shows the product as a whole: a real pd-server, a real TiDB on
// unistore, two pumps, a drainer and a MariaDB or another TiDB downstream.
//
//   - [Workload] changes a TiDB as many clients do: some sixty column types, every shape of
//     key, large and conflicting transactions, and every kind of DDL that a MariaDB knows, from
//     sessions with time zones, sql_modes and current databases of their own;
//   - [Fuzz] makes random DDL of every kind that TiDB has, from sessions that differ more;
//   - [Compare] says how two servers differ: definitions and rows;
//   - [Cluster] runs the processes and ends, kills and starts them one by one;
//   - [Proxy] counts the steps of a drainer towards its downstream, and does something at one;
//   - [Bank] is data of which every snapshot must add up, and looks at snapshots of the
//     downstream all the time.
//
// The tests compare TiDB with MariaDB after an undisturbed run (TestReplication) and after
// one full of faults (TestReplicationFaults), with another TiDB (TestToTiDB), after DDL whose drainer was
// killed at each of its steps (TestDDLKilled) and after the fuzz (TestDDLFuzz…); they measure how far
// MariaDB lags (TestLag). TestTiDBCrashes kills TiDB servers in COMMIT while a [Collector] moves PD's GC safe point
// on, and shows that replication goes on by itself; TestUndetermined freezes the storage in COMMIT. PUMPHOUSE_SOAK=1 switches the long forms on, PUMPHOUSE_SEED=n
// repeats a run, FUZZ_STATEMENTS=file the statements that a fuzz has written down, the fuzz's short form has a seed and a number of steps of its own, and with FUZZ_EACH=n a fuzz
// compares after every n steps, goes on after a difference and tells all of them.
//
// # What a MariaDB cannot be given
//
// The workload leaves out what TiDB has and a MariaDB does not, or has with another meaning:
// indexes on expressions, invisible indexes, NOW() as the default of a column that is added
// to rows (each side takes its own time), collations of MySQL 8 (utf8mb4_0900_ai_ci),
// default values from sequences, REORGANIZE PARTITION of a table with rows of zero dates.
// The fuzz makes these too; what it leaves out, and why, is in fuzzexcluded.go.
//
// Two things it leaves out because TiDB's binlogs are wrong or not enough. UPDATE IGNORE that
// runs into a duplicate while it changes a clustered key, in a transaction that changes
// something else too: TiDB keeps the row and still writes its deletion (seen, 2023). Transactions that write to a partition while it is truncated, dropped or
// exchanged: rows carry the table's number, not the partition's, so nobody downstream can tell
// which side of the DDL they are on.
//
// MariaDB runs with its own default collation, not with TiDB's.
package replication
