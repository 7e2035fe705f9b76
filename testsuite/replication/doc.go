// Package replication shows the product as a whole: a real pd-server, a real TiDB on
// unistore, two pumps, a drainer and a MariaDB behind it.
//
//   - [Workload] changes a TiDB as many clients do: some sixty column types, every shape of
//     key, large and conflicting transactions, and every kind of DDL that a MariaDB knows;
//   - [Compare] says how two servers differ, row by row;
//   - [Cluster] runs the processes and ends, kills and starts them one by one;
//   - [Bank] is data of which every snapshot must add up, and looks at snapshots of the
//     downstream all the time.
//
// The tests compare TiDB with MariaDB after an undisturbed run (TestReplication) and after
// one full of faults (TestReplicationFaults), and measure how far MariaDB lags
// (TestLag). TestTiDBCrashes kills TiDB servers in COMMIT while a [Collector] moves PD's GC safe point
// on, and shows that replication goes on by itself. PUMPHOUSE_SOAK=1 switches the long forms on, REPLICATION_SEED=n repeats a run.
//
// # What a MariaDB cannot be given
//
// The workload leaves out what TiDB has and a MariaDB does not, or has with another meaning:
// indexes on expressions, invisible indexes, NOW() as the default of a column that is added
// to rows (each side takes its own time), collations of MySQL 8 (utf8mb4_0900_ai_ci),
// default values from sequences, REORGANIZE PARTITION of a table with rows of zero dates.
//
// Two things it leaves out because TiDB's binlogs are wrong or not enough. UPDATE IGNORE that
// runs into a duplicate while it changes a clustered key, in a transaction that changes
// something else too: TiDB keeps the row and still writes its deletion (seen, 2023). Transactions that write to a partition while it is truncated, dropped or
// exchanged: rows carry the table's number, not the partition's, so nobody downstream can tell
// which side of the DDL they are on.
//
// MariaDB runs with its own default collation, not with TiDB's.
package replication
